//! What the pods of a build, and the bottle's own, show.

use super::{super::seen::agent_image, Builds};
use crate::{
    names::{container, exit},
    proposal::build::{Agent, Built, Failure},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

/// Lines and characters of a log's end that are kept.
const LOG_LINES: usize = 20;
const LOG_WIDTH: usize = 200;

/// Reasons of a pod that its node ended for the node's own sake.
const TAKEN_AWAY: [&str; 5] = [
    "Terminated",
    "NodeShutdown",
    "Shutdown",
    "NodeLost",
    "Preempting",
];
/// Reasons of a container's end that is only guessed.
const NOBODY_KNOWS: [&str; 2] = ["Unknown", "ContainerStatusUnknown"];

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

/// Why the pod failed: the first container that did.
fn why(pod: &Pod, builds: &Builds) -> Failure {
    let whole = pod
        .status
        .as_ref()
        .and_then(|status| status.reason.as_deref());
    let message = pod
        .status
        .as_ref()
        .and_then(|status| status.message.as_deref())
        .unwrap_or_default();
    if whole == Some("DeadlineExceeded") {
        let text = format!(
            "it took longer than {} seconds (builds.timeoutSeconds)",
            builds.timeout_seconds
        );
        return failure("BuildTimedOut", &text, None);
    }
    if whole == Some("Evicted") {
        return failure(
            "BuildEvicted",
            &format!("the node ended it: {message}"),
            None,
        );
    }
    // The node shut down, or gave the place to a pod of its own.
    if let Some(word) = whole.filter(|word| TAKEN_AWAY.contains(word)) {
        return lost(&format!("the node ended it ({word}): {message}"));
    }
    let mut ended =
        statuses(pod).filter_map(|status| Some((status.name.as_str(), terminated(status)?)));
    let Some((name, end)) =
        ended.find(|(name, end)| end.exit_code != 0 && *name != container::EGRESS)
    else {
        return lost(&format!(
            "the node that built it went away ({})",
            whole.unwrap_or("no reason")
        ));
    };
    // How a node that was restarted tells of a container that it can't find any more: no word of the container's own.
    if let Some(word) = end
        .reason
        .as_deref()
        .filter(|word| NOBODY_KNOWS.contains(word))
    {
        return lost(&format!("the node that built it was restarted ({word})"));
    }
    let killed = end.reason.as_deref() == Some("OOMKilled");
    match name {
        container::BUILD if killed => {
            let text = format!(
                "it needed more memory than builds.memory allows, {}",
                builds.memory
            );
            failure("BuildOutOfMemory", &text, Some(end))
        }
        container::BUILD => failure(
            "BuildFailed",
            &format!("it ended with {}", end.exit_code),
            Some(end),
        ),
        container::PUSH => match u8::try_from(end.exit_code) {
            Ok(exit::REFUSED) => failure(
                "PushRefused",
                "the image was built, and the registry would not take it",
                Some(end),
            ),
            Ok(exit::AWAY) => again(failure(
                "PushFailed",
                "the image was built, and the registry was away",
                Some(end),
            )),
            _ => failure(
                "PushFailed",
                "the image was built and could not be pushed",
                Some(end),
            ),
        },
        container::LOCK => lock_failed(end),
        _ => again(failure(
            "BaseNotPulled",
            "an image that it is built on could not be pulled",
            Some(end),
        )),
    }
}

fn failure(reason: &'static str, text: &str, end: Option<&ContainerStateTerminated>) -> Failure {
    let log = end
        .and_then(|end| end.message.as_deref())
        .map(tail)
        .unwrap_or_default();
    Failure {
        reason,
        message: format!("the image could not be built: {text}"),
        log,
        again: false,
    }
}

fn lock_failed(end: &ContainerStateTerminated) -> Failure {
    failure(
        "BuildLockFailed",
        "the build's lock could not be laid",
        Some(end),
    )
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

fn lost(text: &str) -> Failure {
    again(failure("BuildLost", text, None))
}

fn again(failure: Failure) -> Failure {
    Failure {
        again: true,
        ..failure
    }
}

/// The end of a log, made fit for a person's screen: what a build prints is nobody's to trust.
fn tail(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines[from..]
        .iter()
        .map(|line| {
            let shown = line.chars().map(|one| {
                if one.is_ascii_graphic() || one == ' ' {
                    one
                } else {
                    '?'
                }
            });
            shown
                .take(LOG_WIDTH)
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect()
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

/// What the agent's container shows of `image`; `replaced` is the container that it was in before.
pub(super) fn agent(pod: Option<&Pod>, image: Option<&str>, replaced: Option<&str>) -> Agent {
    let Some(pod) = pod else { return Agent::Absent };
    let Some(status) = super::super::seen::container_status(pod, container::AGENT) else {
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
pub(super) fn runs(pod: &Pod) -> bool {
    let status = super::super::seen::container_status(pod, container::AGENT);
    let state = status.and_then(|status| status.state.as_ref());
    state.is_some_and(|state| state.running.is_some())
}

/// The image that the agent runs in, as the runtime knows it.
pub(super) fn image_id(pod: &Pod) -> Option<&str> {
    let status = super::super::seen::container_status(pod, container::AGENT)?;
    Some(status.image_id.as_str()).filter(|id| !id.is_empty())
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
