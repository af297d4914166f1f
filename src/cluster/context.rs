//! What every reconcile shares: the client, the caches, the operator's settings.

use super::{
    caches::Caches, gone, metrics::Metrics, notify::Notifier, roll::Rolling, tell::Teller,
    visible::Visible,
};
use crate::plan::settings::Settings;
use kube::Client;
use std::sync::Arc;
use tokio::sync::watch;

/// Shared by all reconciles.
pub struct Context {
    pub(super) client: Client,
    pub(super) caches: Caches,
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
