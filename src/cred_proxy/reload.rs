//! A new config: parse, swap, end what it forbids, and only then say so.

use super::Shared;
use super::table::{Table, TableError};
use crate::config_directory::{self, Snapshot};
use crate::names::container;
use crate::telemetry::chain;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// Follows the config until nobody sends any more. A broken one is logged and the old one kept, its hash too.
pub async fn follow(
    shared: Arc<Shared>,
    mut snapshots: watch::Receiver<Snapshot>,
    state: Arc<Path>,
) {
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        match enforce(&shared, &snapshot).await {
            Ok(cut) => tracing::info!(hash = snapshot.hash, cut, "Enforcing a new config"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(hash = snapshot.hash, error, "Keeping the old config");
                continue;
            }
        }
        let written = config_directory::write_hash(&state, container::CRED_PROXY, &snapshot.hash);
        if let Err(error) = written {
            tracing::error!(error = chain(&error), "Can't say which config is enforced");
        }
    }
}

/// Enforces a config; returns how many requests had to be cut.
async fn enforce(shared: &Shared, snapshot: &Snapshot) -> Result<usize, TableError> {
    let old = shared.table();
    let new = Arc::new(Table::new(&snapshot.files, &old)?);
    // From here on every request finds the new routes.
    shared.set_table(Arc::clone(&new));
    let retired = old.retired_by(&new);
    drop(old);
    let ended = async {
        for route in &retired {
            route.in_flight.close();
            route.in_flight.wait().await;
        }
    };
    // Requests that are nearly done may be done; a stream that never ends is cut.
    let in_time = tokio::time::timeout(shared.limits.grace, ended).await;
    let left = retired.iter().map(|route| route.in_flight.len()).sum();
    for route in &retired {
        route.in_flight.close();
        route.cut.cancel();
    }
    if in_time.is_err() {
        for route in &retired {
            // A client that reads nothing holds its answer until its connection is looked at again: the upstream's
            // side ends with the token, so this is no longer than the client's next sign of life.
            let _ = tokio::time::timeout(shared.limits.grace, route.in_flight.wait()).await;
        }
    }
    Ok(left)
}
