//! Reads the caches around one Bottle.

use super::{Context, Error};
use crate::{
    api::{Bottle, BottleClass, Proposal},
    names,
    plan::{Observed, builds},
};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::{Api, ResourceExt as _};
use std::{collections::BTreeMap, sync::Arc};

/// Owned copies of what [`Observed`] borrows.
pub struct Seen {
    class: Option<BottleClass>,
    proposals: Vec<Proposal>,
    config_map: Option<Arc<ConfigMap>>,
    pod: Option<Arc<Pod>>,
    claim: Option<Arc<PersistentVolumeClaim>>,
    helpers: Vec<Arc<Pod>>,
    known: BTreeMap<String, String>,
}

impl Seen {
    /// As `plan` takes it.
    pub fn observed<'a>(&'a self, context: &'a Context) -> Observed<'a> {
        Observed {
            class: self.class.as_ref(),
            proposals: &self.proposals,
            config_map: self.config_map.as_deref(),
            pod: self.pod.as_deref(),
            claim: self.claim.as_deref(),
            settings: &context.settings,
            builds: builds::Around {
                pods: &self.helpers,
                known: Some(&self.known),
            },
            turn: false,
        }
    }
}

/// The caches around `bottle`; none while they don't show our own last writes yet.
pub fn observe(context: &Context, bottle: &Bottle) -> Option<Seen> {
    let namespace = bottle.namespace().unwrap_or_default();
    let name = bottle.name_any();
    let object = names::object_name(&name);
    let proposals = context.caches.proposals_of(&namespace, &name);
    // Two bottles may have one build, and what a deleted proposal has left is named by none.
    let mut helpers = context.caches.helpers(&namespace, &name);
    helpers.extend(proposals.iter().filter_map(builds::pod_of));
    helpers.extend(builds::pod_of_bottle(bottle));
    let helpers = helpers
        .into_iter()
        .filter_map(|pod| context.caches.pod(&namespace, &pod))
        .collect();
    // Looked for in the whole cache, so only when a build is about to begin.
    let known = if proposals.iter().any(builds::begins) || builds::begins_for(bottle) {
        context.built(&namespace)
    } else {
        BTreeMap::new()
    };
    let seen = Seen {
        class: bottle
            .spec
            .class
            .as_deref()
            .and_then(|class| context.caches.class(class)),
        proposals,
        config_map: context.caches.config_map(&namespace, &object),
        pod: context.caches.pod(&namespace, &object),
        claim: context.caches.claim(&namespace, &object),
        helpers,
        known,
    };
    let visible = &context.visible;
    let caught_up = [
        visible.caught_up(
            "Bottle",
            &namespace,
            &name,
            bottle.metadata.resource_version.as_deref(),
        ),
        visible.caught_up(
            "ConfigMap",
            &namespace,
            &object,
            seen.config_map
                .as_ref()
                .and_then(|one| one.metadata.resource_version.as_deref()),
        ),
        visible.caught_up(
            "Pod",
            &namespace,
            &object,
            seen.pod
                .as_ref()
                .and_then(|one| one.metadata.resource_version.as_deref()),
        ),
        visible.caught_up(
            "PersistentVolumeClaim",
            &namespace,
            &object,
            seen.claim
                .as_ref()
                .and_then(|one| one.metadata.resource_version.as_deref()),
        ),
        seen.proposals.iter().all(|proposal| {
            let version = proposal.metadata.resource_version.as_deref();
            visible.caught_up("Proposal", &namespace, &proposal.name_any(), version)
        }),
    ];
    caught_up.into_iter().all(|one| one).then_some(seen)
}

/// Objects of our name that the caches, which hold only ours, can't show.
#[derive(Debug)]
pub struct Foreign {
    config_map: Option<ConfigMap>,
    pod: Option<Pod>,
    claim: Option<PersistentVolumeClaim>,
}

/// Read once, when making ours failed.
pub async fn foreign(context: &Context, namespace: &str, object: &str) -> Result<Foreign, Error> {
    let config_maps = Api::<ConfigMap>::namespaced(context.client.clone(), namespace);
    let pods = Api::<Pod>::namespaced(context.client.clone(), namespace);
    let claims = Api::<PersistentVolumeClaim>::namespaced(context.client.clone(), namespace);
    Ok(Foreign {
        config_map: config_maps
            .get_opt(object)
            .await
            .map_err(Error::api("read ConfigMap", object))?,
        pod: pods
            .get_opt(object)
            .await
            .map_err(Error::api("read Pod", object))?,
        claim: claims
            .get_opt(object)
            .await
            .map_err(Error::api("read PersistentVolumeClaim", object))?,
    })
}

impl Seen {
    /// The same, with what was read past the caches.
    pub fn with_foreign(mut self, foreign: Foreign) -> Self {
        self.config_map = foreign.config_map.map(Arc::new).or(self.config_map);
        self.pod = foreign.pod.map(Arc::new).or(self.pod);
        self.claim = foreign.claim.map(Arc::new).or(self.claim);
        self
    }
}
