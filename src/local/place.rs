//! One bottle's directory: its objects, and where its processes find their files.

use super::{
    Error,
    admit::{self, Verdict},
    helpers::HELPERS,
    identity::Key,
    kept,
    record::Record,
    state::{Lock, State},
    write,
};
use crate::{
    api::{Bottle, Proposal},
    yaml,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Resource, ResourceExt as _};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The directory of one bottle.
#[derive(Clone, Debug)]
pub struct Place {
    state: State,
    key: Key,
    path: PathBuf,
}

/// The place while its lock is held: the only way to write an object.
#[derive(Debug)]
pub struct Locked<'a> {
    pub(super) place: &'a Place,
    _lock: Lock,
}

impl Place {
    pub(super) fn new(state: State, key: Key) -> Self {
        let path = state.root().join(&key.project).join(&key.name);
        Self { state, key, path }
    }

    /// Whose place it is.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The state directory that it is in.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// A file or directory of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The Bottle.
    pub fn bottle(&self) -> Result<Option<Bottle>, Error> {
        read(&self.path("bottle.yaml"))
    }

    /// The Bottle, or the error that says that there is none.
    pub fn existing(&self) -> Result<Bottle, Error> {
        self.bottle()?
            .ok_or_else(|| self.missing("Bottle", &self.key.name))
    }

    /// What this machine knows about it.
    pub fn record(&self) -> Result<Record, Error> {
        Ok(read(&self.path("record.yaml"))?.unwrap_or_default())
    }

    /// The ConfigMap.
    pub fn config_map(&self) -> Result<Option<ConfigMap>, Error> {
        read(&self.path("config-map.yaml"))
    }

    /// The pod.
    pub fn pod(&self) -> Result<Option<Pod>, Error> {
        read(&self.path("pod.yaml"))
    }

    /// One Proposal.
    pub fn proposal(&self, name: &str) -> Result<Option<Proposal>, Error> {
        if name.contains(['/', '\0']) || name.starts_with('.') {
            return Ok(None);
        }
        read(&self.proposal_path(name))
    }

    /// Every Proposal, by name.
    pub fn proposals(&self) -> Result<Vec<Proposal>, Error> {
        names_in(&self.path("proposals"))?
            .iter()
            .filter_map(|name| self.proposal(name).transpose())
            .collect()
    }

    /// Writes a decision about this very Proposal, as admission would let it pass; how it stands then.
    pub fn decide(
        &self,
        proposal: &Proposal,
        verdict: &Verdict,
        by: &str,
    ) -> Result<Proposal, Error> {
        let name = proposal.name_any();
        let locked = self.lock()?;
        let stored = self.proposal(&name)?;
        let stored = stored
            .filter(|stored| stored.metadata.uid == proposal.metadata.uid)
            .ok_or_else(|| self.missing("Proposal", &name))?;
        let decided =
            locked.put_proposal(admit::admit(stored, verdict.clone(), by, super::now())?)?;
        // What a person was told is decided stays decided; what follows from it can be planned again.
        let directory = self.path("proposals");
        write::sync_directory(&directory).map_err(Error::file("store", &directory))?;
        Ok(decided)
    }

    /// Whether a keeper runs this bottle now.
    pub fn kept(&self) -> bool {
        kept::is_held(&self.path("run/keeper.lock"))
    }

    /// Takes the bottle for this process, until the file is dropped.
    pub fn keep(&self) -> Result<File, Error> {
        self.make()?;
        kept::take(&self.path("run/keeper.lock"))?.ok_or_else(|| Error::Kept(self.key.to_string()))
    }

    /// Makes the directories.
    pub fn make(&self) -> Result<(), Error> {
        for name in ["proposals", "run", "log", HELPERS] {
            let path = self.path(name);
            write::directory(&path).map_err(Error::file("make", &path))?;
        }
        Ok(())
    }

    /// Takes the lock for writing; as short as possible.
    pub fn lock(&self) -> Result<Locked<'_>, Error> {
        self.make()?;
        Ok(Locked {
            place: self,
            _lock: self.state.lock()?,
        })
    }

    /// The error that says that there is no such object here.
    pub fn missing(&self, kind: &'static str, name: &str) -> Error {
        Error::Missing {
            kind,
            name: name.to_owned(),
            project: self.key.project.clone(),
        }
    }

    fn proposal_path(&self, name: &str) -> PathBuf {
        self.path("proposals").join(format!("{name}.yaml"))
    }
}

impl Locked<'_> {
    /// Writes the Bottle over the version that it was read as.
    pub fn put_bottle(&self, bottle: Bottle) -> Result<Bottle, Error> {
        put(&self.place.path("bottle.yaml"), "Bottle", bottle)
    }

    /// Writes the record.
    pub fn put_record(&self, record: &Record) -> Result<(), Error> {
        store(&self.place.path("record.yaml"), record)
    }

    /// Writes a Proposal over the version that it was read as.
    pub fn put_proposal(&self, proposal: Proposal) -> Result<Proposal, Error> {
        let path = self.place.proposal_path(&proposal.name_any());
        put(&path, "Proposal", proposal)
    }

    /// Removes a Proposal, this very one.
    pub fn remove_proposal(&self, name: &str, uid: &str) -> Result<(), Error> {
        match self.place.proposal(name)? {
            Some(proposal) if proposal.metadata.uid.as_deref() == Some(uid) => {
                let path = self.place.proposal_path(name);
                write::remove(&path).map_err(Error::file("remove", &path))
            }
            _ => Ok(()),
        }
    }

    /// Writes the ConfigMap.
    pub fn put_config_map(&self, config_map: ConfigMap) -> Result<ConfigMap, Error> {
        put(&self.place.path("config-map.yaml"), "ConfigMap", config_map)
    }

    /// Writes the pod over the version that it was read as.
    pub fn put_pod(&self, pod: Pod) -> Result<Pod, Error> {
        put(&self.place.path("pod.yaml"), "Pod", pod)
    }

    /// Removes the pod.
    pub fn remove_pod(&self) -> Result<(), Error> {
        let path = self.place.path("pod.yaml");
        write::remove(&path).map_err(Error::file("remove", &path))
    }

    /// Removes the Bottle: whoever keeps it ends it.
    pub fn remove_bottle(&self) -> Result<(), Error> {
        let path = self.place.path("bottle.yaml");
        write::remove(&path).map_err(Error::file("remove", &path))
    }

    /// Removes everything but the Proposals, which are the record of who allowed what.
    pub fn remove_rest(&self) -> Result<(), Error> {
        for name in ["config-map.yaml", "pod.yaml", "record.yaml"] {
            let path = self.place.path(name);
            write::remove(&path).map_err(Error::file("remove", &path))?;
        }
        for name in ["home", "workspace", "log", HELPERS] {
            let path = self.place.path(name);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The objects in a directory, by name.
pub(super) fn names_in(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::file("read", directory))?,
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".yaml")?.to_owned()))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    Ok(names)
}

/// The object, or none when there is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(Error::file("read", path))?,
    };
    yaml::from_str(&text)
        .map(Some)
        .map_err(|source| Error::Object {
            path: path.to_owned(),
            source,
        })
}

/// What an API server does on a write: the version must be the one that was read; a new object gets uid and time.
pub(super) fn put<K>(path: &Path, kind: &'static str, mut object: K) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned,
{
    let conflict = |name| Error::Conflict { kind, name };
    let name = object.name_any();
    let stored: Option<K> = read(path)?;
    let meta = object.meta_mut();
    let version = match &stored {
        Some(old) if old.meta().resource_version != meta.resource_version => {
            return Err(conflict(name));
        }
        Some(old) => old
            .meta()
            .resource_version
            .as_deref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0_u64),
        None if meta.resource_version.is_some() => return Err(conflict(name)),
        None => 0,
    };
    meta.resource_version = Some((version + 1).to_string());
    if meta.uid.is_none() {
        meta.uid = Some(uid().map_err(Error::file("read", Path::new(RANDOM)))?);
    }
    if meta.creation_timestamp.is_none() {
        let now = crate::proposal::condition::whole_seconds(super::now());
        meta.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    }
    store(path, &object)?;
    Ok(object)
}

fn store<T: Serialize>(path: &Path, object: &T) -> Result<(), Error> {
    let text = yaml::to_string(object).map_err(|source| Error::Object {
        path: path.to_owned(),
        source,
    })?;
    write::replace(path, text.as_bytes()).map_err(Error::file("write", path))
}

const RANDOM: &str = "/dev/urandom";

/// A random uid in the usual form.
fn uid() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open(RANDOM)?.read_exact(&mut bytes)?;
    // Version 4, variant 1, as RFC 9562 has them.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = crate::config::hex(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    Ok(parts.join("-"))
}
