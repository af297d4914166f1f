//! Changes that don't fit what is in force, or what the Bottle declares.

use super::{
    Event, State,
    change::Change,
    condition::{self, FALSE},
    images,
    notice::{Facts, Why},
    progress::Progress,
    record, review,
    today::{Today, Unfit},
};
use crate::{
    api::{Decision, Proposal, ProposalSpec, ProposalStatus, Tool},
    names,
};
use jiff::Timestamp;

/// What becomes of an approval that doesn't fit; none: it waits for the Bottle, or for a person's correction.
pub(super) fn approval(spec: &ProposalSpec, unfit: &Unfit) -> Option<(Event, Why)> {
    let why = |reason| Why {
        reason,
        message: unfit.to_string(),
    };
    if let Some(given_up) = given_up(spec) {
        return Some(given_up);
    }
    match unfit {
        Unfit::Conflict(_) | Unfit::Dockerfile => Some((Event::Conflict, why("Conflict"))),
        Unfit::UndeclaredSecret { .. } => None,
        Unfit::SecretHost { .. } | Unfit::Base(_) | Unfit::Instruction(_)
            if spec.final_file.is_some() =>
        {
            None
        }
        Unfit::SecretHost { .. } => Some((Event::Fail, why("SecretHost"))),
        Unfit::NoBuilds(_) => Some((Event::Fail, why("BuildsNotConfigured"))),
        Unfit::Base(_) => Some((Event::Fail, why("BaseNotAllowed"))),
        Unfit::Instruction(_) => Some((Event::Fail, why("InstructionNotTaken"))),
    }
}

/// An approval that a person took back while it could not be applied: there is nothing left to wait for.
pub(super) fn given_up(spec: &ProposalSpec) -> Option<(Event, Why)> {
    let by = spec.revoked_by.as_deref().unwrap_or("somebody");
    let message = format!("revoked by {by} before it could be applied");
    let reason = "Revoked";
    (spec.decision == Decision::Revoked).then_some((Event::Reject, Why { reason, message }))
}

/// A grant that was applied ends when the Bottle has been changed so that it fits no more.
pub(super) fn since(spec: &ProposalSpec, today: Option<&Today>) -> Option<(Event, Why)> {
    let today = today?;
    let unfit = match review::grant(spec).ok()? {
        // Values of the operator that changed since end nothing: what was built stays.
        Change::Image(change) => {
            (!images::same(&change.base, &today.dockerfile)).then_some(Unfit::Dockerfile)?
        }
        change => today.fits(&change).err()?,
    };
    let message = format!("the grant has ended: {unfit}");
    let reason = record::unfit_reason(&unfit);
    Some((Event::Conflict, Why { reason, message }))
}

/// Says of an approval why it is not applied yet.
pub(super) fn waits(
    proposal: &Proposal,
    status: &mut ProposalStatus,
    state: State,
    facts: Facts<'_>,
) {
    if state != State::Pending || proposal.spec.decision != Decision::Approved {
        return;
    }
    let (reason, message) = match review::valid(&proposal.spec, facts.today) {
        Err(review::Invalid::Unfit(
            unfit @ (Unfit::SecretHost { .. } | Unfit::Base(_) | Unfit::Instruction(_)),
        )) => (
            names::REASON_INVALID_FINAL_FILE,
            format!("finalFile can't be applied: {unfit}; correct it with kubectl edit"),
        ),
        Err(review::Invalid::Unfit(unfit)) => (
            record::unfit_reason(&unfit),
            format!("approved, but not applied yet: {unfit}"),
        ),
        Ok(()) if facts.today.is_none() => (
            "InvalidBottle",
            "approved, but not applied while the Bottle is not valid; its condition Ready says what to correct".into(),
        ),
        Ok(()) | Err(_) => return,
    };
    let now = condition::whole_seconds(facts.now);
    condition::set(
        &mut status.conditions,
        "Applied",
        FALSE,
        reason,
        &message,
        now,
    );
    status.reason = Some(reason.into());
    status.message = Some(message);
}

/// Keeps what a reviewer sees of a waiting question true: warnings compare it with what is in force, which others
/// change.
pub fn refresh(proposal: &Proposal, progress: &mut Progress, today: &Today, now: Timestamp) {
    let status = &mut progress.status;
    if State::from(status.phase) != State::Pending || proposal.spec.tool == Tool::PipelockBlock {
        return;
    }
    let now = condition::whole_seconds(now);
    let (type_, value, reason, message) = record::valid(&proposal.spec, Some(today));
    condition::set(&mut status.conditions, type_, value, reason, &message, now);
    let (change, warnings) = review::changes(&proposal.spec, Some(today));
    status.summary = review::summary(&change);
    status.change = change;
    status.warnings = warnings;
}
