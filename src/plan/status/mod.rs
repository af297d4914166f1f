//! `Bottle.status`, from what is observed.

mod agent;
mod facts;
mod image;
mod workspace;

use super::{builds::Declared, problem::Problem, seen, workspace::Kept};
use crate::{
    api::{Bottle, BottlePhase, BottleStatus, DeclaredBuild, DenialsTold},
    names,
    proposal::condition::{self, FALSE},
};
use agent::{ready, state};
use facts::{
    Fact, enforced, finished, locked, no_pod, prepared, secrets_resolved, settings_intact,
    settings_rendered,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Whether something stands against the agent's settings.
pub const SETTINGS_INTACT: &str = "SettingsIntact";

/// What becomes of workspace and HOME when the pod goes.
pub const WORKSPACE_KEPT: &str = "WorkspaceKept";
/// Its reason when the pod should go and stays.
pub const HELD: &str = "ReplacementWaits";

/// An invalid Bottle's holes can be closed, not opened.
const STILL_IN_FORCE: &str = "; until then what was last valid stays in force, revoked and expired grants apart, and \
                              approvals wait";

/// What the status is made of.
#[derive(Clone, Debug)]
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
    /// Hash of the effective config; with a problem, of the one that goes on; absent where there is none yet.
    pub hash: Option<&'a str>,
    /// Proposals that wait for a person.
    pub pending: u32,
    /// Declared hosts that grants hide.
    pub hidden: &'a [String],
    /// The image that was built for the last granted Dockerfile.
    pub built: Option<&'a str>,
    /// Why the wanted image can't be used; the one that runs stays.
    pub unusable: Option<&'a str>,
    /// The build of the Bottle's own Dockerfile, while there shall be an agent.
    pub declared: Option<&'a Declared>,
    /// What is stored of it.
    pub dockerfile: Option<DeclaredBuild>,
    /// What workspace and HOME live in; none while the Bottle is invalid.
    pub kept: Option<&'a Kept>,
    /// The last Event about refused hosts.
    pub denials_told: Option<DenialsTold>,
    /// The clock.
    pub now: Timestamp,
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
        built,
        unusable,
        declared,
        dockerfile,
        kept,
        denials_told,
        now,
    } = inputs;
    // A pod that should be gone and stays is told about as it is.
    let held = pod.is_some() && matches!(kept, Some(Kept::Waits(_)));
    let suspended = suspended && !held;
    let now = condition::whole_seconds(now);
    let old = bottle.status.clone().unwrap_or_default();
    let mut conditions = old.conditions;
    let image_fact = image::image_built(built, unusable, declared);
    if image_fact.is_none() {
        conditions.retain(|one| one.type_ != "ImageBuilt");
    }
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
        let holds = if hash.is_some() { STILL_IN_FORCE } else { "" };
        (
            phase,
            Fact::new(FALSE, problem.reason(), format!("{problem}{holds}")),
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
            || agent::without_pod(declared),
            |pod| ready(pod, &prepared, &enforced),
        )
    };
    set("Ready", &workspace::waits_for_class(ready, kept));
    set("SettingsRendered", &settings_rendered(problem));
    set(SETTINGS_INTACT, &settings_intact(&sidecar));
    set("SecretsResolved", &secrets_resolved(problem, &prepared));
    set("EgressLocked", &locked(&prepared));
    set("ConfigEnforced", &enforced);
    set("AgentFinished", &finished(pod));
    if let Some(kept) = kept {
        set(WORKSPACE_KEPT, &workspace::workspace_kept(kept));
    }
    if let Some(fact) = &image_fact {
        set("ImageBuilt", fact);
    }
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
            .and_then(seen::agent_image)
            .cloned()
            .or_else(|| image.map(str::to_owned)),
        dockerfile,
        denials_told,
        sidecar: None,
    }
}
