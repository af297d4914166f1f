//! Phase and readiness of a Bottle by its pod.

use super::facts::{Fact, gave_up, is_missing_secret};
use super::image::word;
use crate::{
    api::BottlePhase,
    names::container,
    plan::builds::Declared,
    plan::seen::{agent_image, container_status, ended, is_stuck, waiting},
    proposal::condition::{FALSE, TRUE},
};
use k8s_openapi::api::core::v1::Pod;

/// One sentence for every normal step between a Bottle and its agent: each change of it would be a write.
const ON_ITS_WAY: &str = "the pod is being made, or its containers are starting";

pub(super) fn ready(pod: &Pod, prepared: &Fact, enforced: &Fact) -> (BottlePhase, Fact) {
    let (phase, fact) = state(pod);
    if prepared.status == FALSE {
        let reason = if is_missing_secret(prepared) {
            "MissingSecret"
        } else {
            "LockFailed"
        };
        return (
            BottlePhase::Starting,
            Fact::new(FALSE, reason, prepared.message.clone()),
        );
    }
    if fact.status == TRUE && enforced.status != TRUE {
        return (
            phase,
            Fact::new(FALSE, "ConfigNotEnforced", enforced.message.clone()),
        );
    }
    (phase, fact)
}

/// Phase and readiness by the agent's container alone.
pub(super) fn state(pod: &Pod) -> (BottlePhase, Fact) {
    if pod.metadata.deletion_timestamp.is_some() {
        return (
            BottlePhase::Starting,
            Fact::new(FALSE, "Replacing", "the old pod is ending"),
        );
    }
    if let Some((_, message)) = ended(pod) {
        return if message.trim().is_empty() {
            (
                BottlePhase::Finished,
                Fact::new(FALSE, "Finished", "the agent ended with success"),
            )
        } else {
            let message = format!("{}; see kubectl logs", gave_up(&message));
            (
                BottlePhase::Failed,
                Fact::new(FALSE, "AgentFailed", message),
            )
        };
    }
    let Some(agent) = container_status(pod, container::AGENT) else {
        return (BottlePhase::Starting, unscheduled(pod));
    };
    let Some(state) = &agent.state else {
        return (
            BottlePhase::Starting,
            Fact::new(FALSE, "Starting", ON_ITS_WAY),
        );
    };
    if state.running.is_some() {
        return (
            BottlePhase::Running,
            Fact::new(TRUE, "Running", "the agent runs behind its wall"),
        );
    }
    let last = agent
        .last_state
        .as_ref()
        .or(Some(state))
        .and_then(|state| state.terminated.as_ref())
        .and_then(|end| {
            Some(format!(
                "exit code {}: {}",
                end.exit_code,
                end.message.as_deref()?.trim()
            ))
        });
    match (waiting(state), last) {
        (
            Some((
                reason @ ("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName"
                | "ErrImageNeverPull"),
                message,
            )),
            _,
        ) => {
            let image = agent_image(pod).map_or("", String::as_str);
            let text = format!(
                "image {image} can't be pulled ({reason}: {message}); correct spec.agent.image or its pull secrets"
            );
            (
                BottlePhase::Starting,
                Fact::new(FALSE, "ImageNotPulled", text),
            )
        }
        (_, Some(last)) if last.contains(": CloneFailed: ") => (
            BottlePhase::Starting,
            Fact::new(
                FALSE,
                "CloneFailed",
                format!(
                    "the workspace could not be cloned, which is tried again ({last}); correct spec.workspace.git, its \
                     route or the allowlist"
                ),
            ),
        ),
        (_, Some(last)) => (
            BottlePhase::Starting,
            Fact::new(
                FALSE,
                "AgentRestarting",
                format!("the agent starts again after {last}"),
            ),
        ),
        (Some((reason, message)), None) if is_stuck(reason) => (
            BottlePhase::Starting,
            Fact::new(FALSE, "AgentNotStarted", format!("{reason}: {message}")),
        ),
        _ => (
            BottlePhase::Starting,
            Fact::new(FALSE, "Starting", ON_ITS_WAY),
        ),
    }
}

/// Of a Bottle that has no pod yet.
pub(super) fn without_pod(declared: Option<&Declared>) -> (BottlePhase, Fact) {
    declared.and_then(waits_for_image).unwrap_or_else(|| {
        (
            BottlePhase::Starting,
            Fact::new(FALSE, "Starting", ON_ITS_WAY),
        )
    })
}

/// Because the image of its own Dockerfile is not there.
fn waits_for_image(declared: &Declared) -> Option<(BottlePhase, Fact)> {
    if declared.image().is_some() {
        return None;
    }
    Some(match &declared.status.failed {
        Some(failed) => {
            let text = format!(
                "no agent starts: {}\ncorrect spec.dockerfile or what it needs; it is built again when the Bottle or what \
                 is in force changes",
                failed.message
            );
            (
                BottlePhase::Pending,
                Fact::new(FALSE, word(&failed.reason), text),
            )
        }
        None => (
            BottlePhase::Building,
            Fact::new(FALSE, "Building", &*declared.message),
        ),
    })
}

pub(super) fn unscheduled(pod: &Pod) -> Fact {
    let message = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .and_then(|condition| condition.message.clone());
    match message {
        Some(message) => Fact::new(
            FALSE,
            "Unschedulable",
            format!("no node takes the pod: {message}"),
        ),
        None => Fact::new(FALSE, "Starting", ON_ITS_WAY),
    }
}
