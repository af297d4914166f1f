//! The open connections to upstreams, so that a new config can close what it forbids.

use super::policy::{Policy, Way};
use super::target::Target;
use crate::config::allowlist::Verdict;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// All of them.
#[derive(Default)]
pub struct Connections {
    open: Mutex<Table>,
    closed: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    rows: HashMap<u64, Row>,
}

struct Row {
    target: Target,
    way: Way,
    opened_as: Verdict,
    cut: CancellationToken,
}

/// One connection's place in the table; drop it after the sockets.
pub struct Place {
    id: u64,
    cut: CancellationToken,
    connections: Arc<Connections>,
}

impl Connections {
    /// Takes a place. Check the policy *after* this: a change before it is then seen by that check, a later one
    /// finds the place.
    pub fn register(self: &Arc<Self>, target: &Target, way: Way, opened_as: Verdict) -> Place {
        let cut = CancellationToken::new();
        let mut table = self.table();
        let id = table.next;
        table.next += 1;
        table.rows.insert(
            id,
            Row {
                target: target.clone(),
                way,
                opened_as,
                cut: cut.clone(),
            },
        );
        Place {
            id,
            cut,
            connections: Arc::clone(self),
        }
    }

    /// Closes what `policy` doesn't permit, and returns how many they were once all of them are closed.
    pub async fn close_forbidden(&self, policy: &Policy) -> usize {
        let forbidden: Vec<u64> = {
            let table = self.table();
            let rows = table.rows.iter();
            rows.filter(|(_, row)| !policy.permits(&row.target, &row.way, row.opened_as))
                .map(|(id, row)| {
                    row.cut.cancel();
                    *id
                })
                .collect()
        };
        loop {
            // Listening starts before the look, so that a close between the two is heard.
            let mut closed = std::pin::pin!(self.closed.notified());
            closed.as_mut().enable();
            if !forbidden
                .iter()
                .any(|id| self.table().rows.contains_key(id))
            {
                return forbidden.len();
            }
            closed.await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.open
            .lock()
            .expect("nothing panics while it holds the table")
    }
}

impl Place {
    /// A place of its own for another connection that the same rules permit.
    pub fn another(&self) -> Self {
        let (target, way, opened_as) = {
            let table = self.connections.table();
            let row = &table.rows[&self.id];
            (row.target.clone(), row.way.clone(), row.opened_as)
        };
        self.connections.register(&target, way, opened_as)
    }

    /// Resolves when the connection must be closed at once.
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.table().rows.remove(&self.id);
        self.connections.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_sweep_ends_only_when_everything_forbidden_is_closed() {
        let policy = Policy::parse(&Files {
            allowlist: "kept.example\n".into(),
            egress: "{}".into(),
            ..Files::default()
        });
        let policy = policy.unwrap();
        let connections = Arc::new(Connections::default());
        let register = |host: &str| {
            let target = Target {
                host: host.into(),
                port: 443,
            };
            connections.register(&target, Way::Direct([203, 0, 113, 1].into()), Verdict::Web)
        };
        let kept = register("kept.example");
        let (first, second) = (register("gone.example"), register("gone.example"));
        let mut sweep = Box::pin(connections.close_forbidden(&policy));
        assert_eq!(sweep.as_mut().now_or_never(), None);
        assert!(first.cut().is_cancelled() && second.cut().is_cancelled());
        assert!(!kept.cut().is_cancelled());
        drop(first);
        assert_eq!(sweep.as_mut().now_or_never(), None);
        drop(second);
        assert_eq!(sweep.now_or_never(), Some(2));
        assert_eq!(connections.close_forbidden(&policy).now_or_never(), Some(0));
    }
}
