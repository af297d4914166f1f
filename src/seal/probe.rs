//! `seal probe`: whether an image has what its bottle will run.

use nix::unistd::{AccessFlags, access};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The program that `command` names, found as a shell would.
pub fn find(command: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if command.is_empty() {
        return None;
    }
    if command.contains('/') {
        return executable(Path::new(command)).then(|| command.into());
    }
    std::env::split_paths(path?)
        .map(|directory| directory.join(command))
        .find(|candidate| executable(candidate))
}

/// Whether a program of that name is there at all. A search through `PATH` that meets a directory closed to us ends
/// in "permission denied" though there is nothing to be permitted.
pub fn exists(command: &str, path: Option<&OsStr>) -> bool {
    if command.contains('/') {
        return Path::new(command).exists();
    }
    path.is_some_and(|path| {
        std::env::split_paths(path).any(|directory| directory.join(command).is_file())
    })
}

fn executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}
