//! What a proposal changes: read from its files, never from anybody's claim.

use super::{
    change::{Change, ImageChange},
    hosts, images, routes,
    today::{Today, Unfit},
};
use crate::{
    api::{ProposalSpec, Tool},
    config::{
        allowlist::{self, Allowlist},
        dockerfile,
        routes::{self as config_routes, Routes},
        text,
    },
};

/// What a reviewer sees, and what an approval would grant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Review {
    /// The warnings, then what is added and removed.
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
    /// The change doesn't fit what is in force, or what the Bottle declares.
    #[error(transparent)]
    Unfit(Unfit),
}

/// Entries of a change that `change` lists, warnings apart; the rest is counted.
const CHANGE_LINES: usize = 40;
/// Warnings that `change` repeats.
const CHANGE_WARNINGS: usize = 20;
/// Bounds of the schema: characters of a line of `change`, and of a warning.
const CHANGE_WIDTH: usize = 300;
const WARNING_WIDTH: usize = 500;
const WARNINGS: usize = 30;
/// In front of a warning that stands in `change`.
const WARNING: &str = "WARNING: ";

/// What the proposal asks for, as a reviewer reads it. Without `today` (the Bottle itself is not valid) nothing can
/// be compared with what is in force.
pub fn review(spec: &ProposalSpec, today: Option<&Today>) -> Review {
    let diff = diff(spec);
    let (change, warnings) = changes(spec, today);
    Review {
        change,
        diff,
        warnings,
    }
}

/// `change` and `warnings` of a [`Review`].
pub fn changes(spec: &ProposalSpec, today: Option<&Today>) -> (Vec<String>, Vec<String>) {
    let (lines, warnings) = match grant(spec) {
        Ok(Change::Hosts(change)) => (hosts::lines(&change), hosts::warnings(&change, today)),
        Ok(Change::Routes(change)) => (routes::lines(&change), routes::warnings(&change, today)),
        Ok(Change::Image(change)) => (images::lines(&change), images::warnings(&change, today)),
        Err(invalid) => (Vec::new(), vec![invalid.to_string()]),
    };
    let warnings = bounded(&warnings);
    (change(&lines, &warnings), warnings)
}

/// The change that an approval grants: from the file that was in force to the one that a person approved.
///
/// The base is the sidecar's word. It can't be abused: a line or route that it lists falsely is not granted, because
/// only what the final file adds to it is; and what it leaves out is added with its rules checked.
pub fn grant(spec: &ProposalSpec) -> Result<Change, Invalid> {
    let file = final_file(spec);
    match spec.tool {
        Tool::PipelockBlock => {
            let invalid = |error: allowlist::LineError| Invalid::File(error.to_string());
            let base = Allowlist::parse_declared(&spec.base_file).map_err(invalid)?;
            let wanted = Allowlist::parse_proposed(file, &base).map_err(invalid)?;
            Ok(Change::Hosts(allowlist::change(&base, &wanted)))
        }
        Tool::CredProxyBlock => {
            let invalid = |error: config_routes::RoutesError| Invalid::File(error.to_string());
            let base = Routes::parse_declared(&spec.base_file).map_err(invalid)?;
            let wanted = Routes::parse_proposed(file, &base).map_err(invalid)?;
            let mut change = config_routes::change(&base, &wanted);
            // The operator's own: an agent that leaves them out does not mean them.
            change.removed.retain(|route| !route.is_reserved());
            Ok(Change::Routes(change))
        }
        Tool::CapabilityBlock => {
            let read = dockerfile::read(file).map_err(|error| Invalid::File(error.to_string()))?;
            Ok(Change::Image(ImageChange {
                base: spec.base_file.clone(),
                dockerfile: file.to_owned(),
                bases: read.bases,
            }))
        }
    }
}

/// Whether the file can be granted as things stand today.
pub fn valid(spec: &ProposalSpec, today: Option<&Today>) -> Result<(), Invalid> {
    let change = grant(spec)?;
    today.map_or(Ok(()), |today| today.fits(&change).map_err(Invalid::Unfit))
}

/// Whether a person approved something else than was asked.
pub fn modified(spec: &ProposalSpec) -> bool {
    spec.final_file
        .as_deref()
        .is_some_and(|file| file != spec.proposed_file)
}

/// The change in one line: how many warnings there are, and the first lines.
pub fn summary(change: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    const WIDTH: usize = 400;
    let (warnings, lines): (Vec<&str>, Vec<&str>) = change
        .iter()
        .map(String::as_str)
        .partition(|line| line.starts_with(WARNING));
    let warned = match warnings.len() {
        0 => String::new(),
        1 => "WARNING ".to_owned(),
        many => format!("{many} WARNINGS "),
    };
    if lines.is_empty() {
        return (!warned.is_empty()).then(|| warned.trim_end().to_owned());
    }
    let shown = lines[..lines.len().min(SHOWN)].join(", ");
    let text = match lines.len().saturating_sub(SHOWN) {
        0 => format!("{warned}{shown}"),
        rest => format!("{warned}{shown} and {rest} more"),
    };
    Some(text.chars().take(WIDTH).collect())
}

fn final_file(spec: &ProposalSpec) -> &str {
    spec.final_file.as_deref().unwrap_or(&spec.proposed_file)
}

/// Routes are compared as they are written by us: JSON can stand in one line, and escapes can hide what it says.
fn diff(spec: &ProposalSpec) -> Vec<String> {
    let file = final_file(spec);
    if spec.tool == Tool::CredProxyBlock
        && let (Ok(base), Ok(file)) = (
            Routes::parse_declared(&spec.base_file),
            Routes::parse_declared(file),
        )
    {
        return text::diff(&base.render(), &file.render());
    }
    text::diff(&spec.base_file, file)
}

fn change(lines: &[String], warnings: &[String]) -> Vec<String> {
    let warnings = warnings
        .iter()
        .take(CHANGE_WARNINGS)
        .map(|warning| shortened(&format!("{WARNING}{warning}"), CHANGE_WIDTH));
    let shown = lines
        .iter()
        .take(CHANGE_LINES)
        .map(|line| shortened(line, CHANGE_WIDTH));
    let rest = lines.len().saturating_sub(CHANGE_LINES);
    let more = (rest > 0).then(|| format!("and {rest} more: see the diff"));
    warnings.chain(shown).chain(more).collect()
}

fn bounded(warnings: &[String]) -> Vec<String> {
    let rest = warnings.len().saturating_sub(WARNINGS);
    let more = (rest > 0).then(|| format!("and {rest} warnings more: ask for less at a time"));
    warnings
        .iter()
        .take(WARNINGS)
        .map(|warning| shortened(warning, WARNING_WIDTH))
        .chain(more)
        .collect()
}

fn shortened(text: &str, width: usize) -> String {
    match text.char_indices().nth(width - 1) {
        Some((at, letter)) if at + letter.len_utf8() < text.len() => format!("{}…", &text[..at]),
        _ => text.to_owned(),
    }
}
