//! Waits for our own writes to come back through the caches, so that no plan is made on what we know is old.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// An object: kind, namespace, name.
type Key = (&'static str, String, String);

/// The newest `resourceVersion` that we wrote, by object.
#[derive(Debug, Default)]
pub struct Visible {
    written: Mutex<HashMap<Key, u64>>,
}

impl Visible {
    /// Remembers a write.
    pub fn wrote(
        &self,
        kind: &'static str,
        namespace: &str,
        name: &str,
        resource_version: Option<&str>,
    ) {
        let Some(version) = resource_version.and_then(|version| version.parse().ok()) else {
            return;
        };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert((kind, namespace.to_owned(), name.to_owned()), version);
    }

    /// Whether the cache, which holds `cached`, has caught up with our last write; forgets that write when it has.
    pub fn caught_up(
        &self,
        kind: &'static str,
        namespace: &str,
        name: &str,
        cached: Option<&str>,
    ) -> bool {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(version) = written.get(&key) else {
            return true;
        };
        // An object that is not in the cache is new to it, or deleted since: only time tells them apart.
        let caught_up = cached
            .and_then(|cached| cached.parse::<u64>().ok())
            .is_some_and(|cached| cached >= *version);
        if caught_up {
            written.remove(&key);
        }
        caught_up
    }

    /// Forgets a write: the object is gone, or we waited long enough.
    pub fn forget(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&(kind, namespace.to_owned(), name.to_owned()));
    }
}
