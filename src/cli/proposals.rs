//! `bottle proposals`: what agents ask for.

use super::{
    Error,
    backend::Backend,
    output::{self, Format},
    table,
};
use crate::{
    api::{Proposal, ProposalPhase},
    config::text::sanitise,
    local,
};
use kube::ResourceExt as _;
use std::collections::BTreeMap;

/// `bottle proposals`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Stay, and print each proposal when it comes and when it is decided.
    #[arg(short, long)]
    watch: bool,
    /// With --watch: tell the desktop of each new question, too (by notify-send).
    #[arg(long, requires = "watch")]
    notify: bool,
    /// Only those that wait for a decision.
    #[arg(long)]
    pending: bool,
    /// Only those of this Bottle.
    #[arg(long)]
    bottle: Option<String>,
    /// Of every namespace or project.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// json, yaml, name or wide.
    #[arg(short, long)]
    output: Option<Format>,
}

/// Prints Proposals.
pub async fn proposals(backend: &Backend, options: &Options) -> Result<(), Error> {
    let found = wanted(backend, options).await?;
    if options.watch {
        return watch(backend, options).await;
    }
    match options.output {
        Some(format @ (Format::Json | Format::Yaml)) => output::objects(&found, false, format),
        Some(Format::Name) => found.iter().try_for_each(|one| {
            output::line(&format!(
                "proposal.{}/{}",
                crate::names::GROUP,
                one.name_any()
            ))
        }),
        wide => print(backend, &found, wide.is_some()),
    }
}

async fn wanted(backend: &Backend, options: &Options) -> Result<Vec<Proposal>, Error> {
    let mut found = backend.proposals(options.all_namespaces).await?;
    found.retain(|one| {
        let pending = phase(one) == Some(ProposalPhase::Pending);
        let of = options
            .bottle
            .as_ref()
            .is_none_or(|name| *name == one.spec.bottle);
        of && (!options.pending || pending)
    });
    Ok(found)
}

fn phase(proposal: &Proposal) -> Option<ProposalPhase> {
    proposal.status.as_ref().and_then(|status| status.phase)
}

fn print(backend: &Backend, found: &[Proposal], wide: bool) -> Result<(), Error> {
    if found.is_empty() {
        output::note(&format!("no proposals in {}", backend.place()));
        return Ok(());
    }
    let mut head = vec!["NAME", "TOOL", "PHASE", "CHANGE", "BY", "AGE"];
    if wide {
        head.push("JUSTIFICATION");
    }
    let rows: Vec<Vec<String>> = found.iter().map(|one| row(one, wide)).collect();
    table::render(&head, &rows)
        .iter()
        .try_for_each(|line| output::line(line))
}

fn row(proposal: &Proposal, wide: bool) -> Vec<String> {
    let (spec, status) = (&proposal.spec, proposal.status.clone().unwrap_or_default());
    let mut row = vec![
        proposal.name_any(),
        spec.tool.as_str().to_owned(),
        status
            .phase
            .map_or_else(|| "New".into(), |phase| format!("{phase:?}")),
        status.summary.unwrap_or_default(),
        spec.decided_by.clone().unwrap_or_default(),
        output::age(proposal.creation_timestamp().map(|at| at.0), local::now()),
    ];
    if wide {
        row.push(spec.justification.clone());
    }
    row
}

/// Each change of phase, as it comes; until it is interrupted.
async fn watch(backend: &Backend, options: &Options) -> Result<(), Error> {
    let mut known: BTreeMap<String, Option<ProposalPhase>> = BTreeMap::new();
    loop {
        for proposal in wanted(backend, options).await? {
            let name = format!(
                "{}/{}",
                proposal.namespace().unwrap_or_default(),
                proposal.name_any()
            );
            let phase = phase(&proposal);
            // New is the moment before it can be read.
            if phase.is_none() || known.insert(name, phase) == Some(phase) {
                continue;
            }
            output::line(&row(&proposal, false).join("   "))?;
            if phase == Some(ProposalPhase::Pending) {
                let name = proposal.name_any();
                if options.notify {
                    notify(&proposal);
                }
                output::line(&format!(
                    "    bottle diff {name}; bottle approve {name}; bottle reject {name}"
                ))?;
            }
        }
        backend.changed().await?;
    }
}

/// A desktop's own notice. Best effort: what was asked stands on the screen anyway.
fn notify(proposal: &Proposal) {
    let status = proposal.status.clone().unwrap_or_default();
    // The change is the operator's word about the agent's: it is shown as text, never as markup or an option.
    let body = sanitise(&status.summary.unwrap_or_default())
        .replace('&', "&amp;")
        .replace('<', "&lt;");
    let started = std::process::Command::new("notify-send")
        .args(["--app-name=bot-bottle", "--"])
        .arg(format!("bottle {} asks", proposal.spec.bottle))
        .arg(body)
        .stdin(std::process::Stdio::null())
        .spawn();
    match started {
        // Asked for its code, so that it does not stay behind.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(error) => output::note(&format!("notify-send can't be started: {error}")),
    }
}
