//! HOME filled from the image's own home: absent files, and those that nobody touched since an older image brought them.

use super::home::{Home, OWN, beside, finish, open};
use super::manifest::{Copied, Manifest, Stamp};
use crate::config::hex;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Deepest directory that is filled.
const DEPTH: usize = 64;

/// What was done; the lists go into the log.
#[derive(Debug, Default)]
pub struct Seeded {
    /// Files and symlinks that are new in HOME.
    pub copied: usize,
    /// Files that the image has changed and nobody else.
    pub updated: usize,
    /// Files that the image has changed, and somebody else too: left as they are.
    pub kept: Vec<String>,
    /// What can't be copied, with the reason.
    pub skipped: Vec<String>,
}

/// A write below HOME failed.
#[derive(Debug, thiserror::Error)]
#[error("could not fill HOME: {path}")]
pub struct SeedError {
    path: String,
    source: io::Error,
}

/// Why there is nothing to fill HOME from; a sentence for the log.
pub fn unusable(image_home: &Path, home: &Home) -> Option<String> {
    let shown = image_home.display();
    let Ok(image) = fs::canonicalize(image_home) else {
        return Some(format!("the image has no home at {shown}"));
    };
    let own = fs::canonicalize(home.root()).unwrap_or_else(|_| home.root().to_owned());
    if image == own {
        return Some(format!("the image's home {shown} is HOME itself"));
    }
    if image == Path::new("/") || own.starts_with(&image) || image.starts_with(&own) {
        return Some(format!(
            "the image's home {shown} holds more than a home: nothing is copied"
        ));
    }
    None
}

/// Fills HOME and keeps the manifest.
pub fn seed(image_home: &Path, home: &Home) -> Result<Seeded, SeedError> {
    let mut walk = Walk {
        home,
        device: fs::metadata(image_home).map_or(0, |meta| meta.dev()),
        manifest: Manifest::load(home),
        done: Seeded::default(),
    };
    walk.directory(image_home, Path::new(""), 0)?;
    walk.manifest.save(home).map_err(|source| SeedError {
        path: format!("{OWN}/manifest.json"),
        source,
    })?;
    Ok(walk.done)
}

struct Walk<'a> {
    home: &'a Home,
    device: u64,
    manifest: Manifest,
    done: Seeded,
}

impl Walk<'_> {
    fn directory(&mut self, from: &Path, below: &Path, depth: usize) -> Result<(), SeedError> {
        let entries = fs::read_dir(from).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut names: Vec<_> = match entries {
            Ok(entries) => entries.iter().map(fs::DirEntry::file_name).collect(),
            Err(error) => {
                self.skip(below, &error);
                return Ok(());
            }
        };
        names.sort();
        for name in names {
            let (from, below) = (from.join(&name), below.join(&name));
            if below == Path::new(OWN) {
                continue;
            }
            self.entry(&from, &below, depth)
                .map_err(|source| SeedError {
                    path: below.display().to_string(),
                    source,
                })??;
        }
        Ok(())
    }

    /// The outer error is about this entry, the inner one about one below it.
    fn entry(
        &mut self,
        from: &Path,
        below: &Path,
        depth: usize,
    ) -> io::Result<Result<(), SeedError>> {
        let to = self.home.root().join(below);
        let meta = match fs::symlink_metadata(from) {
            Ok(meta) => meta,
            Err(error) => {
                self.skip(below, &error);
                return Ok(Ok(()));
            }
        };
        if meta.is_dir() {
            // Another file system is a mount (the workspace, say), not a part of the image.
            if meta.dev() == self.device && depth < DEPTH && make_directory(&to, &meta)? {
                return Ok(self.directory(from, below, depth + 1));
            }
        } else if meta.is_file() {
            self.file(from, &to, below, &meta)?;
        } else if meta.is_symlink() {
            self.link(from, &to, below, &meta)?;
        } else {
            self.done
                .skipped
                .push(format!("{}: no file", below.display()));
        }
        Ok(Ok(()))
    }

    fn file(&mut self, from: &Path, to: &Path, below: &Path, meta: &Metadata) -> io::Result<()> {
        let stamp = Stamp::of(meta);
        let key = below.to_str().map(str::to_owned);
        let last = key
            .as_ref()
            .and_then(|key| self.manifest.files.get(key))
            .cloned();
        let there = match fs::symlink_metadata(to) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let content = match (there, &last) {
            // Deleted since.
            (None, Some(_)) => return Ok(()),
            (Some(found), _) if !found.is_file() => return Ok(()),
            (Some(_), Some(last)) if last.stamp == stamp => return Ok(()),
            (Some(found), None) if found.len() != meta.len() => return Ok(()),
            (None, None) => match self.copy(from, to, below, meta)? {
                Some(content) => {
                    self.done.copied += 1;
                    content
                }
                None => return Ok(()),
            },
            (Some(_), last) => {
                let Some(image) = self.hash(from, below) else {
                    return Ok(());
                };
                let Some(own) = self.hash(to, below) else {
                    return Ok(());
                };
                match last {
                    _ if own == image => image,
                    // It was here before us.
                    None => return Ok(()),
                    // The image's time stamps are new, its content isn't.
                    Some(last) if last.content == image => image,
                    Some(last) if last.content == own => match self.copy(from, to, below, meta)? {
                        Some(content) => {
                            self.done.updated += 1;
                            content
                        }
                        None => return Ok(()),
                    },
                    Some(_) => {
                        self.done.kept.push(below.display().to_string());
                        return Ok(());
                    }
                }
            }
        };
        if let Some(key) = key {
            self.manifest.files.insert(key, Copied { content, stamp });
        }
        Ok(())
    }

    fn link(&mut self, from: &Path, to: &Path, below: &Path, meta: &Metadata) -> io::Result<()> {
        let Ok(target) = fs::read_link(from) else {
            return Ok(());
        };
        let content = format!("-> {}", target.display());
        let stamp = Stamp::of(meta);
        let Some(key) = below.to_str().map(str::to_owned) else {
            return Ok(());
        };
        let last = self.manifest.files.get(&key);
        let there = fs::symlink_metadata(to);
        let untouched = |last: &Copied| {
            let own = fs::read_link(to).map(|own| format!("-> {}", own.display()));
            last.content != content && own.is_ok_and(|own| own == last.content)
        };
        let fresh = match (&there, last) {
            (Err(error), None) => error.kind() == ErrorKind::NotFound,
            (Ok(found), Some(last)) => found.is_symlink() && untouched(last),
            // Deleted since, or here before us.
            (Err(_), Some(_)) | (Ok(_), None) => false,
        };
        if fresh {
            if there.is_ok() {
                fs::remove_file(to)?;
                self.done.updated += 1;
            } else {
                self.done.copied += 1;
            }
            symlink(&target, to)?;
            self.manifest.files.insert(key, Copied { content, stamp });
        }
        Ok(())
    }

    /// Copies a file and returns its hash; none when the image's file can't be read.
    fn copy(
        &mut self,
        from: &Path,
        to: &Path,
        below: &Path,
        meta: &Metadata,
    ) -> io::Result<Option<String>> {
        let mut source = match open(from) {
            Ok(source) => source,
            Err(error) => {
                self.skip(below, &error);
                return Ok(None);
            }
        };
        let (mut out, beside): (File, PathBuf) = beside(to)?;
        let content = digest(&mut source, &mut out)?;
        // No set-user-id bit: it would mean another user here.
        finish(&out, &beside, to, meta.permissions().mode() & 0o777)?;
        Ok(Some(content))
    }

    fn hash(&mut self, path: &Path, below: &Path) -> Option<String> {
        let hash = open(path).and_then(|mut file| digest(&mut file, &mut io::sink()));
        hash.map_err(|error| self.skip(below, &error)).ok()
    }

    fn skip(&mut self, below: &Path, error: &io::Error) {
        self.done
            .skipped
            .push(format!("{}: {error}", below.display()));
    }
}

/// False when something else stands in its place: then what is below is not ours to fill.
fn make_directory(to: &Path, meta: &Metadata) -> io::Result<bool> {
    match fs::symlink_metadata(to) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mode = meta.permissions().mode() & 0o777 | 0o700;
            DirBuilder::new().mode(mode).create(to).map(|()| true)
        }
        Err(error) => Err(error),
    }
}

/// Copies all of `from`, and returns the hash of it.
fn digest(from: &mut File, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}
