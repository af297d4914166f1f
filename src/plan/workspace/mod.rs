//! What workspace and HOME live in, and what replacing the pod would cost the agent.

mod claim;
mod kept;

pub use claim::{Claim, Served, render};
pub use kept::Kept;

use super::{
    problem::Problem, running::annotation, scope::Spec, seen::container_status, settings::Settings,
    volumes,
};
use crate::{
    api::{BottleSpec, Git, Rollout, Workspace},
    names,
    proposal::lifetimes,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

/// What workspace and HOME live in, and what becomes of them: that part of a valid Bottle.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The claim for both.
    pub claim: Option<Claim>,
    /// Whether nobody gives that claim a volume, so that both end with the pod.
    pub unserved: bool,
    /// Whether they may be lost with the pod.
    pub accept_loss: bool,
    /// What is cloned into the workspace.
    pub git: Option<Git>,
    /// Whether a config is brought by a new pod.
    pub roll: bool,
    /// With `roll`: what the pod is made for; none before it is known.
    pub made: Option<Made>,
    /// How long the Bottle is kept after its agent's end.
    pub ttl_after_finished: Option<SignedDuration>,
}

impl Work {
    /// From the merged `workspace` and a Bottle's own fields.
    pub fn read(
        workspace: Workspace,
        spec: &BottleSpec,
        settings: &Settings,
    ) -> Result<Self, Problem> {
        let class = workspace.storage_class_name;
        if workspace.size.is_none() && class.is_some() {
            return Err(Problem::ClassWithoutSize);
        }
        let claim = workspace.size.map(|size| Claim { size, class });
        let accept_loss = workspace.accept_loss == Some(true);
        let roll = spec.rollout == Some(Rollout::Roll);
        if roll && claim.is_none() && !accept_loss && settings.runtime.is_none() {
            return Err(Problem::RollLosesWork);
        }
        let ttl = spec.ttl_after_finished.as_deref();
        Ok(Self {
            claim,
            unserved: false,
            accept_loss,
            git: workspace.git,
            roll,
            made: None,
            ttl_after_finished: lifetimes::read("spec.ttlAfterFinished", ttl)
                .map_err(Problem::Lifetime)?,
        })
    }

    /// With what is there: the claim that is `stored`, whether anybody serves it, and what a new pod would be `made` for.
    pub(super) fn live(
        &self,
        stored: Option<&PersistentVolumeClaim>,
        pod: Option<&Pod>,
        made: Made,
        now: Timestamp,
    ) -> (Self, Option<Served>) {
        let claim = self.claim.clone().or_else(|| stored.map(Claim::of));
        let served = claim.as_ref().map(|claim| Served::of(claim, stored, now));
        let unserved = match served {
            Some(Served::No) => true,
            // A pod that is there stays as it is until that is known.
            Some(Served::NotYet(_)) => pod.is_some_and(|pod| !is_on_claim(pod)),
            Some(Served::Yes) | None => false,
        };
        let live = Self {
            claim,
            unserved,
            made: self.roll.then_some(made),
            ..self.clone()
        };
        (live, served)
    }

    /// Whether workspace and HOME live on the claim.
    pub fn on_claim(&self) -> bool {
        self.claim.is_some() && !self.unserved
    }
}

/// Whether ending this pod would lose what its agent has done, and nobody has accepted that.
pub fn would_lose(spec: &Spec, settings: &Settings, pod: &Pod) -> bool {
    !spec.work.accept_loss && settings.runtime.is_none() && !is_on_claim(pod) && has_begun(pod)
}

/// Whether its workspace and HOME are on a claim.
pub(super) fn is_on_claim(pod: &Pod) -> bool {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .filter(|volume| volume.name == volumes::KEPT)
        .any(|volume| volume.persistent_volume_claim.is_some())
}

/// Whether an agent has ever run in it, and its volumes are still there.
fn has_begun(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let Some(agent) = container_status(pod, names::container::AGENT) else {
        return false;
    };
    // Of a pod that failed as a whole the kubelet has taken the volumes.
    if phase == Some("Failed") {
        return false;
    }
    let now = agent.state.as_ref();
    if now.is_some_and(|now| now.running.is_some()) {
        return true;
    }
    let states = [now, agent.last_state.as_ref()];
    let last = states
        .into_iter()
        .flatten()
        .find_map(|state| state.terminated.as_ref());
    last.map_or(agent.restart_count > 0, |end| {
        // Without its clone no agent starts.
        let word = end.message.as_deref().unwrap_or_default();
        !word.starts_with("CloneFailed: ")
    })
}

/// What a pod with `rollout: Roll` was made for: the config, and the grants in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Hash of the files that `rollout` is about.
    pub config: String,
    /// Hash of the grants.
    pub grants: String,
}

impl Made {
    /// What stands on `pod`.
    pub fn of(pod: &Pod) -> Option<Self> {
        let (config, grants) = annotation(pod, names::ANNOTATION_CONFIG)?.split_once(' ')?;
        Some(Self {
            config: config.to_owned(),
            grants: grants.to_owned(),
        })
    }
}

impl std::fmt::Display for Made {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.config, self.grants)
    }
}
