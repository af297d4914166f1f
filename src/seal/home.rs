//! Files below HOME, which the agent has had for itself: nothing found there is followed, and nothing there can hang us.

use nix::fcntl::OFlag;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// Our own directory below HOME.
pub const OWN: &str = ".bottle";

/// Largest file that we read whole.
const READ_MAX: u64 = 64 * 1024 * 1024;

/// What stands at a path.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A regular file: content and permission bits.
    File(Vec<u8>, u32),
    /// A symlink, directory, FIFO, …, or a file too large to be one of ours; what to say about it.
    Other(&'static str),
}

/// HOME.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// HOME at `root`, which must be a directory.
    pub fn open(root: &Path) -> io::Result<Self> {
        if !fs::symlink_metadata(root)?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        let root = root.to_owned();
        Ok(Self { root })
    }

    /// HOME itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute path of a file below HOME, its parent directories made. What stands in a directory's place, a
    /// symlink for one, is set aside and named in `aside`.
    pub fn place(&self, relative: &Path, aside: &mut Vec<String>) -> io::Result<PathBuf> {
        let mut parts = Vec::new();
        for part in relative.components() {
            match part {
                Component::Normal(name) => parts.push(name),
                _ => return Err(ErrorKind::InvalidInput.into()),
            }
        }
        let name = parts.pop().ok_or(ErrorKind::InvalidInput)?;
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => continue,
                Ok(_) => aside.push(set_aside(&path)?),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            DirBuilder::new().mode(0o700).create(&path)?;
        }
        Ok(path.join(name))
    }

    /// Whether all directories of a path below HOME are there, as directories.
    pub fn has_directories(&self, relative: &Path) -> io::Result<bool> {
        let mut path = self.root.clone();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = part else {
                return Err(ErrorKind::InvalidInput.into());
            };
            path.push(name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// A file of our own, if it is there and can be read.
    pub fn own(&self, name: &str) -> Option<Vec<u8>> {
        let directory = self.root.join(OWN);
        if !fs::symlink_metadata(&directory).is_ok_and(|meta| meta.is_dir()) {
            return None;
        }
        match read(&directory.join(name)) {
            Ok(Found::File(content, _)) => Some(content),
            _ => None,
        }
    }

    /// Writes a file of our own.
    pub fn set_own(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut aside = Vec::new();
        let path = self.place(&Path::new(OWN).join(name), &mut aside)?;
        if matches!(read(&path)?, Found::Other(_)) {
            set_aside(&path)?;
        }
        write(&path, content, 0o600)
    }
}

/// Opens a regular file for reading; a symlink or a FIFO is an error and never a wait.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(ErrorKind::InvalidInput.into())
}

/// What stands at `path`.
pub fn read(path: &Path) -> io::Result<Found> {
    read_at_most(path, READ_MAX)
}

/// What stands at `path`, a file only when it has at most that many bytes.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Found> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if !meta.is_file() {
        return Ok(Found::Other("was no regular file"));
    }
    if meta.len() > most {
        return Ok(Found::Other("was too large to be a settings file"));
    }
    let mut content = Vec::new();
    open(path)?.take(most).read_to_end(&mut content)?;
    Ok(Found::File(content, meta.permissions().mode() & 0o777))
}

/// Moves what stands at `path` to the first free name with `.bak`, which is returned.
pub fn set_aside(path: &Path) -> io::Result<String> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let mut number = 0;
    loop {
        let mut backup = name.to_owned();
        backup.push(if number == 0 {
            ".bak".to_owned()
        } else {
            format!(".bak{number}")
        });
        let backup = path.with_file_name(backup);
        number += 1;
        // Someone who breaks a file at every start gets the last backup replaced, not a full disk.
        if number < 10 && fs::symlink_metadata(&backup).is_ok() {
            continue;
        }
        fs::rename(path, &backup)?;
        return Ok(backup.display().to_string());
    }
}

/// Replaces the file at `path` as a whole.
pub fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let (mut file, beside) = beside(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    finish(&file, &beside, path, mode)
}

/// An empty file beside `path`, to be moved there by [`finish`].
pub fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let beside = path.with_file_name(".bottle.new");
    match fs::symlink_metadata(&beside) {
        Ok(meta) if meta.is_dir() => set_aside(&beside).map(drop)?,
        Ok(_) => fs::remove_file(&beside)?,
        Err(_) => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    Ok((file, beside))
}

/// Gives the file its mode and its name. The disk is not waited for: an image's home can have thousands of files.
pub fn finish(file: &File, beside: &Path, path: &Path, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    fs::rename(beside, path)
}
