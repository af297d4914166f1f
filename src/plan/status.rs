//! `Bottle.status`, from what is observed.

use super::{problem::Problem, running};
use crate::{
    api::{Bottle, BottlePhase, BottleStatus, Sidecar},
    names::{self, container},
    proposal::condition::{self, FALSE, TRUE, UNKNOWN},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// One sentence for every normal step between a Bottle and its agent: each change of it would be a write.
const ON_ITS_WAY: &str = "the pod is being made, or its containers are starting";

/// The same, for what `prepare` has to say.
const PREPARING: &str = "prepare has not ended yet";

/// What the status is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The Bottle.
    pub bottle: &'a Bottle,
    /// Why there can be no pod, if so.
    pub problem: Option<&'a Problem>,
    /// The pod that is there.
    pub pod: Option<&'a Pod>,
    /// The agent's image as it is wanted; absent with a problem.
    pub image: Option<&'a str>,
    /// Whether the pod shall be gone.
    pub suspended: bool,
    /// Hash of the effective config; absent with a problem.
    pub hash: Option<&'a str>,
    /// Proposals that wait for a person.
    pub pending: u32,
    /// Declared hosts that grants hide.
    pub hidden: &'a [String],
    /// The clock.
    pub now: Timestamp,
}

/// How the agent ended: its exit code, and the message that `seal` left.
pub fn agent_ended(pod: &Pod) -> Option<(i32, String)> {
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

/// The status as the operator owns it: without `sidecar`.
pub fn render(inputs: Inputs<'_>) -> BottleStatus {
    let Inputs {
        bottle,
        problem,
        pod,
        image,
        suspended,
        hash,
        pending,
        hidden,
        now,
    } = inputs;
    let now = condition::whole_seconds(now);
    let old = bottle.status.clone().unwrap_or_default();
    let mut conditions = old.conditions;
    let sidecar = old.sidecar.unwrap_or_default();
    let mut set = |type_: &str, fact: &Fact| {
        condition::set(
            &mut conditions,
            type_,
            fact.status,
            fact.reason,
            &fact.message,
            now,
        );
    };
    let config_hash = hash.map(str::to_owned).or(old.config_hash);
    let enforced = if suspended {
        no_pod()
    } else {
        enforced(config_hash.as_deref(), &sidecar)
    };
    let prepared = pod.map_or_else(no_pod, prepared);
    let (phase, ready) = if let Some(problem) = problem {
        let phase = pod.map_or(BottlePhase::Pending, |pod| state(pod).0);
        (
            phase,
            Fact::new(FALSE, problem.reason(), problem.to_string()),
        )
    } else if suspended {
        (
            BottlePhase::Suspended,
            Fact::new(
                FALSE,
                "Suspended",
                "spec.operatingMode is Suspended; set it to Running to go on",
            ),
        )
    } else {
        pod.map_or_else(
            || {
                (
                    BottlePhase::Starting,
                    Fact::new(FALSE, "Starting", ON_ITS_WAY),
                )
            },
            |pod| ready(pod, &prepared, &enforced),
        )
    };
    set("Ready", &ready);
    set("SettingsRendered", &settings_rendered(problem));
    set("SecretsResolved", &secrets_resolved(problem, &prepared));
    set("EgressLocked", &locked(&prepared));
    set("ConfigEnforced", &enforced);
    set("AgentFinished", &finished(pod));
    BottleStatus {
        phase: Some(phase),
        observed_generation: bottle.metadata.generation,
        conditions,
        config_hash,
        pending_proposals: Some(pending),
        hidden: hidden.iter().take(64).cloned().collect(),
        pod_name: Some(names::object_name(
            bottle.metadata.name.as_deref().unwrap_or_default(),
        )),
        image: pod
            .and_then(running::agent_image)
            .cloned()
            .or_else(|| image.map(str::to_owned)),
        sidecar: None,
    }
}

/// A condition before it has a time.
#[derive(Clone, Debug)]
struct Fact {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Fact {
    fn new(status: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
        }
    }
}

fn no_pod() -> Fact {
    Fact::new(UNKNOWN, "Starting", PREPARING)
}

/// Whether `prepare` did its work; its termination message says what it could not do.
fn prepared(pod: &Pod) -> Fact {
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

fn locked(prepared: &Fact) -> Fact {
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

fn is_missing_secret(prepared: &Fact) -> bool {
    prepared.message.starts_with("MissingSecret")
}

fn settings_rendered(problem: Option<&Problem>) -> Fact {
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

fn secrets_resolved(problem: Option<&Problem>, prepared: &Fact) -> Fact {
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

fn enforced(hash: Option<&str>, sidecar: &Sidecar) -> Fact {
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

fn finished(pod: Option<&Pod>) -> Fact {
    match pod.and_then(agent_ended) {
        Some((_, message)) if message.trim().is_empty() => {
            Fact::new(TRUE, "Succeeded", "the agent ended with success")
        }
        Some((_, message)) => Fact::new(
            TRUE,
            "Failed",
            format!("the agent failed too often: {}", message.trim()),
        ),
        None => Fact::new(FALSE, "NotFinished", "the agent has not ended"),
    }
}

fn ready(pod: &Pod, prepared: &Fact, enforced: &Fact) -> (BottlePhase, Fact) {
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
fn state(pod: &Pod) -> (BottlePhase, Fact) {
    if pod.metadata.deletion_timestamp.is_some() {
        return (
            BottlePhase::Starting,
            Fact::new(FALSE, "Replacing", "the old pod is ending"),
        );
    }
    if let Some((_, message)) = agent_ended(pod) {
        return if message.trim().is_empty() {
            (
                BottlePhase::Finished,
                Fact::new(FALSE, "Finished", "the agent ended with success"),
            )
        } else {
            let message = format!(
                "the agent failed too often: {}; see kubectl logs",
                message.trim()
            );
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
            let image = running::agent_image(pod).map_or("", String::as_str);
            let text = format!(
                "image {image} can't be pulled ({reason}: {message}); correct spec.agent.image or its pull secrets"
            );
            (
                BottlePhase::Starting,
                Fact::new(FALSE, "ImageNotPulled", text),
            )
        }
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

fn unscheduled(pod: &Pod) -> Fact {
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

fn is_stuck(reason: &str) -> bool {
    !matches!(reason, "PodInitializing" | "ContainerCreating")
}

fn waiting(state: &ContainerState) -> Option<(&str, &str)> {
    let waiting = state.waiting.as_ref()?;
    Some((
        waiting.reason.as_deref()?,
        waiting.message.as_deref().unwrap_or_default(),
    ))
}

fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    pod.status
        .as_ref()?
        .container_statuses
        .iter()
        .flatten()
        .find(|status| status.name == name)
}
