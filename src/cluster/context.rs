//! What every reconcile shares: the client, the caches, the operator's settings.

use super::{caches::Caches, notify::Notifier, visible::Visible};
use crate::plan::settings::Settings;
use kube::Client;
use tokio::sync::watch;

/// Shared by all reconciles.
pub struct Context {
    pub(super) client: Client,
    pub(super) caches: Caches,
    pub(super) settings: Settings,
    /// ClusterRole that the sidecars' account is bound to.
    pub(super) sidecar_role: String,
    pub(super) notifier: Notifier,
    pub(super) visible: Visible,
    /// Whether the caches are filled. Many wait for this; a store's own `wait_until_ready` wakes only one of them.
    pub(super) filled: watch::Receiver<bool>,
}
