//! What workspace and HOME live in, and what replacing the pod would cost the agent.

use super::{
    metadata::{labels, owner},
    problem::Problem,
    running::annotation,
    scope::Spec,
    seen::container_status,
    settings::Settings,
    volumes,
};
use crate::{
    api::{Bottle, BottleSpec, Git, Rollout, Workspace},
    names,
    proposal::lifetimes,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta};
use kube::ResourceExt as _;

/// What a claim was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its size.
    pub size: String,
    /// Its storage class; none: the cluster's default one.
    pub class: Option<String>,
}

impl Claim {
    /// One that is there. It stays in use when the Bottle asks for none any more: its content is the agent's work.
    pub fn of(claim: &PersistentVolumeClaim) -> Self {
        let text = claim.annotations().get(names::ANNOTATION_WORKSPACE);
        let (size, class) = text
            .and_then(|text| text.split_once(' '))
            .unwrap_or_default();
        Self {
            size: size.to_owned(),
            class: (!class.is_empty()).then(|| class.to_owned()),
        }
    }

    fn text(&self) -> String {
        format!(
            "{} {}",
            self.size,
            self.class.as_deref().unwrap_or_default()
        )
    }
}

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
}

/// The cluster's own look at a new claim, which may bind a volume without a class to it, takes less.
const LOOKED_AT: SignedDuration = SignedDuration::from_secs(1);

/// Whether somebody will give a claim its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// It has one, or a class that makes one.
    Yes,
    /// It came back without a class: the Bottle names none, and none is the cluster's default.
    No,
    /// It is not back yet; to be asked again then, if ever.
    NotYet(Option<Timestamp>),
}

impl Served {
    /// By the claim that is wanted and the one that is there. The API server writes the default class into a claim that
    /// names none, when it is made and whenever there is one later.
    pub fn of(wanted: &Claim, stored: Option<&PersistentVolumeClaim>, now: Timestamp) -> Self {
        let Some(stored) = stored else {
            return if wanted.class.is_some() {
                Self::Yes
            } else {
                Self::NotYet(None)
            };
        };
        let spec = stored.spec.as_ref();
        let has = |field: fn(&PersistentVolumeClaimSpec) -> &Option<String>| {
            spec.is_some_and(|spec| field(spec).is_some())
        };
        if has(|spec| &spec.storage_class_name) || has(|spec| &spec.volume_name) {
            return Self::Yes;
        }
        let made = stored.creation_timestamp().map(|made| made.0);
        // By a clock that goes ahead of ours nothing is waited for.
        match made.and_then(|made| Some((made, made.checked_add(LOOKED_AT).ok()?))) {
            Some((made, until)) if made <= now && now < until => Self::NotYet(Some(until)),
            _ => Self::No,
        }
    }
}

impl Work {
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

/// The claim as it is made; nothing of it is changed later.
pub fn render(bottle: &Bottle, claim: &Claim) -> PersistentVolumeClaim {
    let name = bottle.name_any();
    let request = ("storage".to_owned(), Quantity(claim.size.clone()));
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::object_name(&name)),
            namespace: bottle.metadata.namespace.clone(),
            labels: Some(labels(&name)),
            annotations: Some([(names::ANNOTATION_WORKSPACE.to_owned(), claim.text())].into()),
            // With the Bottle, and with nothing else, it goes.
            owner_references: owner(bottle).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([request].into()),
                limits: None,
            }),
            storage_class_name: claim.class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
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

/// What becomes of workspace and HOME when the pod goes, for the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They are on a claim.
    Claim {
        /// Its name.
        name: String,
        /// Whether it has a volume.
        bound: bool,
        /// The class that has to give it one, where the Bottle named it.
        class: Option<String>,
        /// Whether the Bottle now asks for another one.
        differs: bool,
    },
    /// There is a claim that nobody gives a volume: they are lost.
    NoStorageClass {
        /// Its name.
        name: String,
        /// Whether the Bottle accepts that.
        accepted: bool,
    },
    /// This runtime keeps them.
    ByRuntime,
    /// They are lost, which the Bottle accepts.
    LossAccepted,
    /// They would be lost.
    EndsWithPod,
    /// They would be lost, so the pod stays although it should go.
    Waits(&'static str),
}

impl Kept {
    /// From the claim that is wanted, the one that is there and what is known of it; `waits` is why the pod should go
    /// and does not.
    pub fn of(
        bottle: &Bottle,
        spec: &Spec,
        settings: &Settings,
        stored: Option<&PersistentVolumeClaim>,
        served: Option<Served>,
        waits: Option<&'static str>,
    ) -> Self {
        if let Some(why) = waits {
            return Self::Waits(why);
        }
        let name = names::object_name(&bottle.name_any());
        if spec.work.unserved && served == Some(Served::No) {
            let accepted = spec.work.accept_loss;
            return Self::NoStorageClass { name, accepted };
        }
        if let Some(claim) = &spec.work.claim {
            let phase = stored.and_then(|stored| stored.status.as_ref()?.phase.as_deref());
            let wanted = Some(claim.text());
            let made =
                stored.and_then(|stored| stored.annotations().get(names::ANNOTATION_WORKSPACE));
            return Self::Claim {
                name,
                bound: phase == Some("Bound"),
                class: stored.map_or_else(|| claim.class.clone(), |stored| Claim::of(stored).class),
                differs: made.is_some_and(|made| wanted.as_ref() != Some(made)),
            };
        }
        if settings.runtime.is_some() {
            Self::ByRuntime
        } else if spec.work.accept_loss {
            Self::LossAccepted
        } else {
            Self::EndsWithPod
        }
    }
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
