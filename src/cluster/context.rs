//! What every reconcile shares: the client, the caches, the operator's settings.

use super::{
    caches::Caches, gone, metrics::Metrics, notify::Notifier, roll::Rolling, tell::Teller,
    visible::Visible,
};
use crate::{
    api::Bottle,
    plan::{builds, settings::Settings},
};
use kube::{Client, ResourceExt as _, core::DeserializeGuard, runtime::reflector::Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Shared by all reconciles.
pub struct Context {
    pub(super) client: Client,
    pub(super) caches: Caches,
    pub(super) bottles: Store<DeserializeGuard<Bottle>>,
    pub(super) settings: Settings,
    /// ClusterRole that the sidecars' account is bound to.
    pub(super) sidecar_role: String,
    pub(super) notifier: Notifier,
    /// Tells people of new questions, when they asked for it.
    pub(super) teller: Option<Teller>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) visible: Visible,
    pub(super) cleaning: gone::Running,
    /// Shared by the loops: a class knows no namespaces.
    pub(super) rolling: Arc<Rolling>,
    /// Whether the caches are filled. Many wait for this; a store's own `wait_until_ready` wakes only one of them.
    pub(super) filled: watch::Receiver<bool>,
}

impl Context {
    /// The images that were built in a namespace and have run, by the name of the pod that built them.
    pub(super) fn built(&self, namespace: &str) -> BTreeMap<String, String> {
        let mut built = self.caches.built(namespace);
        let bottles = self.bottles.state();
        let bottles = bottles.iter().filter_map(|guard| guard.0.as_ref().ok());
        let here = bottles.filter(|bottle| bottle.namespace().as_deref() == Some(namespace));
        built.extend(here.filter_map(builds::brought_by_bottle));
        built
    }
}
