//! Which files of HOME came from the image, and in which version.

use super::home::Home;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

/// Its name in our directory below HOME.
const FILE: &str = "manifest.json";

/// Files by path below HOME.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Each file that was copied, or found equal to the image's.
    pub files: BTreeMap<String, Copied>,
}

/// One file as the image had it when it was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// SHA-256 of a file's content, or `-> target` of a symlink.
    pub content: String,
    /// The image's file then: while it is the same, its content need not be read again.
    pub stamp: Stamp,
}

/// What changes with a file's content. The time of the last status change is in it, because images are often built
/// with every modification time set to the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file in the image.
    pub fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

impl Manifest {
    /// The one in HOME; none, or one that the agent has broken, is an empty one.
    pub fn load(home: &Home) -> Self {
        home.own(FILE)
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Writes it to HOME.
    pub fn save(&self, home: &Home) -> io::Result<()> {
        home.set_own(FILE, &serde_json::to_vec(self)?)
    }
}
