//! SHELL: the mounted config directory as a stream of consistent snapshots, and the state directory's hashes.
//!
//! Kubernetes mounts a `ConfigMap` as a directory whose files are links through `..data`, itself a link that is
//! swapped when the content changes. All files of one snapshot are read through one resolved `..data`, so they
//! belong together. Elsewhere (a laptop, a test) the directory holds plain files; there the writer replaces files
//! by rename and writes `hash` last. Nothing is polled: the kernel reports changes of the directory.

mod enforce;
mod state;
pub(crate) mod watcher;

#[cfg(test)]
mod tests;

use crate::config::Files;
use crate::names::file;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

pub use enforce::{Enforce, enforce_all};
pub(crate) use state::replace;
pub use state::{
    read_remarks, watch_denials, watch_state, write_denials, write_hash, write_remarks,
};

/// After a failure that no change may follow.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Largest file that is read: what a `ConfigMap` can hold.
const MAX_FILE: u64 = 1 << 20;

/// What the directory said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The files that are enforced, as text; nothing is parsed yet.
    pub files: Files,
    /// `decisions.json`; empty when there is none (queue mode needs none).
    pub decisions: String,
    /// The file `hash`, trimmed; [`Files::hash`] when there is none. This is what a role reports.
    pub hash: String,
}

/// A directory or a file in it can't be used.
#[derive(Debug, Error)]
pub enum Error {
    /// A file can't be read, or is missing.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than anything that the operator writes.
    #[error("{} has over 1 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The kernel won't report changes.
    #[error("can't watch {}", path.display())]
    Watch {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
    /// A hash can't be written.
    #[error("can't write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads the directory once. A swap can take a file away between two opens: then it reads once more.
pub fn read(directory: &Path) -> Result<Snapshot, Error> {
    read_once(directory).or_else(|_| read_once(directory))
}

fn read_once(directory: &Path) -> Result<Snapshot, Error> {
    // The link is followed once, here, so that a swap can't come between two files.
    let data = directory.join("..data");
    let from = match std::fs::read_link(&data) {
        Ok(target) => directory.join(target),
        Err(_) => directory.to_owned(),
    };
    let needed = |name: &str| read_file(&from.join(name));
    let optional = |name: &str| match needed(name) {
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    };
    let files = Files {
        routes: needed(file::ROUTES)?,
        allowlist: needed(file::ALLOWLIST)?,
        dockerfile: needed(file::DOCKERFILE)?,
        egress: needed(file::EGRESS)?,
    };
    let decisions = optional(file::DECISIONS)?.unwrap_or_default();
    let hash = match optional(file::HASH)? {
        Some(text) => text.trim().to_owned(),
        None => files.hash(),
    };
    Ok(Snapshot {
        files,
        decisions,
        hash,
    })
}

fn read_file(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// The directory's snapshot now, and every different one from here on. Fails when the first can't be read; a later
/// one that can't be read is logged, the old one stays, and it is tried again.
///
/// Must be called in a Tokio runtime; the watch ends when the last receiver is dropped.
pub fn watch(directory: &Path) -> Result<watch::Receiver<Snapshot>, Error> {
    follow(
        directory,
        read,
        "Keeping the old config: the new one can't be read",
    )
}

/// What `read` makes of the directory, now and after each change; what can't be read later is logged as `kept`.
fn follow<T: PartialEq + Send + Sync + 'static>(
    directory: &Path,
    read: fn(&Path) -> Result<T, Error>,
    kept: &'static str,
) -> Result<watch::Receiver<T>, Error> {
    // First the watch, then the read: no change is missed between them.
    let mut changes = watcher::Changes::of(directory)?;
    let (sender, receiver) = watch::channel(read(directory)?);
    let directory = directory.to_owned();
    tokio::spawn(async move {
        let mut failed = String::new();
        loop {
            tokio::select! {
                () = changes.next() => {}
                // What hindered it may pass without a word: no file descriptor is free, the disk is broken.
                () = tokio::time::sleep(TRY_AGAIN), if !failed.is_empty() => {}
                () = sender.closed() => return,
            }
            // The files are small and in memory (tmpfs): reading them here holds nobody up.
            match read(&directory) {
                Ok(new) => {
                    failed.clear();
                    sender.send_if_modified(|current| {
                        let differs = *current != new;
                        if differs {
                            *current = new;
                        }
                        differs
                    });
                }
                Err(error) => {
                    let error = crate::telemetry::chain(&error);
                    if error != failed {
                        tracing::warn!(error, "{kept}");
                    }
                    failed = error;
                }
            }
        }
    });
    Ok(receiver)
}
