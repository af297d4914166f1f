//! The settings fragments, merged into the agent's files at every start.

use super::home::{Found, Home, read, set_aside, write};
use super::merge::{Rendered, merge};
use crate::config::seal::{Format, Fragment};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Our record of what was rendered.
const RECORD: &str = "settings.json";

/// A settings file could not be written; the agent isn't started with half of them.
#[derive(Debug, thiserror::Error)]
#[error("could not write the settings file {path} below HOME")]
pub struct SettingsError {
    /// Path below HOME.
    pub path: String,
    /// Why.
    pub source: io::Error,
}

/// Merges all fragments; returns what a person should know.
pub fn apply(home: &Home, fragments: &[Fragment]) -> Result<Vec<String>, SettingsError> {
    let mut before: BTreeMap<String, Rendered> = home
        .own(RECORD)
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let mut said = Vec::new();
    let mut record = BTreeMap::new();
    for fragment in fragments {
        let last = before.remove(&fragment.path).unwrap_or_default();
        let rendered = one(home, fragment, &last, &mut said).map_err(|source| SettingsError {
            path: fragment.path.clone(),
            source,
        })?;
        record.insert(fragment.path.clone(), rendered);
    }
    // Files that we no longer render keep nothing of ours. The record is the agent's to write: its paths are judged
    // like any other, and an error in them is nobody's loss.
    for (path, last) in before {
        if home.root().join(&path).exists() {
            let _ = one(home, &nothing(path, &last), &last, &mut said);
        }
    }
    let text = serde_json::to_vec(&record).unwrap_or_default();
    home.set_own(RECORD, &text)
        .map_err(|source| SettingsError {
            path: format!("{}/{RECORD}", super::home::OWN),
            source,
        })?;
    Ok(said)
}

/// A fragment that renders nothing where `last` rendered something.
fn nothing(path: String, last: &Rendered) -> Fragment {
    let mut entries: Vec<String> = last
        .values
        .keys()
        .filter_map(|pointer| pointer.split('/').nth(1).map(str::to_owned))
        .collect();
    entries.dedup();
    Fragment {
        path,
        format: Format::Json,
        merge: Value::Object(Map::new()),
        entries,
    }
}

fn one(
    home: &Home,
    fragment: &Fragment,
    last: &Rendered,
    said: &mut Vec<String>,
) -> io::Result<Rendered> {
    let Format::Json = fragment.format;
    let mut aside = Vec::new();
    let path: PathBuf = home.place(Path::new(&fragment.path), &mut aside)?;
    for backup in aside {
        said.push(format!(
            "a directory of {} was none: kept as {backup}",
            fragment.path
        ));
    }
    let (content, mode, broken) = match read(&path)? {
        Found::Nothing => (Map::new(), 0o600, false),
        Found::File(bytes, mode) => {
            if let Some(content) = object(&bytes) {
                (content, mode, false)
            } else {
                let backup = set_aside(&path)?;
                said.push(format!(
                    "{} was no JSON object: kept as {backup}",
                    fragment.path
                ));
                (Map::new(), mode, true)
            }
        }
        Found::Other => {
            let backup = set_aside(&path)?;
            said.push(format!(
                "{} was no regular file: kept as {backup}",
                fragment.path
            ));
            (Map::new(), 0o600, true)
        }
    };
    let unchanged = Value::Object(content.clone());
    let merged = merge(content, fragment, last);
    // Of a file that was none, every place would be named.
    for place in merged.changed.iter().filter(|_| !broken) {
        said.push(format!(
            "{place} in {} was changed: rendered again",
            fragment.path
        ));
    }
    if merged.content != unchanged {
        let mut text = serde_json::to_vec_pretty(&merged.content)?;
        text.push(b'\n');
        write(&path, &text, mode)?;
    }
    Ok(merged.rendered)
}

/// The file's object; an empty file is an empty one.
fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some(Map::new());
    }
    serde_json::from_slice(bytes).ok()
}
