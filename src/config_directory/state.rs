//! The state directory: `<role>.hash`, the config that each sidecar enforces, and what egress refused last.

use super::{Error, follow};
use crate::api::Denial;
use crate::config::denials;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use tokio::sync::watch;

/// How the names of the files end.
const SUFFIX: &str = ".hash";
/// The file of the last refusals.
const DENIALS: &str = "denials.json";
/// The file of what was said last about the agent's settings.
const REMARKS: &str = "remarks.json";

/// Says that `role` enforces `hash`. A reader sees the old file or the new one, nothing between.
pub fn write_hash(directory: &Path, role: &str, hash: &str) -> Result<(), Error> {
    replace(directory, &format!("{role}{SUFFIX}"), hash)
}

/// Says what egress refused last, newest first.
pub fn write_denials(directory: &Path, denials: &[Denial]) -> Result<(), Error> {
    replace(directory, DENIALS, &denials::render(denials))
}

/// Remembers what was said last about the agent's settings, for as long as the pod lives.
pub fn write_remarks(directory: &Path, lines: &[String]) -> Result<(), Error> {
    // Strings: writing them can't fail.
    let text = serde_json::to_string(lines).unwrap_or_default();
    replace(directory, REMARKS, &text)
}

/// What was said last in this pod; none in a new one.
pub fn read_remarks(directory: &Path) -> Option<Vec<String>> {
    let text = super::read_file(&directory.join(REMARKS)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Writes a file of the directory; a reader sees the old one or the new one, nothing between.
pub(crate) fn replace(directory: &Path, name: &str, content: &str) -> Result<(), Error> {
    let path = directory.join(name);
    // A leading dot and another end: never taken for the file itself.
    let draft = directory.join(format!(".{name}.new"));
    std::fs::write(&draft, content)
        .and_then(|()| std::fs::rename(&draft, &path))
        .map_err(|source| Error::Write { path, source })
}

/// What egress refused last, now and after each change. Must be called in a Tokio runtime; ends when the last
/// receiver is dropped.
pub fn watch_denials(directory: &Path) -> Result<watch::Receiver<Vec<Denial>>, Error> {
    follow(
        directory,
        read_denials,
        "Keeping the old refusals: the new ones can't be read",
    )
}

fn read_denials(directory: &Path) -> Result<Vec<Denial>, Error> {
    match super::read_file(&directory.join(DENIALS)) {
        Ok(text) => Ok(denials::parse(&text)),
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
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
