//! The ConfigMap of a bottle: what its sidecars read.

use super::{
    fold::Effective,
    instructions, kept,
    metadata::{labels, owner},
    problem::Problem,
    scope::Spec,
};
use crate::{
    api::Bottle,
    config::{
        Files,
        decisions::{Decided, Decisions},
    },
    names,
};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// A ConfigMap holds 1 MiB; the rest is for metadata.
const BYTES_MAX: usize = 900 * 1024;

/// The enforced files.
pub fn files(spec: &Spec, effective: &Effective) -> Result<Files, Problem> {
    let files = Files {
        routes: effective.routes.render(),
        allowlist: effective.allowlist.render(),
        dockerfile: line_ended(&effective.dockerfile),
        egress: pretty(&spec.egress),
    };
    fits(&files, &kept::write(&spec.declared))?;
    Ok(files)
}

/// Whether the files and the declaration can be stored.
pub(super) fn fits(files: &Files, declared: &str) -> Result<(), Problem> {
    let size = files.routes.len()
        + files.allowlist.len()
        + files.dockerfile.len()
        + files.egress.len()
        + declared.len();
    if size > BYTES_MAX {
        Err(Problem::TooLarge(size))
    } else {
        Ok(())
    }
}

/// The ConfigMap with `decisions`, as many of them as fit.
pub fn config_map(bottle: &Bottle, spec: &Spec, files: &Files, decisions: Decisions) -> ConfigMap {
    let mut data = BTreeMap::from([
        (names::file::ROUTES.to_owned(), files.routes.clone()),
        (names::file::ALLOWLIST.to_owned(), files.allowlist.clone()),
        (names::file::DOCKERFILE.to_owned(), files.dockerfile.clone()),
        (names::file::EGRESS.to_owned(), files.egress.clone()),
        (
            names::file::SEAL.to_owned(),
            pretty(&instructions::render(spec)),
        ),
        (names::file::HASH.to_owned(), files.hash()),
        (
            names::file::DECLARED.to_owned(),
            kept::write(&spec.declared),
        ),
    ]);
    add_decisions(&mut data, decisions);
    ConfigMap {
        data: Some(data),
        ..empty_config_map(bottle)
    }
}

/// Puts `decisions` beside the other files, as many of them as fit.
pub(super) fn add_decisions(data: &mut BTreeMap<String, String>, mut decisions: Decisions) {
    data.remove(names::file::DECISIONS);
    let used: usize = data.values().map(String::len).sum();
    decisions.decisions = admit(decisions.decisions, BYTES_MAX.saturating_sub(used));
    data.insert(names::file::DECISIONS.to_owned(), pretty(&decisions));
}

/// The ConfigMap's name, labels and owner.
pub(super) fn empty_config_map(bottle: &Bottle) -> ConfigMap {
    let name = bottle.metadata.name.as_deref().unwrap_or_default();
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(names::object_name(name)),
            namespace: bottle.metadata.namespace.clone(),
            labels: Some(labels(name)),
            owner_references: owner(bottle).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

/// In order, while the whole stays small enough; the rest follows when these are answered.
fn admit(decisions: Vec<Decided>, room: usize) -> Vec<Decided> {
    let mut used = 0;
    let admitted = decisions.into_iter().take_while(|decided| {
        used += pretty(decided).len() + 64;
        used <= room
    });
    admitted.collect()
}

/// As an agent's program writes a file.
fn line_ended(text: &str) -> String {
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

pub(super) fn pretty<T: serde::Serialize>(value: &T) -> String {
    // Our own types have text keys only, so writing them can't fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
