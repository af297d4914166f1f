//! The caches: one watch a kind fills the cache and wakes the reconcile.

use super::{
    Error, Scope,
    index::{Index, OfBottle},
    thin::Thin,
};
use crate::{
    api::{BottleClass, Proposal},
    names,
    plan::builds,
};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use k8s_openapi::api::{
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, ServiceAccount},
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::WriterDropped},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    hash::Hash,
    sync::Arc,
};

/// Proposals in one page of a list: each may have 384 KiB, and a page is held as a whole.
const QUESTIONS: u32 = 100;

/// Changes of one kind, after they reached its cache.
pub type Changes<K> = BoxStream<'static, Result<K, watcher::Error>>;

/// The caches, each fed by one watch.
pub struct Caches {
    pub proposals: Store<DeserializeGuard<Proposal>>,
    pub classes: Store<DeserializeGuard<BottleClass>>,
    pub pods: Store<Pod>,
    pub config_maps: Store<ConfigMap>,
    pub claims: Store<PersistentVolumeClaim>,
    pub service_accounts: Store<ServiceAccount>,
    pub role_bindings: Store<RoleBinding>,
    pub network_policies: Store<NetworkPolicy>,
    by_bottle: Index<DeserializeGuard<Proposal>>,
    helpers: Index<Pod>,
}

/// What fills the [`Caches`]; each has to be polled.
pub struct Feeds {
    pub proposals: Changes<DeserializeGuard<Proposal>>,
    pub classes: Changes<DeserializeGuard<BottleClass>>,
    pub pods: Changes<Pod>,
    pub config_maps: Changes<ConfigMap>,
    pub claims: Changes<PersistentVolumeClaim>,
    pub service_accounts: Changes<ServiceAccount>,
    pub role_bindings: Changes<RoleBinding>,
    pub network_policies: Changes<NetworkPolicy>,
}

impl Caches {
    /// Empty caches of `scope`, and what fills them.
    pub fn new(client: &Client, scope: &Scope) -> (Self, Feeds) {
        let all = watcher::Config::default();
        let ours = watcher::Config::default().labels(&format!(
            "{}={}",
            names::LABEL_MANAGED_BY,
            names::PRODUCT
        ));
        let (by_bottle, helpers) = (Index::default(), Index::default());
        let (proposals, writer) = reflector::store();
        let noted = by_bottle.clone();
        let mut thin = Thin::default();
        let questions = slim(scope.api(client), all.clone().page_size(QUESTIONS))
            .map(move |event| event.map(|event| thin.thin(event)));
        let changes = indexed(questions, noted)
            .reflect(writer)
            .touched_objects()
            .boxed();
        let (classes, class_changes) = cached(Api::all(client.clone()), all);
        let (pods, writer) = reflector::store();
        let pod_changes = indexed(slim(scope.api(client), ours.clone()), helpers.clone())
            .reflect(writer)
            .touched_objects()
            .boxed();
        let (config_maps, config_map_changes) = of_scope(client, scope, &ours);
        let (claims, claim_changes) = of_scope(client, scope, &ours);
        let (service_accounts, service_account_changes) = of_scope(client, scope, &ours);
        let (role_bindings, role_binding_changes) = of_scope(client, scope, &ours);
        let (network_policies, network_policy_changes) = of_scope(client, scope, &ours);
        let caches = Self {
            proposals,
            classes,
            pods,
            config_maps,
            claims,
            service_accounts,
            role_bindings,
            network_policies,
            by_bottle,
            helpers,
        };
        let feeds = Feeds {
            proposals: changes,
            classes: class_changes,
            pods: pod_changes,
            config_maps: config_map_changes,
            claims: claim_changes,
            service_accounts: service_account_changes,
            role_bindings: role_binding_changes,
            network_policies: network_policy_changes,
        };
        (caches, feeds)
    }

    /// Waits until every cache holds what the API server had at the start. To be called once.
    pub async fn ready(&self) -> Result<(), Error> {
        let Self {
            proposals,
            classes,
            pods,
            config_maps,
            claims,
            service_accounts,
            role_bindings,
            network_policies,
            by_bottle: _,
            helpers: _,
        } = self;
        let kind = |kind: &'static str| move |error: WriterDropped| Error::Cache(kind, error);
        let wait = proposals.wait_until_ready();
        wait.await.map_err(kind("Proposals"))?;
        let wait = classes.wait_until_ready();
        wait.await.map_err(kind("BottleClasses"))?;
        let wait = pods.wait_until_ready();
        wait.await.map_err(kind("Pods"))?;
        let wait = config_maps.wait_until_ready();
        wait.await.map_err(kind("ConfigMaps"))?;
        let wait = claims.wait_until_ready();
        wait.await.map_err(kind("PersistentVolumeClaims"))?;
        let wait = service_accounts.wait_until_ready();
        wait.await.map_err(kind("ServiceAccounts"))?;
        let wait = role_bindings.wait_until_ready();
        wait.await.map_err(kind("RoleBindings"))?;
        let wait = network_policies.wait_until_ready();
        wait.await.map_err(kind("NetworkPolicies"))
    }

    /// Every decodable Proposal that names this Bottle, by name.
    pub fn proposals_of(&self, namespace: &str, bottle: &str) -> Vec<Proposal> {
        self.by_bottle
            .names(namespace, bottle)
            .iter()
            .filter_map(|name| self.proposals.get(&ObjectRef::new(name).within(namespace)))
            .filter_map(|guard| guard.0.clone().ok())
            .filter(|proposal| proposal.spec.bottle == bottle)
            .collect()
    }

    /// Namespace and name of every Bottle that a Proposal names, once.
    pub fn bottles_with_proposals(&self) -> BTreeSet<(String, String)> {
        self.by_bottle.bottles()
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

    /// The pods that build and try images for this Bottle.
    pub fn helpers(&self, namespace: &str, bottle: &str) -> BTreeSet<String> {
        self.helpers.names(namespace, bottle)
    }

    /// The claim of that name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<Arc<PersistentVolumeClaim>> {
        self.claims.get(&ObjectRef::new(name).within(namespace))
    }

    /// The images that proposals of a namespace have brought, by the name of the pod that built them.
    pub fn built(&self, namespace: &str) -> BTreeMap<String, String> {
        let proposals = self.proposals.state().into_iter();
        proposals
            .filter_map(|guard| guard.0.clone().ok())
            .filter(|proposal| proposal.namespace().as_deref() == Some(namespace))
            .filter_map(|proposal| builds::brought(&proposal))
            .collect()
    }

    /// The ConfigMap of that name.
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
        self.config_maps
            .get(&ObjectRef::new(name).within(namespace))
    }
}

fn of_scope<K>(client: &Client, scope: &Scope, config: &watcher::Config) -> (Store<K>, Changes<K>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    cached(scope.api(client), config.clone())
}

/// A cache and the changes that fill it.
fn cached<K>(api: Api<K>, config: watcher::Config) -> (Store<K>, Changes<K>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Unpin + Send + Sync,
{
    let (store, writer) = reflector::store();
    let changes = slim(api, config).reflect(writer).touched_objects().boxed();
    (store, changes)
}

/// The same events, noted before the cache shows them: whoever asks the index may learn of too many, never of too few.
fn indexed<K: OfBottle + 'static>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    index: Index<K>,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static {
    events.inspect(move |event| {
        if let Ok(event) = event {
            index.note(event);
        }
    })
}

/// A watch of objects without what nobody here reads: the managed fields are half of a cached object's size.
fn slim<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config)
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None)
}
