//! Which Proposals name which Bottle, and which pods build and try its images, so that a reconcile need not look
//! through all of them.

use crate::{api::Proposal, names};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, core::DeserializeGuard, runtime::watcher::Event};
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    marker::PhantomData,
    sync::{Arc, PoisonError, RwLock},
};

/// What belongs to a Bottle.
pub trait OfBottle: Debug {
    /// Namespace and name of its Bottle, and its own name; none where that can't be told.
    fn key(&self) -> Option<((String, String), String)>;
}

/// One that can't be read names no Bottle.
impl OfBottle for DeserializeGuard<Proposal> {
    fn key(&self) -> Option<((String, String), String)> {
        let proposal = self.0.as_ref().ok()?;
        let bottle = (proposal.namespace()?, proposal.spec.bottle.clone());
        Some((bottle, proposal.name_any()))
    }
}

/// Only those beside a bottle's own pod, which has no role.
impl OfBottle for Pod {
    fn key(&self) -> Option<((String, String), String)> {
        let labels = self.metadata.labels.as_ref()?;
        labels.get(names::LABEL_ROLE)?;
        let bottle = labels.get(names::LABEL_BOTTLE)?.clone();
        Some(((self.namespace()?, bottle), self.name_any()))
    }
}

/// Names of objects, by namespace and Bottle. It may list some that are gone; clones share it.
#[derive(Debug)]
pub struct Index<K> {
    inner: Arc<RwLock<Inner>>,
    kind: PhantomData<fn(&K)>,
}

impl<K> Clone for Index<K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
            kind: PhantomData,
        }
    }
}

type Names = HashMap<(String, String), BTreeSet<String>>;

#[derive(Debug, Default)]
struct Inner {
    names: Names,
    /// What a list that is still coming in has named so far.
    listed: Names,
}

impl<K: OfBottle> Index<K> {
    /// Takes over what the watch says; to be called before the cache does.
    pub fn note(&self, event: &Event<K>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => inner.listed = Names::new(),
            Event::InitApply(object) => {
                if let Some((bottle, name)) = object.key() {
                    inner
                        .listed
                        .entry(bottle.clone())
                        .or_default()
                        .insert(name.clone());
                    inner.names.entry(bottle).or_default().insert(name);
                }
            }
            Event::InitDone => inner.names = std::mem::take(&mut inner.listed),
            Event::Apply(object) => {
                if let Some((bottle, name)) = object.key() {
                    inner.names.entry(bottle).or_default().insert(name);
                }
            }
            Event::Delete(object) => {
                if let Some((bottle, name)) = object.key()
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

    /// Names of what belongs to `bottle`.
    pub fn names(&self, namespace: &str, bottle: &str) -> BTreeSet<String> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .names
            .get(&(namespace.to_owned(), bottle.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Namespace and name of every Bottle that something belongs to.
    pub fn bottles(&self) -> BTreeSet<(String, String)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.names.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, OfBottle as _};
    use crate::{api::Proposal, names};
    use k8s_openapi::api::core::v1::Pod;
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

    fn names_of(index: &Index<DeserializeGuard<Proposal>>, bottle: &str) -> Vec<String> {
        index.names("garden", bottle).into_iter().collect()
    }

    #[test]
    fn each_bottle_has_its_own_and_what_is_deleted_goes() {
        let index = Index::default();
        index.note(&Event::Apply(of("blue", "blue-1")));
        index.note(&Event::Apply(of("blue", "blue-2")));
        index.note(&Event::Apply(of("red", "red-1")));
        assert_eq!(names_of(&index, "blue"), ["blue-1", "blue-2"]);
        assert_eq!(names_of(&index, "red"), ["red-1"]);
        assert!(index.names("yard", "blue").is_empty());
        index.note(&Event::Delete(of("red", "red-1")));
        assert_eq!(index.bottles().len(), 1);
    }

    #[test]
    fn a_new_list_forgets_what_it_does_not_name_only_when_it_is_complete() {
        let index = Index::default();
        index.note(&Event::Apply(of("blue", "blue-1")));
        index.note(&Event::Init);
        index.note(&Event::InitApply(of("blue", "blue-2")));
        assert_eq!(names_of(&index, "blue"), ["blue-1", "blue-2"]);
        index.note(&Event::InitDone);
        assert_eq!(names_of(&index, "blue"), ["blue-2"]);
        // A list that broke off leaves nothing behind for the next one.
        index.note(&Event::Init);
        index.note(&Event::InitApply(of("blue", "blue-3")));
        index.note(&Event::Init);
        index.note(&Event::InitDone);
        assert!(names_of(&index, "blue").is_empty());
    }

    #[test]
    fn of_pods_only_those_with_a_role_count() {
        let mut pod = Pod::default();
        pod.metadata.name = Some("build-1".into());
        pod.metadata.namespace = Some("garden".into());
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(names::LABEL_BOTTLE.into(), "blue".into());
        assert_eq!(pod.key(), None);
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(names::LABEL_ROLE.into(), names::ROLE_BUILD.into());
        let key = (
            ("garden".to_owned(), "blue".to_owned()),
            "build-1".to_owned(),
        );
        assert_eq!(pod.key(), Some(key));
    }
}
