//! A new config: parse, swap, close what it forbids, and only then say so.

use super::Shared;
use super::policy::{Policy, PolicyError};
use crate::config_directory::{self, Snapshot};
use crate::names::container;
use crate::telemetry::chain;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// Follows the config until nobody sends any more. A broken one is logged and the old one kept, its hash too.
pub(super) async fn follow(
    shared: Arc<Shared>,
    mut snapshots: watch::Receiver<Snapshot>,
    state: Arc<Path>,
) {
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        match enforce(&shared, &snapshot).await {
            Ok(closed) => tracing::info!(hash = snapshot.hash, closed, "Enforcing a new config"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(hash = snapshot.hash, error, "Keeping the old config");
                continue;
            }
        }
        if let Err(error) = config_directory::write_hash(&state, container::EGRESS, &snapshot.hash)
        {
            tracing::error!(error = chain(&error), "Can't say which config is enforced");
        }
    }
}

/// Enforces a config; returns how many connections it has closed.
async fn enforce(shared: &Shared, snapshot: &Snapshot) -> Result<usize, PolicyError> {
    let policy = Arc::new(Policy::parse(&snapshot.files)?);
    // From here on every new connection asks the new one, so none is opened behind the sweep.
    shared.set_policy(Arc::clone(&policy));
    Ok(shared.connections.close_forbidden(&policy).await)
}
