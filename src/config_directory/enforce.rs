//! A role's side of a new config: enforce it, and only then say so.

use super::{Snapshot, write_hash};
use crate::telemetry::chain;
use std::{future::Future, path::Path, sync::Arc};
use tokio::sync::watch;

/// A role that enforces configs.
pub trait Enforce: Send + Sync {
    /// The role's name, as its hash is written under.
    const ROLE: &'static str;
    /// Why a config can't be enforced.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Enforces the config before it returns, and logs what that took; with an error the old one is kept.
    fn enforce(&self, snapshot: &Snapshot) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Has `role` enforce each new config until nobody sends any more. A broken one is logged and the old one kept, its
/// hash too.
pub async fn enforce_all<R: Enforce>(
    role: Arc<R>,
    mut snapshots: watch::Receiver<Snapshot>,
    state: Arc<Path>,
) {
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Err(error) = role.enforce(&snapshot).await {
            let error = chain(&error);
            tracing::warn!(hash = snapshot.hash, error, "Keeping the old config");
        } else if let Err(error) = write_hash(&state, R::ROLE, &snapshot.hash) {
            tracing::error!(error = chain(&error), "Can't say which config is enforced");
        }
    }
}
