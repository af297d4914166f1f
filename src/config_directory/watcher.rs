//! "Something in this directory may have changed", from the kernel.

use super::Error;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;

/// Changes of one directory's entries; many at once count as one.
pub(crate) struct Changes {
    notify: Arc<Notify>,
    // Dropped, it stops reporting.
    _watcher: RecommendedWatcher,
}

impl Changes {
    pub(crate) fn of(directory: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Watch {
            path: directory.to_owned(),
            source,
        };
        let notify = Arc::new(Notify::new());
        let changed = Arc::clone(&notify);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error (a full queue) may have hidden a change, so it counts as one.
            if event.is_ok_and(|event| is_only_a_look(event.kind)) {
                return;
            }
            // Keeps one permit when nobody waits right now.
            changed.notify_one();
        })
        .map_err(failed)?;
        watcher
            .watch(directory, RecursiveMode::NonRecursive)
            .map_err(failed)?;
        Ok(Self {
            notify,
            _watcher: watcher,
        })
    }

    pub(crate) async fn next(&mut self) {
        self.notify.notified().await;
    }
}

/// Our own reads are reported too; reacting to them would never end.
fn is_only_a_look(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
