//! What the bottle's own pod shows of an agent in a new image.

use super::failure::tail;
use crate::{
    names::container,
    plan::seen::{agent_image, container_status},
    proposal::build::Agent,
};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

/// What the agent's container shows of `image`; `replaced` is the container that it was in before.
pub(in crate::plan::builds) fn agent(
    pod: Option<&Pod>,
    image: Option<&str>,
    replaced: Option<&str>,
) -> Agent {
    let Some(pod) = pod else { return Agent::Absent };
    let Some(status) = container_status(pod, container::AGENT) else {
        return Agent::Old(None);
    };
    let id = status.container_id.as_deref();
    let old = || Agent::Old(status.container_id.clone());
    if image.is_none() || agent_image(pod).map(String::as_str) != image {
        return old();
    }
    let state = status.state.clone().unwrap_or_default();
    if let Some(waiting) = state.waiting {
        let reason = waiting.reason.unwrap_or_default();
        let last = status
            .last_state
            .as_ref()
            .and_then(|last| last.terminated.as_ref());
        let own = last.filter(|last| last.container_id.as_deref() != replaced);
        return match reason.as_str() {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "CreateContainerError"
            | "CreateContainerConfigError"
            | "RunContainerError" => {
                Agent::Broken(format!("{reason}: {}", waiting.message.unwrap_or_default()))
            }
            "CrashLoopBackOff" if own.is_some() => {
                Agent::Broken(own.map(ended_with).unwrap_or_default())
            }
            _ => old(),
        };
    }
    if id.is_some() && id == replaced {
        return old();
    }
    match (state.running, state.terminated) {
        (Some(running), _) => running.started_at.map_or_else(old, |at| Agent::New(at.0)),
        (None, Some(end)) if end.exit_code == 0 => Agent::Finished,
        (None, Some(end)) => Agent::Broken(ended_with(&end)),
        (None, None) => old(),
    }
}

fn ended_with(end: &ContainerStateTerminated) -> String {
    let said = end
        .message
        .as_deref()
        .map(tail)
        .unwrap_or_default()
        .join(" ");
    format!("it ended with {} {said}", end.exit_code)
        .trim_end()
        .to_owned()
}

/// Whether the agent's container runs, or ended as it should.
pub(in crate::plan::builds) fn runs(pod: &Pod) -> bool {
    let status = container_status(pod, container::AGENT);
    let state = status.and_then(|status| status.state.as_ref());
    state.is_some_and(|state| state.running.is_some())
}

/// The image that the agent runs in, as the runtime knows it.
pub(in crate::plan::builds) fn image_id(pod: &Pod) -> Option<&str> {
    let status = container_status(pod, container::AGENT)?;
    Some(status.image_id.as_str()).filter(|id| !id.is_empty())
}
