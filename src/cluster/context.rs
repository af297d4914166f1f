//! What every reconcile shares: the client, the caches, the operator's settings.

use super::{Error, notify::Notifier, visible::Visible};
use crate::{
    api::{BottleClass, Proposal},
    plan::settings::Settings,
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Pod, ServiceAccount},
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Client,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::watch;

/// Shared by all reconciles.
pub struct Context {
    pub(super) client: Client,
    pub(super) caches: Caches,
    pub(super) settings: Settings,
    pub(super) notifier: Notifier,
    pub(super) visible: Visible,
    /// Whether the caches are filled. Many wait for this; a store's own `wait_until_ready` wakes only one of them.
    pub(super) filled: watch::Receiver<bool>,
}

/// The caches, each fed by one watch.
pub(super) struct Caches {
    pub proposals: Store<DeserializeGuard<Proposal>>,
    pub classes: Store<DeserializeGuard<BottleClass>>,
    pub pods: Store<Pod>,
    pub config_maps: Store<ConfigMap>,
    pub service_accounts: Store<ServiceAccount>,
    pub role_bindings: Store<RoleBinding>,
    pub network_policies: Store<NetworkPolicy>,
}

impl Caches {
    /// Waits until every cache holds what the API server had at the start. To be called once.
    pub async fn ready(&self) -> Result<(), Error> {
        let Self {
            proposals,
            classes,
            pods,
            config_maps,
            service_accounts,
            role_bindings,
            network_policies,
        } = self;
        proposals
            .wait_until_ready()
            .await
            .map_err(|error| Error::Cache("Proposals", error))?;
        classes
            .wait_until_ready()
            .await
            .map_err(|error| Error::Cache("BottleClasses", error))?;
        pods.wait_until_ready()
            .await
            .map_err(|error| Error::Cache("Pods", error))?;
        config_maps
            .wait_until_ready()
            .await
            .map_err(|error| Error::Cache("ConfigMaps", error))?;
        service_accounts
            .wait_until_ready()
            .await
            .map_err(|error| Error::Cache("ServiceAccounts", error))?;
        role_bindings
            .wait_until_ready()
            .await
            .map_err(|error| Error::Cache("RoleBindings", error))?;
        network_policies
            .wait_until_ready()
            .await
            .map_err(|error| Error::Cache("NetworkPolicies", error))
    }

    /// Every decodable Proposal that names this Bottle.
    pub fn proposals_of(&self, namespace: &str, bottle: &str) -> Vec<Proposal> {
        self.proposals
            .state()
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(|proposal| {
                proposal.spec.bottle == bottle
                    && proposal.metadata.namespace.as_deref() == Some(namespace)
            })
            .cloned()
            .collect()
    }

    /// Namespace and name of every Bottle that a Proposal names, once.
    pub fn bottles_with_proposals(&self) -> BTreeSet<(String, String)> {
        self.proposals
            .state()
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter_map(|one| Some((one.metadata.namespace.clone()?, one.spec.bottle.clone())))
            .collect()
    }

    /// The class of that name, when it exists and can be decoded.
    pub fn class(&self, name: &str) -> Option<BottleClass> {
        self.classes
            .get(&ObjectRef::new(name))
            .and_then(|guard| guard.0.clone().ok())
    }

    /// The pod of that name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods.get(&ObjectRef::new(name).within(namespace))
    }

    /// The ConfigMap of that name.
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
        self.config_maps
            .get(&ObjectRef::new(name).within(namespace))
    }
}
