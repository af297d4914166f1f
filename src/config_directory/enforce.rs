//! A role's side of a new config: enforce it, and only then say so.

use super::{Snapshot, TRY_AGAIN, write_hash};
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
/// hash too. A hash that can't be written, on a full disk, is written once it can.
pub async fn enforce_all<R: Enforce>(
    role: Arc<R>,
    mut snapshots: watch::Receiver<Snapshot>,
    state: Arc<Path>,
) {
    // Enforced, and not told yet.
    let mut untold: Option<String> = None;
    loop {
        let is_late = untold.is_some();
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                let snapshot = snapshots.borrow_and_update().clone();
                match role.enforce(&snapshot).await {
                    Ok(()) => untold = Some(snapshot.hash),
                    Err(error) => {
                        let error = chain(&error);
                        tracing::warn!(hash = snapshot.hash, error, "Keeping the old config");
                    }
                }
            }
            () = tokio::time::sleep(TRY_AGAIN), if is_late => {}
        }
        let Some(hash) = &untold else { continue };
        match write_hash(&state, R::ROLE, hash) {
            Ok(()) => untold = None,
            Err(error) if !is_late => {
                tracing::error!(error = chain(&error), "Can't say which config is enforced");
            }
            Err(_) => {}
        }
    }
}
