//! Waits for our own writes to come back through the caches, so that no plan is made on what we know is old.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A write that has not come back by then won't: the object was deleted since, or the watch starts anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// An object: kind, namespace, name.
type Key = (&'static str, String, String);

/// The newest `resourceVersion` that we wrote, by object.
#[derive(Debug, Default)]
pub struct Visible {
    written: Mutex<HashMap<Key, (u64, Instant)>>,
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
        written.retain(|_, (_, at)| at.elapsed() <= PATIENCE);
        let key = (kind, namespace.to_owned(), name.to_owned());
        written.insert(key, (version, Instant::now()));
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
        let Some((version, at)) = written.get(&key) else {
            return true;
        };
        // An object that is not in the cache is new to it, or deleted since: only time tells them apart.
        let caught_up = cached
            .and_then(|cached| cached.parse::<u64>().ok())
            .is_some_and(|cached| cached >= *version);
        if caught_up || at.elapsed() > PATIENCE {
            written.remove(&key);
            return true;
        }
        false
    }

    /// Forgets a write: the object is gone, or we waited long enough.
    pub fn forget(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&(kind, namespace.to_owned(), name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::Visible;

    #[test]
    fn an_older_cache_has_not_caught_up_a_newer_one_has_and_strangers_are_not_waited_for() {
        let visible = Visible::default();
        visible.wrote("Pod", "garden", "blue", Some("20"));
        assert!(!visible.caught_up("Pod", "garden", "blue", Some("19")));
        assert!(!visible.caught_up("Pod", "garden", "blue", None));
        assert!(visible.caught_up("Pod", "garden", "red", Some("1")));
        assert!(visible.caught_up("Pod", "garden", "blue", Some("21")));
        assert!(visible.caught_up("Pod", "garden", "blue", Some("1")));
    }

    #[test]
    fn a_write_that_is_forgotten_is_not_waited_for() {
        let visible = Visible::default();
        visible.wrote("Pod", "garden", "blue", Some("20"));
        visible.forget("Pod", "garden", "blue");
        assert!(visible.caught_up("Pod", "garden", "blue", None));
    }
}
