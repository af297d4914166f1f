//! What each condition of a Bottle says, before it has a time.

use crate::{
    api::Sidecar,
    config::remarks::{self, Word},
    names::container,
    plan::{
        problem::Problem,
        seen::{ended, is_stuck, waiting},
    },
    proposal::condition::{FALSE, TRUE, UNKNOWN},
};
use k8s_openapi::api::core::v1::Pod;
use std::fmt::Write as _;

/// Room for what is reported about settings: an Event takes 1024 characters.
const SAID: usize = 900;

/// What `prepare` has to say until it has ended; one sentence, since each change of it would be a write.
const PREPARING: &str = "prepare has not ended yet";

/// A condition before it has a time.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Fact {
    pub(super) fn new(
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
        }
    }
}

pub(super) fn no_pod() -> Fact {
    Fact::new(UNKNOWN, "Starting", PREPARING)
}

/// Whether `prepare` did its work; its termination message says what it could not do.
pub(super) fn prepared(pod: &Pod) -> Fact {
    let status = pod.status.as_ref().and_then(|status| {
        status
            .init_container_statuses
            .iter()
            .flatten()
            .find(|status| status.name == container::PREPARE)
    });
    let Some(state) = status.and_then(|status| status.state.as_ref()) else {
        return Fact::new(UNKNOWN, "Starting", PREPARING);
    };
    if state
        .terminated
        .as_ref()
        .is_some_and(|end| end.exit_code == 0)
    {
        return Fact::new(TRUE, "Prepared", "the lock stands");
    }
    let last = status.and_then(|status| status.last_state.as_ref());
    let message = [Some(state), last].into_iter().flatten().find_map(|state| {
        state
            .terminated
            .as_ref()
            .and_then(|end| end.message.clone())
    });
    match (message, waiting(state)) {
        (Some(message), _) => Fact::new(FALSE, "PrepareFailed", message.trim()),
        (None, Some((reason, message))) if is_stuck(reason) => Fact::new(
            FALSE,
            "PrepareFailed",
            format!("prepare can't start: {reason}: {message}"),
        ),
        _ => Fact::new(UNKNOWN, "Starting", PREPARING),
    }
}

pub(super) fn locked(prepared: &Fact) -> Fact {
    match prepared.status {
        TRUE => Fact::new(
            TRUE,
            "Locked",
            "the agent reaches its sidecars and nothing else",
        ),
        FALSE if is_missing_secret(prepared) => {
            Fact::new(UNKNOWN, "Starting", "prepare stopped at a secret")
        }
        FALSE => Fact::new(FALSE, "LockFailed", prepared.message.clone()),
        _ => prepared.clone(),
    }
}

pub(super) fn is_missing_secret(prepared: &Fact) -> bool {
    prepared.message.starts_with("MissingSecret")
}

pub(super) fn settings_rendered(problem: Option<&Problem>) -> Fact {
    match problem {
        Some(Problem::Settings(error)) => Fact::new(FALSE, "SettingsFailed", error.to_string()),
        Some(_) => Fact::new(
            UNKNOWN,
            "NotRendered",
            "nothing is rendered while the Bottle is not ready for it",
        ),
        _ => Fact::new(TRUE, "Rendered", "the agent's settings are rendered"),
    }
}

/// What the agent's container says about its settings: nothing, or what stands against them. It is the agent's own
/// word, and says so.
pub(super) fn settings_intact(sidecar: &Sidecar) -> Fact {
    let said = remarks::clean(sidecar.settings.iter().map(String::as_str));
    let Some(first) = said.first() else {
        return Fact::new(TRUE, "Intact", "nothing is known to stand against them");
    };
    let word = Word::of(first);
    let mut message = String::from("the agent's container reports: ");
    for (index, line) in said.iter().enumerate() {
        if index > 0 && message.len() + line.len() > SAID {
            let left = said.len() - index;
            let _ = write!(message, " and {left} more in status.sidecar.settings");
            break;
        }
        let separator = if index == 0 { "" } else { "; " };
        message.push_str(separator);
        message.push_str(line);
    }
    let status = if word == Word::ServerIgnored {
        TRUE
    } else {
        FALSE
    };
    Fact::new(status, word.as_str(), message)
}

pub(super) fn secrets_resolved(problem: Option<&Problem>, prepared: &Fact) -> Fact {
    match problem {
        Some(problem @ Problem::UndeclaredSecret { .. }) => {
            Fact::new(FALSE, "MissingSecret", problem.to_string())
        }
        _ if prepared.status == FALSE && is_missing_secret(prepared) => Fact::new(
            FALSE,
            "MissingSecret",
            format!(
                "{}; create the Secret or its key, then the pod goes on by itself",
                prepared.message
            ),
        ),
        _ if prepared.status == TRUE => Fact::new(TRUE, "Resolved", "every secret was found"),
        _ => Fact::new(UNKNOWN, "Starting", PREPARING),
    }
}

pub(super) fn enforced(hash: Option<&str>, sidecar: &Sidecar) -> Fact {
    let Sidecar {
        enforced_hash,
        lagging,
        ..
    } = sidecar;
    if enforced_hash.is_some() && enforced_hash.as_deref() == hash {
        return Fact::new(
            TRUE,
            "Enforced",
            "every sidecar enforces the effective config",
        );
    }
    match lagging {
        Some(names) if !names.is_empty() => Fact::new(
            FALSE,
            "SidecarLags",
            format!(
                "{names} does not enforce the newest config yet; see kubectl logs of that container"
            ),
        ),
        _ => Fact::new(
            FALSE,
            "Waiting",
            "the newest config is on its way to the sidecars",
        ),
    }
}

/// What `seal` left when it gave up: how often the agent failed, and its own last exit code.
pub(super) fn gave_up(message: &str) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Left {
        exit_code: u8,
        failures: u32,
    }
    match serde_json::from_str(message) {
        Ok(Left {
            exit_code,
            failures: 1,
        }) => format!("the agent failed with exit code {exit_code}"),
        Ok(Left {
            exit_code,
            failures,
        }) => {
            format!("the agent failed {failures} times in a row, last with exit code {exit_code}")
        }
        Err(_) => format!("the agent failed too often: {}", message.trim()),
    }
}

pub(super) fn finished(pod: Option<&Pod>) -> Fact {
    match pod.and_then(ended) {
        Some((_, message)) if message.trim().is_empty() => {
            Fact::new(TRUE, "Succeeded", "the agent ended with success")
        }
        Some((_, message)) => Fact::new(TRUE, "Failed", gave_up(&message)),
        None => Fact::new(FALSE, "NotFinished", "the agent has not ended"),
    }
}
