//! Which changes concern which Bottles.

use super::{caches::Feeds, control::Guarded};
use crate::{
    api::{BottleClass, Proposal},
    names,
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, ServiceAccount},
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Resource, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        Controller,
        reflector::{ObjectRef, Store},
    },
};
use std::sync::Arc;

/// Lets every change wake the Bottles that it concerns.
pub fn wake(
    controller: Controller<Guarded>,
    feeds: Feeds,
    bottles: &Store<Guarded>,
) -> Controller<Guarded> {
    let in_namespace = || {
        let bottles = bottles.clone();
        move |namespace: Option<String>| {
            let state = bottles.state();
            let found: Vec<_> = state
                .iter()
                .filter(|bottle| bottle.namespace() == namespace)
                .map(|bottle| ObjectRef::from_obj(&**bottle))
                .collect();
            found
        }
    };
    let (accounts, bindings, policies) = (in_namespace(), in_namespace(), in_namespace());
    let class_users = bottles.clone();
    controller
        .watches_stream(feeds.proposals, |proposal: DeserializeGuard<Proposal>| {
            let namespace = proposal.namespace();
            proposal
                .0
                .ok()
                .map(|proposal| bottle_ref(&proposal.spec.bottle, namespace))
        })
        .watches_stream(
            feeds.classes,
            move |class: DeserializeGuard<BottleClass>| users(&class_users, &class.name_any()),
        )
        .watches_stream(feeds.pods, |pod: Pod| owner(&pod))
        .watches_stream(feeds.config_maps, |config_map: ConfigMap| {
            owner(&config_map)
        })
        .watches_stream(feeds.claims, |claim: PersistentVolumeClaim| owner(&claim))
        .watches_stream(feeds.service_accounts, move |object: ServiceAccount| {
            accounts(object.namespace())
        })
        .watches_stream(feeds.role_bindings, move |object: RoleBinding| {
            bindings(object.namespace())
        })
        .watches_stream(feeds.network_policies, move |object: NetworkPolicy| {
            policies(object.namespace())
        })
}

/// The Bottle of that name.
pub fn bottle_ref(name: &str, namespace: Option<String>) -> ObjectRef<Guarded> {
    let reference = ObjectRef::new(name);
    match namespace {
        Some(namespace) => reference.within(&namespace),
        None => reference,
    }
}

fn owner<K: Resource>(object: &K) -> Option<ObjectRef<Guarded>> {
    let name = object.meta().labels.as_ref()?.get(names::LABEL_BOTTLE)?;
    Some(bottle_ref(name, object.meta().namespace.clone()))
}

fn users(bottles: &Store<Guarded>, class: &str) -> Vec<ObjectRef<Guarded>> {
    let uses = |bottle: &&Arc<Guarded>| {
        bottle
            .0
            .as_ref()
            .is_ok_and(|bottle| bottle.spec.class.as_deref() == Some(class))
    };
    bottles
        .state()
        .iter()
        .filter(uses)
        .map(|bottle| ObjectRef::from_obj(&**bottle))
        .collect()
}
