//! Who waits for a reconcile: kube's own queue tells neither how long it is nor how long one waits in it.

use prometheus_client::{
    metrics::{gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Bottles that a change has woken and whose turn has not come. One that only looks again as time goes by is not in it.
pub struct Queue {
    since: Mutex<HashMap<(String, String), Instant>>,
    waiting: Gauge,
    wait_seconds: Histogram,
}

impl Queue {
    /// An empty one, named in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            since: Mutex::default(),
            waiting: super::named(
                registry,
                "reconciles_waiting",
                "Bottles that a change has woken and whose reconcile has not begun",
                Gauge::default(),
            ),
            wait_seconds: super::named(
                registry,
                "reconcile_wait_seconds",
                "From the change until the reconcile of its Bottle begins",
                super::fast(),
            ),
        }
    }

    /// A change concerns this Bottle. One that waits already goes on waiting: one reconcile will see both changes.
    pub fn woken(&self, namespace: &str, name: &str) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since
            .entry((namespace.to_owned(), name.to_owned()))
            .or_insert_with(Instant::now);
        self.show(since.len());
    }

    /// Its turn has come, or it is gone.
    pub fn left(&self, namespace: &str, name: &str) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(woken) = since.remove(&(namespace.to_owned(), name.to_owned())) {
            self.wait_seconds.observe(woken.elapsed().as_secs_f64());
            self.show(since.len());
        }
    }

    fn show(&self, waiting: usize) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
