//! What a proposal changes: read from its files, never from anybody's claim.

use crate::{
    api::{ProposalSpec, Tool},
    config::{
        allowlist::{self, Allowlist, AllowlistChange},
        text,
    },
};

/// What a reviewer sees, and what an approval would grant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Review {
    /// `+host`, `-host`.
    pub change: Vec<String>,
    /// Line by line against the base.
    pub diff: Vec<String>,
    /// What must not be missed.
    pub warnings: Vec<String>,
}

/// Why a file can't be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The file breaks a rule of its format.
    #[error("{0}")]
    File(String),
    /// The tool's changes are not applied by this version.
    #[error("this version does not apply changes of {0} yet")]
    Unsupported(&'static str),
}

/// Entries of a change that `change` lists; the rest is counted.
const CHANGE_LINES: usize = 60;

/// What the proposal asks for, as a reviewer reads it.
pub fn review(spec: &ProposalSpec) -> Review {
    let file = spec.final_file.as_deref().unwrap_or(&spec.proposed_file);
    let diff = text::diff(&spec.base_file, file);
    match spec.tool {
        Tool::PipelockBlock => match grant(spec) {
            Ok(grant) => Review {
                change: lines(&grant),
                diff,
                warnings: warnings(&grant),
            },
            Err(invalid) => Review {
                diff,
                warnings: vec![invalid.to_string()],
                ..Review::default()
            },
        },
        Tool::CredProxyBlock | Tool::CapabilityBlock => Review {
            change: counted(&diff),
            diff,
            warnings: Vec::new(),
        },
    }
}

/// The change that an approval grants: from the file that was in force to the one that a person approved.
///
/// The base is the sidecar's word. It can't be abused: a line that it lists falsely is not granted, because only
/// what the final file adds to it is.
pub fn grant(spec: &ProposalSpec) -> Result<AllowlistChange, Invalid> {
    match spec.tool {
        Tool::PipelockBlock => {}
        Tool::CredProxyBlock | Tool::CapabilityBlock => {
            return Err(Invalid::Unsupported(spec.tool.as_str()));
        }
    }
    let invalid = |error: crate::config::allowlist::LineError| Invalid::File(error.to_string());
    let base = Allowlist::parse_declared(&spec.base_file).map_err(invalid)?;
    let file = spec.final_file.as_deref().unwrap_or(&spec.proposed_file);
    let wanted = Allowlist::parse_proposed(file, &base).map_err(invalid)?;
    Ok(allowlist::change(&base, &wanted))
}

/// Whether a person approved something else than was asked.
pub fn modified(spec: &ProposalSpec) -> bool {
    spec.final_file
        .as_deref()
        .is_some_and(|file| file != spec.proposed_file)
}

/// The change in one line of at most about a hundred characters.
pub fn summary(change: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    if change.is_empty() {
        return None;
    }
    let shown = change[..change.len().min(SHOWN)].join(", ");
    let mut text = match change.len().saturating_sub(SHOWN) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    };
    text.truncate(
        text.char_indices()
            .nth(400)
            .map_or(text.len(), |(at, _)| at),
    );
    Some(text)
}

fn lines(change: &AllowlistChange) -> Vec<String> {
    let added = change.added.iter().map(|host| format!("+{host}"));
    let removed = change.removed.iter().map(|host| format!("-{host}"));
    let all: Vec<String> = added.chain(removed).collect();
    let rest = all.len().saturating_sub(CHANGE_LINES);
    let mut lines: Vec<String> = all.into_iter().take(CHANGE_LINES).collect();
    if rest > 0 {
        lines.push(format!("and {rest} more: see the diff"));
    }
    lines
}

fn warnings(change: &AllowlistChange) -> Vec<String> {
    let suffixes = change.added.iter().filter(|host| host.starts_with('.')).map(|host| {
        format!("{host} opens every name below it; whoever controls that zone's DNS can read what the agent asks for")
    });
    let removals = (!change.removed.is_empty()).then(|| {
        format!(
            "this takes {} host(s) away: {}",
            change.removed.len(),
            change.removed.join(", ")
        )
    });
    suffixes
        .chain(removals)
        .map(|text| text.chars().take(500).collect())
        .take(30)
        .collect()
}

fn counted(diff: &[String]) -> Vec<String> {
    let count = |sign: char| diff.iter().filter(|line| line.starts_with(sign)).count();
    vec![
        format!("+{} lines", count('+')),
        format!("-{} lines", count('-')),
    ]
}
