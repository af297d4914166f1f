//! The view of a pod: the mounted config and the hashes that the proxies enforce, as they change.

use super::view::View;
use crate::{
    config::decisions::Decisions,
    config_directory::{self, Snapshot},
    telemetry::chain,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Role under which `supervise` writes the hash that it knows.
const ROLE: &str = "supervise";

/// The newest view; it changes with the config, the decisions and the hashes. Ends with its last receiver.
pub fn watch(
    mut snapshots: watch::Receiver<Snapshot>,
    mut hashes: watch::Receiver<BTreeMap<String, String>>,
    enforcers: Vec<String>,
    state: PathBuf,
) -> watch::Receiver<Arc<View>> {
    let mut decisions = Decisions::default();
    let first = look(&mut snapshots, &mut hashes, &enforcers, &mut decisions);
    write_hash(&state, &first);
    let (sender, receiver) = watch::channel(Arc::new(first));
    tokio::spawn(async move {
        loop {
            let changed = tokio::select! {
                changed = snapshots.changed() => changed,
                changed = hashes.changed() => changed,
                () = sender.closed() => return,
            };
            if changed.is_err() {
                return;
            }
            let view = look(&mut snapshots, &mut hashes, &enforcers, &mut decisions);
            sender.send_if_modified(|old| {
                let new_config = old.hash != view.hash;
                let modified = **old != view;
                if new_config {
                    write_hash(&state, &view);
                }
                *old = Arc::new(view);
                modified
            });
        }
    });
    receiver
}

fn look(
    snapshots: &mut watch::Receiver<Snapshot>,
    hashes: &mut watch::Receiver<BTreeMap<String, String>>,
    enforcers: &[String],
    decisions: &mut Decisions,
) -> View {
    let snapshot = snapshots.borrow_and_update().clone();
    if !snapshot.decisions.is_empty() {
        match serde_json::from_str(&snapshot.decisions) {
            Ok(read) => *decisions = read,
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "decisions.json can't be read; the last good one stays"
                );
            }
        }
    }
    View::new(Some(snapshot.files), snapshot.hash)
        .with_decisions(decisions.clone())
        .with_hashes(enforcers, &hashes.borrow_and_update())
}

fn write_hash(state: &std::path::Path, view: &View) {
    if let Err(error) = config_directory::write_hash(state, ROLE, &view.hash) {
        tracing::warn!(
            error = chain(&error),
            "The hash of the known config can't be written"
        );
    }
}
