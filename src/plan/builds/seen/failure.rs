//! Why a pod that builds has failed, in a person's words.

use super::{statuses, terminated};
use crate::{
    names::{container, exit},
    plan::settings::Builds,
    proposal::build::Failure,
};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

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

/// Why the pod failed: the first container that did.
pub(super) fn why(pod: &Pod, builds: &Builds) -> Failure {
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

pub(super) fn failure(
    reason: &'static str,
    text: &str,
    end: Option<&ContainerStateTerminated>,
) -> Failure {
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

pub(super) fn lock_failed(end: &ContainerStateTerminated) -> Failure {
    failure(
        "BuildLockFailed",
        "the build's lock could not be laid",
        Some(end),
    )
}

pub(super) fn lost(text: &str) -> Failure {
    again(failure("BuildLost", text, None))
}

pub(super) fn again(failure: Failure) -> Failure {
    Failure {
        again: true,
        ..failure
    }
}

/// The end of a log, made fit for a person's screen: what a build prints is nobody's to trust.
pub(super) fn tail(text: &str) -> Vec<String> {
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
