//! The queue's files on disk. Every step leaves a state that the next start understands.

use super::format::{DecisionFile, ProposalFile};
use crate::config::decisions::Decided;
use crate::failpoint::stop_at;
use crate::telemetry::chain;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

const PROPOSAL: &str = ".json";
const DECISION: &str = ".decision.json";
const DRAFT: &str = ".draft";
const ARCHIVE: &str = "archive";

/// A file of the queue can't be used.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The file system said no.
    #[error("can't {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It isn't what `docs/queue.md` states.
    #[error("{} has another format", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// The directory and its `archive/`.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    archive: PathBuf,
}

/// Where a proposal's file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Asked, not answered.
    Open,
    /// Answered.
    Archived,
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> QueueError {
    move |source| QueueError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}

impl Directory {
    /// Creates what isn't there, and removes drafts that a crash left.
    pub fn open(root: &Path) -> Result<Self, QueueError> {
        let archive = root.join(ARCHIVE);
        fs::create_dir_all(&archive).map_err(failed("create", &archive))?;
        let directory = Self {
            root: root.to_owned(),
            archive,
        };
        for name in names(&directory.root)? {
            if name.starts_with('.') && name.ends_with(DRAFT) {
                let _ = fs::remove_file(directory.root.join(name));
            }
        }
        Ok(directory)
    }

    /// The directory to watch.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a proposal that isn't there yet: whoever sees the file sees all of it, after a power cut too.
    pub fn create(&self, proposal: &ProposalFile) -> Result<(), QueueError> {
        let path = self.root.join(format!("{}{PROPOSAL}", proposal.name));
        let draft = self.root.join(format!(".{}{DRAFT}", proposal.name));
        let write = || {
            let mut file = File::create(&draft)?;
            stop_at("queue-draft");
            file.write_all(&serde_json::to_vec_pretty(proposal)?)?;
            file.write_all(b"\n")?;
            stop_at("queue-written");
            file.sync_all()?;
            stop_at("queue-synced");
            fs::rename(&draft, &path)
        };
        write().map_err(failed("write", &path))?;
        stop_at("queue-renamed");
        sync(&self.root)
    }

    /// A proposal and where it stands.
    pub fn proposal(&self, name: &str) -> Result<Option<(ProposalFile, Place)>, QueueError> {
        let file = format!("{name}{PROPOSAL}");
        for (parent, place) in [(&self.root, Place::Open), (&self.archive, Place::Archived)] {
            if let Some(proposal) = read(&parent.join(&file))? {
                return Ok(Some((proposal, place)));
            }
        }
        Ok(None)
    }

    /// The decision on a proposal; one that is not archived yet replaces an archived one (a revocation).
    pub fn decision(&self, name: &str) -> Result<Option<DecisionFile>, QueueError> {
        let file = format!("{name}{DECISION}");
        match read(&self.root.join(&file))? {
            Some(decision) => Ok(Some(decision)),
            None => read(&self.archive.join(&file)),
        }
    }

    /// All decisions on open proposals. One that can't be used is named in the log, and waits to be corrected. One on
    /// an archived proposal is archived: it is read when that is asked again.
    pub fn decisions(&self) -> Result<HashMap<String, Decided>, QueueError> {
        let mut decisions = HashMap::new();
        for file in names(&self.root)? {
            let Some(name) = file
                .strip_suffix(DECISION)
                .filter(|name| !name.starts_with('.'))
            else {
                continue;
            };
            match self.decision_on_open(name) {
                Ok(Some(decided)) => {
                    decisions.insert(name.to_owned(), decided);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    proposal = name,
                    error = chain(&*error),
                    "Can't use a decision"
                ),
            }
        }
        Ok(decisions)
    }

    fn decision_on_open(&self, name: &str) -> Result<Option<Decided>, Box<dyn std::error::Error>> {
        let Some(decision) = self.decision(name)? else {
            return Ok(None);
        };
        match self.proposal(name)? {
            Some((proposal, Place::Open)) => {
                stop_at("queue-decided");
                Ok(Some(decision.decided(name, &proposal.proposed_file)?))
            }
            Some((_, Place::Archived)) => {
                self.archive(name)?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// How many proposals wait for a decision.
    pub fn pending(&self) -> Result<usize, QueueError> {
        let names: HashSet<String> = names(&self.root)?.into_iter().collect();
        let undecided = names.iter().filter(|file| {
            is_proposal(file)
                && file
                    .strip_suffix(PROPOSAL)
                    .is_some_and(|name| !names.contains(&format!("{name}{DECISION}")))
        });
        Ok(undecided.count())
    }

    /// When the proposals that are still there were made. Renaming keeps this time.
    pub fn made(&self) -> Result<Vec<SystemTime>, QueueError> {
        let mut times = Vec::new();
        for parent in [&self.root, &self.archive] {
            for name in names(parent)? {
                if !is_proposal(&name) {
                    continue;
                }
                if let Ok(time) =
                    fs::metadata(parent.join(name)).and_then(|metadata| metadata.modified())
                {
                    times.push(time);
                }
            }
        }
        Ok(times)
    }

    /// Moves an answered proposal and its decision away. The proposal goes first: the other order would leave one that
    /// looks undecided if we stop in between.
    pub fn archive(&self, name: &str) -> Result<(), QueueError> {
        stop_at("queue-answered");
        rename(&self.root, &self.archive, &format!("{name}{PROPOSAL}"))?;
        stop_at("queue-half-archived");
        rename(&self.root, &self.archive, &format!("{name}{DECISION}"))?;
        stop_at("queue-archived");
        sync(&self.archive)?;
        sync(&self.root)
    }

    /// Moves back a proposal that was answered without a decision.
    pub fn reopen(&self, name: &str) -> Result<(), QueueError> {
        rename(&self.archive, &self.root, &format!("{name}{PROPOSAL}"))?;
        sync(&self.root)
    }
}

fn rename(from: &Path, to: &Path, file: &str) -> Result<(), QueueError> {
    let path = from.join(file);
    match fs::rename(&path, to.join(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(failed("move", &path)),
    }
}

fn names(parent: &Path) -> Result<Vec<String>, QueueError> {
    let entries = fs::read_dir(parent).map_err(failed("read", parent))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect())
}

/// Whether it is the name of a proposal's file; drafts begin with a dot.
fn is_proposal(file: &str) -> bool {
    file.ends_with(PROPOSAL) && !file.ends_with(DECISION) && !file.starts_with('.')
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, QueueError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| QueueError::Format {
                    path: path.to_owned(),
                    source,
                })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Makes renames survive a power cut.
fn sync(directory: &Path) -> Result<(), QueueError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(failed("sync", directory))
}
