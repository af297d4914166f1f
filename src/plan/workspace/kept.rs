//! What becomes of workspace and HOME when the pod goes, for the condition.

use super::{Claim, Served};
use crate::{
    api::Bottle,
    names,
    plan::{scope::Spec, settings::Settings},
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;

/// What becomes of them.
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
