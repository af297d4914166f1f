//! What the pods of a build, and the bottle's own, show.

mod agent;
mod failure;

pub(super) use agent::{agent, image_id, runs};

use super::Builds;
use crate::{names::container, proposal::build::Built};
use failure::{again, failure, lock_failed, why};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

/// What the pod that builds shows.
pub(super) fn built(pod: Option<&Pod>, builds: &Builds, namespace: &str) -> Built {
    let Some(pod) = pod else {
        return Built::NotThere;
    };
    let phase = phase(pod);
    // The pod's own end comes seconds later: its proxy is ended after it.
    let last = last(pod).and_then(terminated);
    if last.is_some_and(|end| end.exit_code == 0) || phase == Some("Succeeded") {
        let digest = last.and_then(|end| end.message.as_deref()).map(str::trim);
        return match digest.filter(|digest| is_digest(digest)) {
            // Only the digest is the pod's word, never the repository.
            Some(digest) => Built::Done(builds.image(namespace, digest)),
            None => Built::Failed(failure(
                "PushFailed",
                "the push ended without a digest",
                None,
            )),
        };
    }
    if let Some(why) = hook(pod) {
        let end = ContainerStateTerminated {
            message: Some(why),
            ..ContainerStateTerminated::default()
        };
        return Built::Failed(lock_failed(&end));
    }
    if phase == Some("Failed") {
        return Built::Failed(why(pod, builds));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Built::Failed(again(failure(
            "BuildLost",
            "the pod that built was taken away",
            None,
        )));
    }
    Built::Working(works_on(pod))
}

fn works_on(pod: &Pod) -> &'static str {
    let ended = |name: &str| status(pod, name).and_then(terminated).is_some();
    let runs = |name: &str| {
        let state = status(pod, name).and_then(|status| status.state.as_ref());
        state.is_some_and(|state| state.running.is_some())
    };
    if ended(container::BUILD) {
        "the image is built and is being pushed"
    } else if runs(container::BUILD) {
        "the image is being built; its log: bottle logs --build, or kubectl logs of status.build.pod, container build"
    } else if ended(container::LOCK) || runs(container::EGRESS) {
        "the build's own proxy has started"
    } else {
        "the images that it is built on are being pulled"
    }
}

/// What the proxy's hook said, which lays the lock: no step begins after it failed, and the kubelet goes on trying.
fn hook(pod: &Pod) -> Option<String> {
    let state = status(pod, container::EGRESS)?.state.as_ref()?;
    let waiting = state.waiting.as_ref()?;
    let began = status(pod, container::BUILD)
        .and_then(|build| build.state.as_ref())
        .is_some_and(|state| state.running.is_some() || state.terminated.is_some());
    let failed = matches!(
        waiting.reason.as_deref(),
        Some("PostStartHookError" | "CrashLoopBackOff")
    );
    (failed && !began).then(|| waiting.message.clone().unwrap_or_default())
}

/// The container whose end is the build's: the only one besides init containers.
fn last(pod: &Pod) -> Option<&ContainerStatus> {
    let name = &pod.spec.as_ref()?.containers.first()?.name;
    status(pod, name)
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64
        && hex
            .chars()
            .all(|one| one.is_ascii_hexdigit() && !one.is_ascii_uppercase())
}

/// Whether the pod is over without success, or on its way out.
pub(super) fn has_failed(pod: &Pod) -> bool {
    phase(pod) == Some("Failed")
}

/// When the pod was over; none while it is not.
pub(super) fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let done = last(pod).and_then(terminated);
    if !matches!(phase(pod), Some("Succeeded" | "Failed")) && done.is_none() {
        return None;
    }
    let ends = statuses(pod)
        .filter_map(terminated)
        .filter_map(|end| end.finished_at.as_ref());
    let made = pod.metadata.creation_timestamp.as_ref();
    ends.chain(made).map(|time| time.0).max()
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().flatten().chain(main.into_iter().flatten())
}

fn status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    statuses(pod).find(|status| status.name == name)
}

fn terminated(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}
