//! `<role>.hash` in the state directory: the config that each sidecar enforces.

use super::{Error, follow};
use std::collections::BTreeMap;
use std::path::Path;
use tokio::sync::watch;

/// How the names of the files end.
const SUFFIX: &str = ".hash";

/// Says that `role` enforces `hash`. A reader sees the old file or the new one, nothing between.
pub fn write_hash(directory: &Path, role: &str, hash: &str) -> Result<(), Error> {
    let path = directory.join(format!("{role}{SUFFIX}"));
    // A leading dot and another end: never taken for a role's file.
    let draft = directory.join(format!(".{role}{SUFFIX}.new"));
    std::fs::write(&draft, hash)
        .and_then(|()| std::fs::rename(&draft, &path))
        .map_err(|source| Error::Write { path, source })
}

/// The hashes by role, now and after each change. Must be called in a Tokio runtime; ends when the last receiver is
/// dropped.
pub fn watch_state(directory: &Path) -> Result<watch::Receiver<BTreeMap<String, String>>, Error> {
    follow(
        directory,
        read_hashes,
        "Keeping the old hashes: the new ones can't be read",
    )
}

fn read_hashes(directory: &Path) -> Result<BTreeMap<String, String>, Error> {
    let entries = std::fs::read_dir(directory).map_err(|source| Error::Read {
        path: directory.to_owned(),
        source,
    })?;
    let mut hashes = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let role = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        let Some(role) = role.filter(|role| !role.starts_with('.')) else {
            continue;
        };
        hashes.insert(
            role.to_owned(),
            super::read_file(&entry.path())?.trim().to_owned(),
        );
    }
    Ok(hashes)
}
