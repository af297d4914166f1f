//! Skills from mounted ConfigMaps, copied to where the agent program looks for them.
//!
//! Copied, not linked: programs differ in whether they follow links. What is no longer there is removed again, what the
//! agent added beside stays.

use super::home::{Found, Home, read, set_aside, write};
use crate::config::remarks::{Remark, Word};
use crate::config::seal::Skill;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Our record of the copied files.
const RECORD: &str = "skills.json";

/// Copies all skills; what went wrong, which never keeps the agent from starting.
pub fn place(skills: &[Skill], home: &Home) -> Vec<Remark> {
    let before: BTreeSet<String> = home
        .own(RECORD)
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    if skills.is_empty() && before.is_empty() {
        return Vec::new();
    }
    let mut placed = BTreeSet::new();
    let mut said = Vec::new();
    for skill in skills {
        let error = match one(skill, home, &mut placed) {
            Ok(files) if files > 0 => continue,
            Ok(_) => "its ConfigMap is missing or empty".to_owned(),
            Err(error) => error.to_string(),
        };
        let text = format!("the skill {} was not placed: {error}", skill.to);
        said.push(Remark::new(Word::SkillNotPlaced, text));
    }
    for gone in before.difference(&placed) {
        let path = Path::new(gone);
        // The record is the agent's to write: nothing outside HOME, and nothing through a link.
        if home.has_directories(path).unwrap_or(false) {
            let _ = fs::remove_file(home.root().join(path));
        }
    }
    let text = serde_json::to_vec(&placed).unwrap_or_default();
    if let Err(error) = home.set_own(RECORD, &text) {
        let text = format!("could not note which skills were placed: {error}");
        said.push(Remark::new(Word::SkillNotPlaced, text));
    }
    said
}

/// Copies one; how many files it has.
fn one(skill: &Skill, home: &Home, placed: &mut BTreeSet<String>) -> io::Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(&skill.from)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with("..")) else {
            continue;
        };
        // A mounted ConfigMap's files are links into its own directory.
        let content = fs::read(Path::new(&skill.from).join(name))?;
        let below = format!("{}/{name}", skill.to);
        let path = home.place(Path::new(&below), &mut Vec::new())?;
        match read(&path)? {
            Found::File(there, _) if there == content => {}
            Found::Other(_) => {
                set_aside(&path)?;
                write(&path, &content, 0o644)?;
            }
            _ => write(&path, &content, 0o644)?,
        }
        placed.insert(below);
        files += 1;
    }
    Ok(files)
}
