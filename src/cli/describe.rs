//! `bottle describe`.

use super::{
    Error,
    backend::Backend,
    complete,
    kind::{self, Kind},
    output, table,
};
use crate::{config::text::sanitise, yaml};
use clap_complete::ArgValueCandidates;
use kube::ResourceExt as _;
use std::fs;

/// `bottle describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the Bottle; or a kind and a name, as kubectl has it: bottleclass NAME
    #[arg(required = true, value_name = "NAME", add = ArgValueCandidates::new(complete::objects))]
    words: Vec<String>,
}

/// Events that are shown.
const EVENTS: usize = 20;

/// Prints all about one object.
pub async fn describe(backend: &Backend, options: &Options) -> Result<(), Error> {
    let (kind, name) = kind::one(&options.words)?;
    match kind {
        Kind::Bottle => bottle(backend, &name).await,
        Kind::Class => class(backend, &name).await,
        Kind::ConfigMap => config_map(backend, &name).await,
    }
}

fn say(name: &str, value: &str) -> Result<(), Error> {
    output::line(&format!("{name:<13}{}", sanitise(value)))
}

/// What it says, and how its bottles are.
async fn class(backend: &Backend, name: &str) -> Result<(), Error> {
    let class = backend.class(name).await?;
    let status = class.status.clone().unwrap_or_default();
    say("Name:", name)?;
    let generation = class.metadata.generation.unwrap_or_default();
    say("Generation:", &generation.to_string())?;
    let counts = format!(
        "{}, of which {} are as this class wants them, {} start anew, {} wait",
        status.bottles, status.updated, status.rolling, status.waiting
    );
    say("Bottles:", &counts)?;
    let bottles = backend.bottles(true).await?;
    let rows: Vec<Vec<String>> = bottles
        .iter()
        .filter(|one| one.spec.class.as_deref() == Some(name))
        .map(|one| {
            let status = one.status.clone().unwrap_or_default();
            let phase = status
                .phase
                .map_or_else(|| "Pending".into(), |phase| format!("{phase:?}"));
            let namespace = one.namespace().unwrap_or_default();
            vec![format!("  {namespace}"), one.name_any(), phase]
        })
        .collect();
    print(&["  NAMESPACE", "NAME", "PHASE"], &rows)?;
    output::line("Spec:")?;
    let spec = yaml::to_string(&class.spec).map_err(|source| Error::Yaml {
        file: "the class".into(),
        source,
    })?;
    spec.lines()
        .try_for_each(|line| output::line(&format!("  {}", sanitise(line))))
}

/// Its keys. What they hold is long, or bytes: `get -o yaml` shows it.
async fn config_map(backend: &Backend, name: &str) -> Result<(), Error> {
    let map = backend.config_map(name).await?;
    say("Name:", name)?;
    say("Namespace:", &map.namespace().unwrap_or_default())?;
    output::line("Data:")?;
    let row = |key: &String, size: usize| vec![format!("  {key}"), size.to_string()];
    let texts = map.data.iter().flatten();
    let bytes = map.binary_data.iter().flatten();
    let rows: Vec<_> = texts
        .map(|(key, text)| row(key, text.len()))
        .chain(bytes.map(|(key, bytes)| row(key, bytes.0.len())))
        .collect();
    print(&["  KEY", "BYTES"], &rows)
}

async fn bottle(backend: &Backend, name: &str) -> Result<(), Error> {
    let bottle = backend.bottle(name).await?;
    let status = bottle.status.clone().unwrap_or_default();
    say("Name:", &bottle.name_any())?;
    say("Namespace:", &bottle.namespace().unwrap_or_default())?;
    say(
        "Phase:",
        &status
            .phase
            .map_or_else(|| "Pending".into(), |phase| format!("{phase:?}")),
    )?;
    say("Image:", status.image.as_deref().unwrap_or_default())?;
    if let Some(class) = &bottle.spec.class {
        say("Class:", class)?;
    }
    say("Allowlist:", &bottle.spec.allowlist.join(", "))?;
    if let Backend::Machine(machine) = backend {
        let place = machine.place(name)?;
        let record = place.record()?;
        say("Runtime:", record.runtime.as_str())?;
        say("Directory:", &place.path("").display().to_string())?;
    }
    output::line("Conditions:")?;
    let rows: Vec<Vec<String>> = status
        .conditions
        .iter()
        .map(|one| {
            vec![
                format!("  {}", one.type_),
                one.status.clone(),
                one.reason.clone(),
                one.message.clone(),
            ]
        })
        .collect();
    print(&["  TYPE", "STATUS", "REASON", "MESSAGE"], &rows)?;
    let proposals = backend.proposals(false).await?;
    let rows: Vec<Vec<String>> = proposals
        .iter()
        .filter(|one| one.spec.bottle == name)
        .map(|one| {
            let status = one.status.clone().unwrap_or_default();
            let phase = status
                .phase
                .map_or_else(String::new, |phase| format!("{phase:?}"));
            vec![
                format!("  {}", one.name_any()),
                phase,
                status.summary.unwrap_or_default(),
                status.message.unwrap_or_default(),
            ]
        })
        .collect();
    output::line("Proposals:")?;
    print(&["  NAME", "PHASE", "CHANGE", "MESSAGE"], &rows)?;
    output::line("Events:")?;
    let events = events(backend, name).await?;
    let last = &events[events.len().saturating_sub(EVENTS)..];
    last.iter()
        .try_for_each(|event| output::line(&format!("  {}", sanitise(event))))
}

fn print(head: &[&str], rows: &[Vec<String>]) -> Result<(), Error> {
    if rows.is_empty() {
        return output::line("  <none>");
    }
    table::render(head, rows)
        .iter()
        .try_for_each(|line| output::line(line))
}

async fn events(backend: &Backend, name: &str) -> Result<Vec<String>, Error> {
    match backend {
        Backend::Cluster(cluster) => cluster.events(name).await,
        Backend::Machine(machine) => {
            let path = machine.place(name)?.path("log/events");
            let text = fs::read_to_string(path).unwrap_or_default();
            Ok(text.lines().map(str::to_owned).collect())
        }
    }
}
