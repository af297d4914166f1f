//! Which Proposals name which Bottle, so that a reconcile need not look through all of them.

use crate::api::Proposal;
use kube::{ResourceExt as _, core::DeserializeGuard, runtime::watcher::Event};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

/// Names of Proposals, by namespace and Bottle. It may list some that are gone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct ProposalIndex {
    inner: Arc<RwLock<Inner>>,
}

type Names = HashMap<(String, String), BTreeSet<String>>;

#[derive(Debug, Default)]
struct Inner {
    names: Names,
    /// What a list that is still coming in has named so far.
    listed: Names,
}

impl ProposalIndex {
    /// Takes over what the watch says; to be called before the cache does.
    pub fn note(&self, event: &Event<DeserializeGuard<Proposal>>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => inner.listed = Names::new(),
            Event::InitApply(guard) => {
                if let Some((bottle, name)) = key(guard) {
                    inner
                        .listed
                        .entry(bottle.clone())
                        .or_default()
                        .insert(name.clone());
                    inner.names.entry(bottle).or_default().insert(name);
                }
            }
            Event::InitDone => inner.names = std::mem::take(&mut inner.listed),
            Event::Apply(guard) => {
                if let Some((bottle, name)) = key(guard) {
                    inner.names.entry(bottle).or_default().insert(name);
                }
            }
            Event::Delete(guard) => {
                if let Some((bottle, name)) = key(guard)
                    && let Some(names) = inner.names.get_mut(&bottle)
                {
                    names.remove(&name);
                    if names.is_empty() {
                        inner.names.remove(&bottle);
                    }
                }
            }
        }
    }

    /// Names of the Proposals of `bottle`.
    pub fn names(&self, namespace: &str, bottle: &str) -> BTreeSet<String> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .names
            .get(&(namespace.to_owned(), bottle.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Namespace and name of every Bottle that a Proposal names.
    pub fn bottles(&self) -> BTreeSet<(String, String)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.names.keys().cloned().collect()
    }
}

/// One that can't be read names no Bottle.
fn key(guard: &DeserializeGuard<Proposal>) -> Option<((String, String), String)> {
    let proposal = guard.0.as_ref().ok()?;
    let bottle = (proposal.namespace()?, proposal.spec.bottle.clone());
    Some((bottle, proposal.name_any()))
}

#[cfg(test)]
mod tests {
    use super::ProposalIndex;
    use crate::api::Proposal;
    use kube::{core::DeserializeGuard, runtime::watcher::Event};
    use serde_json::json;

    fn of(bottle: &str, name: &str) -> DeserializeGuard<Proposal> {
        let proposal = json!({
            "apiVersion": "bot-bottle.dev/v1alpha1",
            "kind": "Proposal",
            "metadata": {"name": name, "namespace": "garden"},
            "spec": {"bottle": bottle, "bottleUID": "u", "tool": "pipelock-block", "proposedFile": "a.example\n", "justification": "j"},
        });
        DeserializeGuard(Ok(serde_json::from_value(proposal).unwrap()))
    }

    fn names(index: &ProposalIndex, bottle: &str) -> Vec<String> {
        index.names("garden", bottle).into_iter().collect()
    }

    #[test]
    fn each_bottle_has_its_own_and_what_is_deleted_goes() {
        let index = ProposalIndex::default();
        index.note(&Event::Apply(of("blue", "blue-1")));
        index.note(&Event::Apply(of("blue", "blue-2")));
        index.note(&Event::Apply(of("red", "red-1")));
        assert_eq!(names(&index, "blue"), ["blue-1", "blue-2"]);
        assert_eq!(names(&index, "red"), ["red-1"]);
        assert!(index.names("yard", "blue").is_empty());
        index.note(&Event::Delete(of("red", "red-1")));
        assert_eq!(index.bottles().len(), 1);
    }

    #[test]
    fn a_new_list_forgets_what_it_does_not_name_only_when_it_is_complete() {
        let index = ProposalIndex::default();
        index.note(&Event::Apply(of("blue", "blue-1")));
        index.note(&Event::Init);
        index.note(&Event::InitApply(of("blue", "blue-2")));
        assert_eq!(names(&index, "blue"), ["blue-1", "blue-2"]);
        index.note(&Event::InitDone);
        assert_eq!(names(&index, "blue"), ["blue-2"]);
        // A list that broke off leaves nothing behind for the next one.
        index.note(&Event::Init);
        index.note(&Event::InitApply(of("blue", "blue-3")));
        index.note(&Event::Init);
        index.note(&Event::InitDone);
        assert!(names(&index, "blue").is_empty());
    }
}
