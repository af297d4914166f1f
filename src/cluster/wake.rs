//! Which changes concern which Bottles.

use super::{caches::Feeds, control::Guarded, metrics::Metrics};
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

/// Lets every change wake the Bottles that it concerns, and counts who waits for its turn.
pub fn wake(
    controller: Controller<Guarded>,
    feeds: Feeds,
    bottles: &Store<Guarded>,
    metrics: &Arc<Metrics>,
) -> Controller<Guarded> {
    let in_namespace = || {
        let (bottles, metrics) = (bottles.clone(), metrics.clone());
        move |namespace: Option<String>| {
            let state = bottles.state();
            let found = state
                .iter()
                .filter(|bottle| bottle.namespace() == namespace)
                .map(|bottle| ObjectRef::from_obj(&**bottle));
            woken(&metrics, found)
        }
    };
    let (accounts, bindings, policies) = (in_namespace(), in_namespace(), in_namespace());
    let (class_users, by_class) = (bottles.clone(), metrics.clone());
    let [by_proposal, by_pod, by_config, by_claim] = std::array::from_fn(|_| metrics.clone());
    controller
        .watches_stream(
            feeds.proposals,
            move |proposal: DeserializeGuard<Proposal>| {
                let namespace = proposal.namespace();
                let bottle = proposal
                    .0
                    .ok()
                    .map(|proposal| bottle_ref(&proposal.spec.bottle, namespace));
                woken(&by_proposal, bottle)
            },
        )
        .watches_stream(
            feeds.classes,
            move |class: DeserializeGuard<BottleClass>| {
                woken(&by_class, users(&class_users, &class.name_any()))
            },
        )
        .watches_stream(feeds.pods, move |pod: Pod| woken(&by_pod, owner(&pod)))
        .watches_stream(feeds.config_maps, move |config_map: ConfigMap| {
            woken(&by_config, owner(&config_map))
        })
        .watches_stream(feeds.claims, move |claim: PersistentVolumeClaim| {
            woken(&by_claim, owner(&claim))
        })
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

/// The same Bottles, each counted as one that waits for its reconcile.
fn woken(
    metrics: &Metrics,
    bottles: impl IntoIterator<Item = ObjectRef<Guarded>>,
) -> Vec<ObjectRef<Guarded>> {
    let each = bottles.into_iter().inspect(|bottle| {
        metrics.woken(
            bottle.namespace.as_deref().unwrap_or_default(),
            &bottle.name,
        );
    });
    each.collect()
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
