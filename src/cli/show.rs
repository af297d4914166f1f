//! `bottle get`.

use super::{
    Error,
    backend::Backend,
    complete,
    output::{self, Format},
    table,
};
use crate::{api::Bottle, local, proposal::condition};
use clap_complete::ArgValueCandidates;
use kube::ResourceExt as _;

/// `bottle get`.
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// Names of Bottles; none: all.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    names: Vec<String>,
    /// Of every namespace or project.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// json, yaml, name or wide.
    #[arg(short, long)]
    output: Option<Format>,
}

/// Prints Bottles.
pub async fn get(backend: &Backend, options: &Get) -> Result<(), Error> {
    let mut bottles = Vec::new();
    if options.names.is_empty() {
        bottles = backend.bottles(options.all_namespaces).await?;
    }
    for name in &options.names {
        bottles.push(backend.bottle(name).await?);
    }
    match options.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            output::objects(&bottles, options.names.len() == 1, format)
        }
        Some(Format::Name) => {
            for bottle in &bottles {
                output::line(&format!(
                    "bottle.{}/{}",
                    crate::names::GROUP,
                    bottle.name_any()
                ))?;
            }
            Ok(())
        }
        wide => print(backend, &bottles, wide.is_some(), options.all_namespaces),
    }
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
    let kind = bottle
        .spec
        .agent
        .kind
        .map_or("", crate::api::AgentKind::as_str);
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
