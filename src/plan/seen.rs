//! What a pod that is there tells: small questions that several parts of the plan ask.

use crate::names::container;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// The agent's image as the pod's spec has it.
pub fn agent_image(pod: &Pod) -> Option<&String> {
    let spec = pod.spec.as_ref()?;
    spec.containers
        .iter()
        .find(|container| container.name == container::AGENT)?
        .image
        .as_ref()
}

/// How the agent ended: its exit code, and the message that `seal` left.
pub fn ended(pod: &Pod) -> Option<(i32, String)> {
    let terminated = container_status(pod, container::AGENT)?
        .state
        .as_ref()?
        .terminated
        .as_ref()?;
    // A failure is followed by a restart, until `seal` gives up with code 0 and a message.
    (terminated.exit_code == 0).then(|| {
        (
            terminated.exit_code,
            terminated.message.clone().unwrap_or_default(),
        )
    })
}

/// When the agent ended for good.
pub fn ended_at(pod: &Pod) -> Option<Timestamp> {
    ended(pod)?;
    let state = container_status(pod, container::AGENT)?.state.as_ref()?;
    Some(state.terminated.as_ref()?.finished_at.as_ref()?.0)
}

/// Whether a container waits for more than its turn.
pub fn is_stuck(reason: &str) -> bool {
    !matches!(reason, "PodInitializing" | "ContainerCreating")
}

/// Why a container waits: reason and message.
pub fn waiting(state: &ContainerState) -> Option<(&str, &str)> {
    let waiting = state.waiting.as_ref()?;
    Some((
        waiting.reason.as_deref()?,
        waiting.message.as_deref().unwrap_or_default(),
    ))
}

/// The status of the container `name`.
pub fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    pod.status
        .as_ref()?
        .container_statuses
        .iter()
        .flatten()
        .find(|status| status.name == name)
}
