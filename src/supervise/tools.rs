//! The three tools: what an agent is told about them, and what it may ask; pure.

use super::rpc::{INVALID_PARAMS, RpcError};
use super::view::{Meaning, View};
use crate::config::allowlist::Allowlist;
use crate::config::routes::Routes;
use crate::config::{Files, text};
use crate::names::{file, path};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Largest proposed file. With the file in force and the diff it has to fit into one object of etcd (1.5 MiB).
pub const MAX_FILE: usize = 128 * 1024;
/// How much of it may be new: what a person is asked to read at most.
pub const MAX_NEW: usize = 64 * 1024;
/// Longest justification.
pub const MAX_JUSTIFICATION: usize = 8 * 1024;

/// A tool; each changes one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Changes `routes.json`.
    CredProxyBlock,
    /// Changes the allowlist.
    PipelockBlock,
    /// Changes the Dockerfile.
    CapabilityBlock,
}

/// A valid question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The tool that was called.
    pub tool: Tool,
    /// The whole new file, as it was sent.
    pub file: String,
    /// Why.
    pub justification: String,
    /// What the file means.
    pub meaning: Meaning,
}

impl Tool {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 3] = [
        Self::CredProxyBlock,
        Self::PipelockBlock,
        Self::CapabilityBlock,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::CredProxyBlock => "cred-proxy-block",
            Self::PipelockBlock => "pipelock-block",
            Self::CapabilityBlock => "capability-block",
        }
    }

    /// The argument that carries the file.
    pub fn argument(self) -> &'static str {
        match self {
            Self::CredProxyBlock => "routes",
            Self::PipelockBlock => "allowlist",
            Self::CapabilityBlock => "dockerfile",
        }
    }

    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::CredProxyBlock => file::ROUTES,
            Self::PipelockBlock => file::ALLOWLIST,
            Self::CapabilityBlock => file::DOCKERFILE,
        }
    }

    /// Its file among `files`.
    pub fn file(self, files: &Files) -> &str {
        match self {
            Self::CredProxyBlock => &files.routes,
            Self::PipelockBlock => &files.allowlist,
            Self::CapabilityBlock => &files.dockerfile,
        }
    }

    /// The tool of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Where the agent reads the file in force.
    pub fn current_path(self) -> String {
        format!("{}/{}", path::CURRENT_CONFIG, self.file_name())
    }

    fn when(self) -> &'static str {
        match self {
            Self::CredProxyBlock => {
                "Call this when cred-proxy refuses a request: it has no route for the path, the credential has expired, \
                 or it has the wrong scope."
            }
            Self::PipelockBlock => {
                "Call this when the egress proxy refuses a host that the task needs, for example with HTTP status 403 \
                 and the reason that the host is not on the allowlist."
            }
            Self::CapabilityBlock => {
                "Call this when a program, skill, permission or environment variable that the task needs is missing \
                 from this container's image."
            }
        }
    }

    fn format(self) -> &'static str {
        match self {
            Self::CredProxyBlock => {
                "The complete new routes.json, not only the change: {\"routes\": [{\"path\": \"/github/\", \"upstream\": \
                 \"https://api.github.com\", \"auth\": {\"scheme\": \"Bearer\", \"secret\": \"GITHUB_TOKEN\"}}]}."
            }
            Self::PipelockBlock => {
                "The complete new allowlist, not only the change: one host per line, without scheme, port or path. A \
                 leading dot opens what is below a name, not the name itself. Blank lines and lines that start with # \
                 are skipped."
            }
            Self::CapabilityBlock => {
                "The complete new Dockerfile, not only the change. There are no files beside it: COPY takes --from only, \
                 and ADD an http or https address. Its steps reach the hosts of the allowlist and no others."
            }
        }
    }

    fn effect(self) -> &'static str {
        match self {
            Self::CredProxyBlock => "After an approval cred-proxy serves the new routes at once.",
            Self::PipelockBlock => {
                "After an approval the egress proxy lets the new hosts through at once."
            }
            Self::CapabilityBlock => {
                "After an approval the image is built and this container restarts in it; the workspace stays, and the \
                 session goes on where your program can resume it."
            }
        }
    }

    /// The entry of `tools/list`.
    pub fn describe(self) -> Value {
        let (argument, current) = (self.argument(), self.current_path());
        let description = format!(
            "{} Read the current file at {current}, change what is needed, and send the whole file with a justification. \
             A person reviews the change; the call returns when it is approved and in force, or rejected. {} This can \
             take long: after a time-out or `status: pending`, call again with the same arguments to go on waiting.",
            self.when(),
            self.effect(),
        );
        json!({
            "name": self.name(),
            "description": description,
            "inputSchema": {
                "type": "object",
                "properties": {
                    argument: {"type": "string", "description": format!("{} The current file is {current}.", self.format())},
                    "justification": {
                        "type": "string",
                        "description": "Why the task needs this change, for the person who reviews it.",
                    },
                },
                "required": [argument, "justification"],
                "additionalProperties": false,
            },
        })
    }
}

/// Checks the params of `tools/call`, in the contract's order; the first thing wrong is the answer.
pub fn validate(params: &Value, view: &View) -> Result<Question, RpcError> {
    let refuse = |reason, message: String| RpcError::new(INVALID_PARAMS, message).because(reason);
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| refuse("arguments", "`name` must be a string".to_owned()))?;
    let tool = Tool::named(name).ok_or_else(|| {
        let known = Tool::ALL.map(Tool::name).join(", ");
        refuse(
            "unknown-tool",
            format!("unknown tool; the tools are {known}"),
        )
    })?;
    let refuse = |reason, message: String| refuse(reason, format!("{name}: {message}"));
    let arguments = params
        .get("arguments")
        .and_then(Value::as_object)
        .ok_or_else(|| refuse("arguments", "`arguments` must be an object".to_owned()))?;
    let argument = tool.argument();
    let file = arguments
        .get(argument)
        .and_then(Value::as_str)
        .ok_or_else(|| {
            let message = format!("`{argument}` must be a string: the complete new file");
            refuse("arguments", message)
        })?;
    let justification = arguments
        .get("justification")
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| {
            let message = "`justification` must say why the task needs this change".to_owned();
            refuse("justification", message)
        })?;
    if file.trim().is_empty() {
        let message = format!("`{argument}` is empty; send the complete new file");
        return Err(refuse("empty-file", message));
    }
    check_size(tool, file, justification, view.file(tool))
        .map_err(|message| refuse("size", message))?;
    text::forbidden(file, view.file(tool))
        .map_err(|error| refuse("hidden-character", format!("`{argument}`, {error}")))?;
    text::forbidden(justification, "")
        .map_err(|error| refuse("hidden-character", format!("`justification`, {error}")))?;
    let meaning = check_file(tool, file, view.file(tool))
        .map_err(|message| refuse("invalid-file", message))?;
    Ok(Question {
        tool,
        file: file.to_owned(),
        justification: justification.to_owned(),
        meaning,
    })
}

fn check_size(tool: Tool, file: &str, justification: &str, in_force: &str) -> Result<(), String> {
    let argument = tool.argument();
    if file.len() > MAX_FILE {
        return Err(format!(
            "`{argument}` has {} bytes; at most {MAX_FILE} are accepted. Shorten it",
            file.len()
        ));
    }
    let new = match (
        tool,
        Routes::parse_declared(file),
        Routes::parse_declared(in_force),
    ) {
        // JSON may stand in one line, and then any change would make all of it new.
        (Tool::CredProxyBlock, Ok(file), Ok(in_force)) => {
            new_bytes(&file.render(), &in_force.render())
        }
        _ => new_bytes(file, in_force),
    };
    if new > MAX_NEW {
        return Err(format!(
            "{new} bytes of `{argument}` differ from {}; at most {MAX_NEW} may. Ask for less at a time, in steps",
            tool.current_path()
        ));
    }
    if justification.len() > MAX_JUSTIFICATION {
        return Err(format!(
            "`justification` has {} bytes; at most {MAX_JUSTIFICATION} are accepted. Say it shorter",
            justification.len()
        ));
    }
    Ok(())
}

/// Bytes of the lines of `file` that don't stand in `in_force`; a line that stands there once covers one.
fn new_bytes(file: &str, in_force: &str) -> usize {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for line in in_force.lines() {
        *known.entry(line).or_default() += 1;
    }
    file.lines()
        .filter(|line| match known.get_mut(line) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        })
        .map(|line| line.len() + 1)
        .sum()
}

/// The file's own rules; what it means when it keeps them.
fn check_file(tool: Tool, file: &str, in_force: &str) -> Result<Meaning, String> {
    match tool {
        Tool::PipelockBlock => {
            // A broken file in force exempts nothing; it can only be the operator's mistake, and fails closed.
            let in_force = Allowlist::parse_declared(in_force).unwrap_or_default();
            let allowlist = Allowlist::parse_proposed(file, &in_force)
                .map_err(|error| format!("`allowlist`, {error}"))?;
            Ok(Meaning::of_allowlist(&allowlist))
        }
        Tool::CredProxyBlock => {
            let in_force = Routes::parse_declared(in_force).unwrap_or_default();
            let routes = Routes::parse_proposed(file, &in_force)
                .map_err(|error| format!("`routes`: {error}"))?;
            Ok(Meaning::of_routes(&routes))
        }
        Tool::CapabilityBlock => Ok(Meaning::of_dockerfile(file)),
    }
}

#[cfg(test)]
mod tests;
