//! What a step leaves in a proposal's status, and what it tells people.

use super::{
    State,
    condition::{self, FALSE, TRUE, UNKNOWN},
    notice::{Facts, Notice, Why},
    review::{self, Invalid},
    today::{Today, Unfit},
};
use crate::api::{ProposalSpec, ProposalStatus};

/// Writes the step to `to` into `status`; the Event that goes with it.
pub(super) fn record(
    spec: &ProposalSpec,
    status: &mut ProposalStatus,
    to: State,
    why: &Why,
    facts: Facts<'_>,
) -> Option<Notice> {
    let now = condition::whole_seconds(facts.now);
    status.phase = to.into();
    status.reason = Some(why.reason.into());
    status.message = Some(why.message.clone());
    if matches!(to, State::Pending | State::Applying) {
        let review = review::review(spec, facts.today);
        status.summary = review::summary(&review.change);
        status.change = review.change;
        status.diff = review.diff;
        status.warnings = review.warnings;
    }
    if to == State::Applying {
        status.applied_sequence.get_or_insert(facts.next_sequence);
        status.applied_at.get_or_insert(now);
    }
    if to.closed() {
        status.closed_at = Some(now);
    }
    let was_applied = status.applied_sequence.is_some();
    for (type_, value, reason, message) in facts_of(spec, to, why, facts.today, was_applied) {
        condition::set(&mut status.conditions, type_, value, reason, &message, now);
    }
    notice(to, status, why)
}

/// A condition before it has a time: type, status, reason, message.
pub(super) type Fact = (&'static str, &'static str, &'static str, String);

/// Whether the file can be granted as things stand; also what a waiting proposal's condition is kept up to date with.
pub(super) fn valid(spec: &ProposalSpec, today: Option<&Today>) -> Fact {
    match review::valid(spec, today) {
        Ok(()) => ("Valid", TRUE, "Valid", "the file can be applied".into()),
        Err(invalid) => {
            let reason = match &invalid {
                Invalid::Unfit(unfit) => unfit_reason(unfit),
                Invalid::File(_) => "Invalid",
            };
            ("Valid", FALSE, reason, invalid.to_string())
        }
    }
}

/// One CamelCase word.
pub(super) fn unfit_reason(unfit: &Unfit) -> &'static str {
    match unfit {
        Unfit::Conflict(_) | Unfit::Dockerfile => "Conflict",
        Unfit::UndeclaredSecret { .. } => "UndeclaredSecret",
        Unfit::SecretHost { .. } => "SecretHost",
        Unfit::NoBuilds(_) => "BuildsNotConfigured",
        Unfit::Base(_) => "BaseNotAllowed",
        Unfit::Instruction(_) => "InstructionNotTaken",
    }
}

fn facts_of(
    spec: &ProposalSpec,
    to: State,
    why: &Why,
    today: Option<&Today>,
    was_applied: bool,
) -> Vec<Fact> {
    let not_applied = || ("Applied", FALSE, why.reason, why.message.clone());
    let ended = || {
        let ended = "no longer part of the effective config";
        vec![not_applied(), ("Enforced", FALSE, why.reason, ended.into())]
    };
    match to {
        State::Pending => vec![valid(spec, today)],
        State::Applying => {
            let applied = "part of the bottle's effective config";
            let waits = "waits for every sidecar to enforce it";
            vec![
                ("Applied", TRUE, "Applied", applied.into()),
                ("Enforced", UNKNOWN, "Waiting", waits.into()),
            ]
        }
        State::Conflicted | State::Failed if was_applied => ended(),
        State::Rejected | State::Conflicted | State::Failed => vec![not_applied()],
        State::Expired | State::Revoked => ended(),
        State::New | State::Enforced | State::Orphaned => Vec::new(),
    }
}

fn notice(to: State, status: &ProposalStatus, why: &Why) -> Option<Notice> {
    let change = status.summary.as_deref().unwrap_or("no change");
    let reason = match to {
        State::Pending => crate::names::NOTICE_PENDING,
        State::Applying => "ProposalApproved",
        State::Rejected => "ProposalRejected",
        State::Conflicted | State::Failed => "ProposalNotApplied",
        State::Expired | State::Revoked => "ProposalEnded",
        // Told where these steps are taken.
        State::New | State::Enforced | State::Orphaned => return None,
    };
    let note = if to == State::Pending {
        format!("asks for {change}; {}", why.message)
    } else {
        format!("{change}: {}", why.message)
    };
    Some(Notice {
        warning: reason == "ProposalNotApplied",
        reason,
        note,
    })
}
