//! Temporary directories and files that remove themselves.

use crate::names::file;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// A path that is removed when it is dropped, with what is in it.
pub struct Temporary(pub PathBuf);

impl Temporary {
    /// An empty directory, for this user only.
    pub fn directory() -> io::Result<Self> {
        for attempt in 0..1000 {
            let name = format!("bot-bottle-demo-{}-{attempt}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Fails when it is there already, whoever made it: nobody can prepare it for us.
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| Self(path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What can't be removed is left to the system, which empties its temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file of its own to edit.
pub struct TemporaryFile(Temporary);

/// An empty file, for this user only.
pub fn temporary_file() -> io::Result<TemporaryFile> {
    Temporary::directory().map(TemporaryFile)
}

impl TemporaryFile {
    /// Where it is; the name tells the editor and the person what it is.
    pub fn path(&self) -> PathBuf {
        self.0.0.join(file::ALLOWLIST)
    }

    /// Replaces the text.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        fs::write(self.path(), text)
    }

    /// The text now.
    pub fn read(&self) -> io::Result<String> {
        fs::read_to_string(self.path())
    }
}
