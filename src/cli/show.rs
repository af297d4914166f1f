//! `bottle get`.

use super::{
    Error,
    backend::Backend,
    complete,
    kind::{self, Kind, Meant},
    output::{self, Format},
    table,
};
use crate::{
    api::{AgentKind, Bottle, BottleClass},
    local,
    proposal::condition,
};
use clap_complete::ArgValueCandidates;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use std::collections::BTreeMap;

/// `bottle get`.
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// Names of Bottles; none: all. Or a kind and names, as kubectl has it: bottleclasses [NAME…]
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::objects))]
    words: Vec<String>,
    /// Of every namespace or project.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// json, yaml, name or wide.
    #[arg(short, long)]
    output: Option<Format>,
}

/// Prints objects.
pub async fn get(backend: &Backend, options: &Get) -> Result<(), Error> {
    let Meant { kind, names } = kind::meant(&options.words)?;
    let single = names.len() == 1;
    let (wide, all) = (options.output.is_some(), options.all_namespaces);
    match kind {
        Kind::Bottle => {
            let mut found = Vec::new();
            if names.is_empty() {
                found = backend.bottles(all).await?;
            }
            for name in &names {
                found.push(backend.bottle(name).await?);
            }
            if !objects(&found, kind, single, options.output)? {
                print(backend, &found, wide, all)?;
            }
        }
        Kind::Class => {
            let mut found = Vec::new();
            if names.is_empty() {
                found = backend.classes().await?;
            }
            for name in &names {
                found.push(backend.class(name).await?);
            }
            if !objects(&found, kind, single, options.output)? {
                classes(&found, wide)?;
            }
        }
        Kind::ConfigMap => {
            let mut found = Vec::new();
            if names.is_empty() {
                found = backend.config_maps(all).await?;
            }
            for name in &names {
                found.push(backend.config_map(name).await?);
            }
            if !objects(&found, kind, single, options.output)? {
                config_maps(backend, &found, all)?;
            }
        }
    }
    Ok(())
}

/// Prints them as `-o` has it, unless that is a table.
fn objects<K: Resource + Serialize>(
    found: &[K],
    kind: Kind,
    single: bool,
    format: Option<Format>,
) -> Result<bool, Error> {
    match format {
        Some(format @ (Format::Json | Format::Yaml)) => output::objects(found, single, format)?,
        Some(Format::Name) => {
            for one in found {
                output::line(&kind.shown(&one.name_any()))?;
            }
        }
        Some(Format::Wide) | None => return Ok(false),
    }
    Ok(true)
}

fn config_maps(backend: &Backend, found: &[ConfigMap], all: bool) -> Result<(), Error> {
    if found.is_empty() {
        output::note(&format!("no ConfigMaps in {}", backend.place()));
        return Ok(());
    }
    let mut head = vec!["NAME", "DATA", "AGE"];
    if all {
        head.insert(0, "NAMESPACE");
    }
    let row = |map: &ConfigMap| {
        let keys = map.data.as_ref().map_or(0, BTreeMap::len)
            + map.binary_data.as_ref().map_or(0, BTreeMap::len);
        let age = output::age(map.creation_timestamp().map(|at| at.0), local::now());
        let mut row = vec![map.name_any(), keys.to_string(), age];
        if all {
            row.insert(0, map.namespace().unwrap_or_default());
        }
        row
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    table::render(&head, &rows)
        .iter()
        .try_for_each(|line| output::line(line))
}

fn classes(found: &[BottleClass], wide: bool) -> Result<(), Error> {
    if found.is_empty() {
        output::note("no classes; `bottle apply -f FILE` makes one");
        return Ok(());
    }
    let mut head = vec!["NAME", "KIND", "IMAGE", "BOTTLES", "UPDATED", "AGE"];
    if wide {
        head.extend(["ROLLING", "WAITING"]);
    }
    let row = |class: &BottleClass| {
        let status = class.status.clone().unwrap_or_default();
        let agent = &class.spec.agent;
        let kind = agent.kind.map_or("", AgentKind::as_str);
        let mut row = vec![
            class.name_any(),
            kind.to_owned(),
            agent.image.clone().unwrap_or_default(),
            status.bottles.to_string(),
            status.updated.to_string(),
            output::age(class.creation_timestamp().map(|at| at.0), local::now()),
        ];
        if wide {
            row.extend([status.rolling, status.waiting].map(|count| count.to_string()));
        }
        row
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    table::render(&head, &rows)
        .iter()
        .try_for_each(|line| output::line(line))
}

fn print(backend: &Backend, bottles: &[Bottle], wide: bool, all: bool) -> Result<(), Error> {
    if bottles.is_empty() {
        output::note(&format!(
            "no bottles in {}; `bottle apply -f FILE` makes one",
            backend.place()
        ));
        return Ok(());
    }
    let mut head = vec!["NAME", "PHASE", "READY", "PENDING", "KIND", "AGE"];
    if wide {
        head.extend(["REASON", "IMAGE"]);
    }
    if all {
        head.insert(0, "NAMESPACE");
    }
    let rows: Vec<Vec<String>> = bottles
        .iter()
        .map(|bottle| row(bottle, wide, all))
        .collect();
    table::render(&head, &rows)
        .iter()
        .try_for_each(|line| output::line(line))
}

fn row(bottle: &Bottle, wide: bool, all: bool) -> Vec<String> {
    let status = bottle.status.clone().unwrap_or_default();
    let ready = condition::get(&status.conditions, "Ready");
    let kind = bottle.spec.agent.kind.map_or("", AgentKind::as_str);
    let mut row = vec![
        bottle.name_any(),
        status
            .phase
            .map_or_else(|| "Pending".into(), |phase| format!("{phase:?}")),
        ready.map_or_else(|| "Unknown".into(), |ready| ready.status.clone()),
        status.pending_proposals.unwrap_or(0).to_string(),
        kind.to_owned(),
        output::age(bottle.creation_timestamp().map(|at| at.0), local::now()),
    ];
    if wide {
        row.push(ready.map_or_else(String::new, |ready| ready.reason.clone()));
        row.push(status.image.unwrap_or_default());
    }
    if all {
        row.insert(0, bottle.namespace().unwrap_or_default());
    }
    row
}
