//! `bottle diff`, `approve`, `reject`, `revoke`: a person reads and decides.

use super::{Error, backend::Backend, complete, editor, output};
use crate::{
    api::{Decision, Proposal, Tool},
    config::{allowlist::Allowlist, text},
    local::{self, admit::Verdict},
    names::file,
};
use clap_complete::ArgValueCandidates;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use kube::ResourceExt as _;

/// A proposal.
#[derive(Clone, Debug, clap::Args)]
pub struct Named {
    /// Its name, or the first three or more digits of its hash.
    #[arg(add = ArgValueCandidates::new(complete::proposals))]
    pub proposal: String,
}

/// A proposal, and words about it.
#[derive(Clone, Debug, clap::Args)]
pub struct Said {
    #[command(flatten)]
    named: Named,
    /// Words for the agent.
    #[arg(long, short = 'm')]
    notes: Option<String>,
}

/// `bottle approve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Approve {
    #[command(flatten)]
    said: Said,
    /// Change the file in $EDITOR before it is granted.
    #[arg(long, conflicts_with = "file")]
    edit: bool,
    /// Grant this file instead of the proposed one.
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,
    /// End the grant after this time, such as 2h or 7d.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    lifetime: Option<SignedDuration>,
    /// Program that edits a file.
    #[arg(long, env = "EDITOR", default_value = "vi", hide_env_values = true)]
    editor: String,
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text
        .trim()
        .parse()
        .map_err(|_| "write a time such as 90m, 2h or 7d".to_owned())?;
    let days = SpanRelativeTo::days_are_24_hours();
    match span.to_duration(days) {
        Ok(duration) if duration.is_positive() => Ok(duration),
        _ => Err("write a time above zero such as 90m, 2h or 7d".into()),
    }
}

/// `bottle diff`.
pub async fn diff(backend: &Backend, named: &Named) -> Result<(), Error> {
    let proposal = backend.proposal(&named.proposal).await?;
    show(&proposal)
}

/// What a person has to see before they decide.
pub fn show(proposal: &Proposal) -> Result<(), Error> {
    let spec = &proposal.spec;
    let status = proposal.status.clone().unwrap_or_default();
    let state = status
        .phase
        .map_or_else(|| "New".into(), |phase| format!("{phase:?}"));
    output::line(&format!(
        "{}  {}  {state}",
        proposal.name_any(),
        spec.tool.as_str()
    ))?;
    output::line("the agent says:")?;
    for line in spec.justification.lines() {
        output::line(&format!("  {}", text::sanitise(line)))?;
    }
    for warning in &status.warnings {
        output::line(&format!(
            "\x1b[33mwarning:\x1b[0m {}",
            text::sanitise(warning)
        ))?;
    }
    let file = spec.final_file.as_deref().unwrap_or(&spec.proposed_file);
    let lines = if status.diff.is_empty() {
        text::diff(&spec.base_file, file)
    } else {
        status.diff
    };
    for line in lines {
        output::line(&output::diff_line(&line))?;
    }
    if let Some(message) = status.message {
        output::line(&format!("{}: {message}", status.reason.unwrap_or_default()))?;
    }
    Ok(())
}

/// `bottle approve`.
pub async fn approve(backend: &Backend, options: &Approve) -> Result<(), Error> {
    let proposal = backend.proposal(&options.said.named.proposal).await?;
    let spec = &proposal.spec;
    let asked = spec.final_file.as_ref().unwrap_or(&spec.proposed_file);
    let edited = match &options.file {
        Some(path) => Some(
            std::fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))?,
        ),
        None if options.edit => {
            Some(editor::edit(&options.editor, file_name(spec.tool), asked).await?)
        }
        None => None,
    };
    let final_file = edited.filter(|text| *text != spec.proposed_file);
    if let Some(text) = &final_file {
        check(&proposal, text)?;
    }
    let expires_at = options.lifetime.map(end).transpose()?;
    let verdict = Verdict {
        decision: Decision::Approved,
        final_file,
        notes: options.said.notes.clone(),
        expires_at,
    };
    decide(backend, &proposal, verdict, "approved").await
}

fn end(lifetime: SignedDuration) -> Result<Timestamp, Error> {
    let at = local::now().checked_add(lifetime);
    at.map(crate::proposal::condition::whole_seconds)
        .map_err(|_| Error::Usage("--for: that time is too far away".into()))
}

/// A slip is told at once, and not by a condition later.
fn check(proposal: &Proposal, text: &str) -> Result<(), Error> {
    if proposal.spec.tool != Tool::PipelockBlock {
        return Ok(());
    }
    let base = Allowlist::parse_declared(&proposal.spec.base_file).unwrap_or_default();
    match Allowlist::parse_proposed(text, &base) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Refused(format!(
            "the file is no allowlist: {error}; nothing was decided"
        ))),
    }
}

/// `bottle reject`.
pub async fn reject(backend: &Backend, said: &Said) -> Result<(), Error> {
    plain(backend, said, Decision::Rejected, "rejected").await
}

/// `bottle revoke`.
pub async fn revoke(backend: &Backend, said: &Said) -> Result<(), Error> {
    plain(backend, said, Decision::Revoked, "revoked").await
}

async fn plain(
    backend: &Backend,
    said: &Said,
    decision: Decision,
    word: &str,
) -> Result<(), Error> {
    let proposal = backend.proposal(&said.named.proposal).await?;
    let verdict = Verdict {
        decision,
        notes: said.notes.clone(),
        ..Verdict::default()
    };
    decide(backend, &proposal, verdict, word).await
}

async fn decide(
    backend: &Backend,
    proposal: &Proposal,
    verdict: Verdict,
    word: &str,
) -> Result<(), Error> {
    let until = verdict
        .expires_at
        .map(|at| format!(" until {at}"))
        .unwrap_or_default();
    let decided = backend.decide(proposal, verdict).await?;
    output::line(&format!(
        "proposal.{}/{} {word}{until}",
        crate::names::GROUP,
        decided.name_any()
    ))?;
    if let Backend::Machine(machine) = backend
        && !machine.place(&proposal.spec.bottle)?.kept()
    {
        output::note(
            "its bottle does not run now: this takes effect when `bottle apply` starts it again",
        );
    }
    Ok(())
}

/// The name under which the tool's file is edited.
fn file_name(tool: Tool) -> &'static str {
    match tool {
        Tool::PipelockBlock => file::ALLOWLIST,
        Tool::CredProxyBlock => file::ROUTES,
        Tool::CapabilityBlock => file::DOCKERFILE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("2h"), Ok(SignedDuration::from_hours(2)));
        assert_eq!(duration("7d"), Ok(SignedDuration::from_hours(168)));
        for wrong in ["soon", "-2h", "0s", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
