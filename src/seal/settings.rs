//! The settings fragments, merged into the agent's files at every start.

use super::file::{nothing, settle};
use super::home::{Found, Home, read_at_most, set_aside, write};
use super::merge::Rendered;
use crate::config::remarks::{Remark, Word};
use crate::config::seal::{Format, Fragment};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Largest settings file that is merged into; a larger one is set aside. The largest that we know, Claude Code's state,
/// has some hundred KiB.
const SIZE_MAX: u64 = 16 * 1024 * 1024;

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

/// A settings file as it would be, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Path below HOME.
    pub path: String,
    /// Its text; none: nothing stands there and nothing would.
    pub text: Option<String>,
    /// Whether that isn't what stands there now.
    pub differs: bool,
    /// What was changed, or can't be read.
    pub said: Vec<String>,
}

/// What [`apply`] would write into `home`, or into an empty one; nothing is changed.
pub fn preview(home: Option<&Home>, fragments: &[Fragment]) -> Result<Vec<Preview>, SettingsError> {
    let before = home.map(record).unwrap_or_default();
    let one = |fragment: &Fragment| {
        let path = Path::new(&fragment.path);
        let mut said = Vec::new();
        let found = match home {
            Some(home) if home.has_directories(path)? => {
                read_at_most(&home.root().join(path), SIZE_MAX)?
            }
            _ => Found::Nothing,
        };
        let found = match found {
            Found::File(bytes, _) => Some(bytes),
            Found::Nothing => None,
            Found::Other(why) => {
                said.push(why.to_owned());
                None
            }
        };
        let last = before.get(&fragment.path).cloned().unwrap_or_default();
        let outcome = settle(fragment, found.as_deref(), &last);
        if outcome.broken {
            said.push(broken(fragment.format).to_owned());
        }
        let changed = outcome.changed.iter();
        said.extend(changed.map(|place| format!("{place} was changed")));
        let now = found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Preview {
            path: fragment.path.clone(),
            differs: outcome.text.is_some(),
            text: outcome.text.or(now),
            said,
        })
    };
    let one = |fragment: &Fragment| {
        one(fragment).map_err(|source| SettingsError {
            path: fragment.path.clone(),
            source,
        })
    };
    fragments.iter().map(one).collect()
}

/// Writes a previewed file below another home.
pub fn put(home: &Home, file: &Preview) -> Result<(), SettingsError> {
    let Some(text) = &file.text else {
        return Ok(());
    };
    home.place(Path::new(&file.path), &mut Vec::new())
        .and_then(|path| write(&path, text.as_bytes(), 0o600))
        .map_err(|source| SettingsError {
            path: file.path.clone(),
            source,
        })
}

/// What was rendered into each file at the last start.
fn record(home: &Home) -> BTreeMap<String, Rendered> {
    home.own(RECORD)
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// Merges all fragments; returns what a person should know.
pub fn apply(home: &Home, fragments: &[Fragment]) -> Result<Vec<Remark>, SettingsError> {
    let mut before = record(home);
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
            let _ = one(home, &nothing(path, last.format, &last), &last, &mut said);
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

fn one(
    home: &Home,
    fragment: &Fragment,
    last: &Rendered,
    said: &mut Vec<Remark>,
) -> io::Result<Rendered> {
    let mut say = |word, text| said.push(Remark::new(word, text));
    let name = &fragment.path;
    let mut aside = Vec::new();
    // Nothing is made for a file that stays away.
    let path = home.root().join(name);
    let (found, mode, other) = match look(home, fragment, &mut aside)? {
        Found::Nothing => (None, 0o600, None),
        Found::File(bytes, mode) => (Some(bytes), mode, None),
        Found::Other(why) => (None, 0o600, Some(why)),
    };
    let outcome = settle(fragment, found.as_deref(), last);
    let why = other.or(outcome.broken.then(|| broken(fragment.format)));
    if let Some(why) = why {
        let backup = set_aside(&path)?;
        say(Word::BrokenFile, format!("{name} {why}: kept as {backup}"));
    }
    for place in &outcome.changed {
        let text = format!("{place} in {name} was changed: rendered again");
        say(Word::Drifted, text);
    }
    if let Some(text) = outcome.text {
        let path = home.place(Path::new(name), &mut aside)?;
        write(&path, text.as_bytes(), mode)?;
    }
    for backup in aside {
        let text = format!("a directory of {name} was none: kept as {backup}");
        say(Word::BrokenFile, text);
    }
    Ok(outcome.rendered)
}

/// What stands in the file's place; what stands in the place of one of its directories is set aside.
fn look(home: &Home, fragment: &Fragment, aside: &mut Vec<String>) -> io::Result<Found> {
    let path = Path::new(&fragment.path);
    if !home.has_directories(path)? {
        if fragment
            .merge
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
        {
            return Ok(Found::Nothing);
        }
        home.place(path, aside)?;
    }
    match read_at_most(&home.root().join(path), SIZE_MAX) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Ok(Found::Other("could not be read by the agent's user"))
        }
        found => found,
    }
}

fn broken(format: Format) -> &'static str {
    match format {
        Format::Json => "was no JSON object",
        Format::Jsonc => "was no JSON object, even with comments",
        Format::Toml => "was no TOML",
        Format::Yaml => "was no YAML map",
    }
}
