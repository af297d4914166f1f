//! The claim that workspace and HOME may live on, and whether anybody gives it a volume.

use crate::{
    api::Bottle,
    names,
    plan::metadata::{labels, owner},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
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

    pub(super) fn text(&self) -> String {
        format!(
            "{} {}",
            self.size,
            self.class.as_deref().unwrap_or_default()
        )
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
