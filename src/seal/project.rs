//! MCP servers that the workspace brings under the names of ours.
//!
//! In most programs a project's server beats the user's of the same name. A false `supervise` can lie to the agent; it
//! can open nothing, for nothing that it says reaches a person or a proxy.

use super::document::parse;
use crate::config::remarks::{Remark, Word};
use crate::config::seal::{Format, Project, ProjectFile};
use nix::fcntl::OFlag;
use serde_json::{Map, Value};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Larger ones are not looked at.
const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// What a person should know about the workspace's servers.
pub fn look(project: &Project) -> Vec<Remark> {
    let mut said = Vec::new();
    for directory in Path::new(&project.directory).ancestors() {
        for file in &project.files {
            let path = directory.join(&file.path);
            let names = content(&path, file.format)
                .map(|content| names(&content, file))
                .unwrap_or_default();
            for name in names.iter().filter(|name| project.ours.contains(name)) {
                let path = path.display();
                said.push(if project.shielded.contains(name) {
                    let text = format!("{path}: its MCP server {name} loses to the bottle's own");
                    Remark::new(Word::ServerIgnored, text)
                } else {
                    let text = format!(
                        "{path}: its MCP server {name} may stand in front of the bottle's own; it can lie to the \
                         agent and opens nothing: rename it"
                    );
                    Remark::new(Word::Shadowed, text)
                });
            }
        }
    }
    said
}

/// Links are followed, as the program does: what is read has the agent's rights and is not written anywhere.
fn content(path: &Path, format: Format) -> Option<Map<String, Value>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > SIZE_MAX {
        return None;
    }
    let mut text = String::new();
    file.take(SIZE_MAX).read_to_string(&mut text).ok()?;
    // A program may be laxer than its format.
    let format = match format {
        Format::Json => Format::Jsonc,
        other => other,
    };
    parse(format, &text).ok()
}

fn names(content: &Map<String, Value>, file: &ProjectFile) -> Vec<String> {
    match content.get(&file.key) {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|item| Some(item.get("name")?.as_str()?.to_owned()))
            .collect(),
        _ => Vec::new(),
    }
}
