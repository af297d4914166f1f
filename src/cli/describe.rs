//! `bottle describe`.

use super::{Error, backend::Backend, complete, output, table};
use crate::config::text::sanitise;
use clap_complete::ArgValueCandidates;
use kube::ResourceExt as _;
use std::fs;

/// `bottle describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the Bottle.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    name: String,
}

/// Events that are shown.
const EVENTS: usize = 20;

/// Prints all about one Bottle.
pub async fn describe(backend: &Backend, options: &Options) -> Result<(), Error> {
    let bottle = backend.bottle(&options.name).await?;
    let status = bottle.status.clone().unwrap_or_default();
    let say = |name: &str, value: &str| output::line(&format!("{name:<13}{}", sanitise(value)));
    say("Name:", &bottle.name_any())?;
    say("Namespace:", &bottle.namespace().unwrap_or_default())?;
    say(
        "Phase:",
        &status
            .phase
            .map_or_else(|| "Pending".into(), |phase| format!("{phase:?}")),
    )?;
    say("Image:", status.image.as_deref().unwrap_or_default())?;
    say("Allowlist:", &bottle.spec.allowlist.join(", "))?;
    if let Backend::Machine(machine) = backend {
        let place = machine.place(&options.name)?;
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
        .filter(|one| one.spec.bottle == options.name)
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
    let events = events(backend, &options.name).await?;
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
