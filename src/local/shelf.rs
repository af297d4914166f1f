//! What bottles share: objects of one kind in a directory of their own, each a file that is replaced as a whole.
//!
//! Classes belong to all projects, as in a cluster to all namespaces: `<state>/.classes/`. ConfigMaps are one project's:
//! `<state>/<project>/.config-maps/`.

use super::{
    Error,
    identity::{self, InvalidName},
    place::{names_in, put, read},
    state::State,
    write,
};
use crate::api::BottleClass;
use kube::{Resource, ResourceExt as _};
use serde::{Serialize, de::DeserializeOwned};
use std::{marker::PhantomData, path::PathBuf};

/// A kind of which there are shelves.
pub trait Shared: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned {
    /// The word in messages.
    const KIND: &'static str;
    /// Whether an API server counts the changes of its spec.
    const COUNTED: bool;

    /// Whether both say the same, whatever stands in their metadata and status.
    fn says_as(&self, other: &Self) -> bool;
}

impl Shared for BottleClass {
    const KIND: &'static str = "BottleClass";
    const COUNTED: bool = true;

    fn says_as(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

/// A directory of objects of one kind.
#[derive(Clone, Debug)]
pub struct Shelf<K> {
    state: State,
    directory: PathBuf,
    kind: PhantomData<K>,
}

/// What came of a write, as kubectl says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    Created,
    /// It says something else now.
    Configured,
    /// It said that already.
    Unchanged,
}

impl Outcome {
    /// kubectl's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

impl State {
    /// The classes of all bottles.
    pub fn classes(&self) -> Shelf<BottleClass> {
        // A leading dot can't be a project's name.
        Shelf::new(self, self.root().join(".classes"))
    }
}

impl<K: Shared> Shelf<K> {
    pub(super) fn new(state: &State, directory: PathBuf) -> Self {
        Self {
            state: state.clone(),
            directory,
            kind: PhantomData,
        }
    }

    /// Makes the directory, so that it can be watched; where it is.
    pub fn make(&self) -> Result<&PathBuf, Error> {
        write::directory(&self.directory).map_err(Error::file("make", &self.directory))?;
        Ok(&self.directory)
    }

    /// One object.
    pub fn get(&self, name: &str) -> Result<Option<K>, Error> {
        match self.path(name) {
            Ok(path) => read(&path),
            // Nothing can be there.
            Err(_) => Ok(None),
        }
    }

    /// Their names.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        names_in(&self.directory)
    }

    /// All of them, by name.
    pub fn all(&self) -> Result<Vec<K>, Error> {
        self.names()?
            .iter()
            .filter_map(|name| self.get(name).transpose())
            .collect()
    }

    /// Writes an object over whatever stands there, as `kubectl apply` does; `check` has the last word under the lock,
    /// and is told what it would replace.
    pub fn apply<E: From<Error>>(
        &self,
        mut new: K,
        check: impl FnOnce(Option<&K>) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        let path = self.path(&new.name_any()).map_err(Error::from)?;
        self.make()?;
        let _lock = self.state.lock()?;
        let old: Option<K> = read(&path)?;
        check(old.as_ref())?;
        let (same, meta) = (
            old.as_ref().is_some_and(|old| old.says_as(&new)),
            new.meta_mut(),
        );
        let outcome = match old.as_ref().map(Resource::meta) {
            None => {
                (meta.uid, meta.resource_version, meta.creation_timestamp) = (None, None, None);
                meta.generation = K::COUNTED.then_some(1);
                Outcome::Created
            }
            Some(old) => {
                let noted = (&old.labels, &old.annotations) == (&meta.labels, &meta.annotations);
                let (labels, annotations) = (meta.labels.take(), meta.annotations.take());
                *meta = old.clone();
                (meta.labels, meta.annotations) = (labels, annotations);
                if same && noted {
                    return Ok(Outcome::Unchanged);
                }
                meta.generation = old.generation.map(|at| if same { at } else { at + 1 });
                Outcome::Configured
            }
        };
        put(&path, K::KIND, new)?;
        Ok(outcome)
    }

    /// Removes one; whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        let Ok(path) = self.path(name) else {
            return Ok(false);
        };
        let _lock = self.state.lock()?;
        let there = path.exists();
        write::remove(&path).map_err(Error::file("remove", &path))?;
        Ok(there)
    }

    fn path(&self, name: &str) -> Result<PathBuf, InvalidName> {
        identity::check_shared(K::KIND, name)?;
        Ok(self.directory.join(format!("{name}.yaml")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::BottleClassSpec;

    fn class(hosts: &[&str]) -> BottleClass {
        let spec = BottleClassSpec {
            allowlist: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..BottleClassSpec::default()
        };
        BottleClass::new("small", spec)
    }

    fn apply(state: &State, class: BottleClass) -> Outcome {
        let shelf = state.classes();
        shelf.apply::<Error>(class, |_| Ok(())).unwrap()
    }

    #[test]
    fn a_generation_counts_what_is_said_and_not_how_often() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let generation = || {
            let class = state.classes().get("small").unwrap().unwrap();
            class.metadata.generation
        };
        assert_eq!(apply(&state, class(&["a.example"])), Outcome::Created);
        assert_eq!(apply(&state, class(&["a.example"])), Outcome::Unchanged);
        assert_eq!(generation(), Some(1));
        let mut noted = class(&["a.example"]);
        noted.metadata.annotations = Some([("by".to_owned(), "rosa".to_owned())].into());
        assert_eq!(apply(&state, noted), Outcome::Configured);
        assert_eq!(generation(), Some(1));
        assert_eq!(apply(&state, class(&["b.example"])), Outcome::Configured);
        assert_eq!(generation(), Some(2));
    }

    #[test]
    fn a_removed_one_is_another_when_it_comes_again() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let uid = || state.classes().get("small").unwrap().unwrap().metadata.uid;
        apply(&state, class(&[]));
        let first = uid();
        assert!(state.classes().remove("small").unwrap());
        assert!(!state.classes().remove("small").unwrap());
        assert!(state.classes().all().unwrap().is_empty());
        apply(&state, class(&[]));
        assert!(first.is_some() && uid() != first);
    }

    #[test]
    fn a_refused_one_is_not_written_and_no_name_leads_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let shelf = state.classes();
        let refused: Result<_, Error> =
            shelf.apply(class(&[]), |_| Err(Error::Kept("garden/blue".into())));
        assert!(refused.is_err() && shelf.all().unwrap().is_empty());
        let mut out = class(&[]);
        out.metadata.name = Some("../small".into());
        assert!(shelf.apply::<Error>(out, |_| Ok(())).is_err());
        assert!(!state.root().join("small.yaml").exists());
        assert!(shelf.get("../lock").unwrap().is_none());
    }
}
