//! The secrets: one mounted file per NAME, read again by the first request after a change.
//!
//! Each request asks the kernel whether the file is still the one that was read: a watch would tell later, and a
//! request between the change and the word would carry the old credential.

use super::inject::encoded;
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use thiserror::Error;

/// Far above any token, and what fits a request's head.
const MAX_SIZE: u64 = 32 * 1024;
/// A file that changed less than this before it was read is read again next time: its times are too coarse to tell
/// a second change from the first.
const SETTLED: Duration = Duration::from_millis(100);

/// The content of one file. It is shown to nobody by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Forms>);

#[derive(PartialEq, Eq)]
struct Forms {
    text: String,
    encoded: Option<String>,
}

impl Secret {
    /// Of a text that was checked.
    pub(super) fn new(text: &str) -> Self {
        let encoded = Some(encoded(text)).filter(|encoded| encoded != text);
        Self(Arc::new(Forms {
            text: text.to_owned(),
            encoded,
        }))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0.text
    }

    /// The same as it stands in a URL, where that differs.
    pub fn reveal_encoded(&self) -> Option<&str> {
        self.0.encoded.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret can't be used. Nothing of its content is in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// No such file.
    #[error("is missing")]
    Missing,
    /// The kernel says no.
    #[error("can't be read")]
    Unreadable,
    /// Over [`MAX_SIZE`].
    #[error("is too large")]
    TooLarge,
    /// Not UTF-8.
    #[error("is no text")]
    NotText,
    /// Nothing in it, or blanks only.
    #[error("is empty")]
    Empty,
    /// A line end inside, a tab, or the like: it would end the header, or be cut from it.
    #[error("has control characters in it")]
    Control,
}

/// All of them.
pub struct Secrets {
    directory: PathBuf,
    read: Mutex<HashMap<String, Known>>,
}

/// What was read of one file, and how that file looked.
struct Known {
    path: PathBuf,
    look: Option<Look>,
    secret: Result<Secret, Unusable>,
}

impl Known {
    fn none(path: PathBuf) -> Self {
        Self {
            path,
            look: None,
            secret: Err(Unusable::Missing),
        }
    }
}

/// Differs when the content does: a file that was replaced, or written in place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether any later change would show.
    fn is_settled(&self) -> bool {
        #[expect(
            clippy::disallowed_methods,
            reason = "compared with the file's own times, which are of the same clock"
        )]
        let now = std::time::SystemTime::now();
        let (Ok(seconds), Ok(nanos)) =
            (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return false;
        };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
        now.duration_since(changed).is_ok_and(|age| age > SETTLED)
    }
}

impl Secrets {
    /// The files of a directory; none is read yet.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            read: Mutex::default(),
        }
    }

    /// The secret as its file is now. `name` is one that the parser of the routes has checked.
    pub fn get(&self, name: &str) -> Result<Secret, Unusable> {
        // Each entry is replaced as a whole, so what a panic left behind is still right.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if !read.contains_key(name) {
            read.insert(name.to_owned(), Known::none(self.directory.join(name)));
        }
        let Some(known) = read.get_mut(name) else {
            return Err(Unusable::Missing);
        };
        if let Some(look) = known.look
            && std::fs::metadata(&known.path).is_ok_and(|now| Look::of(&now) == look)
        {
            return known.secret.clone();
        }
        let before = known.secret.as_ref().err().copied();
        // A swap of the mount can take a file away between two looks: then it is tried once more.
        let (look, secret) = match load(&known.path) {
            (None, Err(Unusable::Missing)) => load(&known.path),
            loaded => loaded,
        };
        match &secret {
            Err(reason) if before != Some(*reason) => {
                tracing::warn!(name, %reason, "A secret can't be used");
            }
            Ok(now) if known.secret.as_ref().is_ok_and(|old| old != now) => {
                tracing::info!(name, "A secret was replaced");
            }
            _ => {}
        }
        known.look = look.filter(Look::is_settled);
        known.secret = secret;
        known.secret.clone()
    }
}

fn load(path: &Path) -> (Option<Look>, Result<Secret, Unusable>) {
    let unreadable = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Unreadable,
    };
    let opened = File::open(path).and_then(|file| {
        let look = Look::of(&file.metadata()?);
        Ok((file, look))
    });
    let (file, look) = match opened {
        Ok(opened) => opened,
        Err(error) => return (None, Err(unreadable(&error))),
    };
    let mut bytes = Vec::new();
    match file.take(MAX_SIZE + 1).read_to_end(&mut bytes) {
        Ok(_) => (Some(look), check(&bytes)),
        Err(error) => (None, Err(unreadable(&error))),
    }
}

fn check(bytes: &[u8]) -> Result<Secret, Unusable> {
    if bytes.len() as u64 > MAX_SIZE {
        return Err(Unusable::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unusable::NotText)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Unusable::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(Unusable::Control);
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests;
