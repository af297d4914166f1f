//! Whether the agent has its answer, and which one it is owed.

use super::{
    State,
    condition::{self, FALSE, TRUE},
    review,
};
use crate::{
    api::{BuildStage, Proposal, ProposalStatus, Tool},
    config::decisions::{Answer, Decided},
};
use jiff::Timestamp;
use kube::ResourceExt as _;

/// Says in the conditions whether the agent has it.
pub(super) fn answered(
    proposal: &Proposal,
    status: &mut ProposalStatus,
    state: State,
    now: Timestamp,
) {
    if matches!(state, State::New | State::Pending) {
        return;
    }
    let now = condition::whole_seconds(now);
    if unanswered(proposal).is_none() {
        condition::set(
            &mut status.conditions,
            "Answered",
            TRUE,
            "Answered",
            "the agent has the answer",
            now,
        );
    } else {
        let message =
            "the agent gets the answer when it asks again, or at once when its call still waits";
        condition::set(
            &mut status.conditions,
            "Answered",
            FALSE,
            "Waiting",
            message,
            now,
        );
    }
}

/// The question that still has to be answered; a Proposal begins with the first one.
pub fn unanswered(proposal: &Proposal) -> Option<i64> {
    let status = proposal.status.as_ref();
    let sidecar = status.and_then(|status| status.sidecar.as_ref());
    let asked = sidecar.and_then(|one| one.asked).unwrap_or(1);
    let answered = sidecar.and_then(|one| one.answered).unwrap_or(0);
    (answered < asked).then_some(asked)
}

/// The answer that `decisions.json` carries until the sidecar says that it was given.
pub(super) fn owed(proposal: &Proposal, status: &ProposalStatus, state: State) -> Option<Decided> {
    let asked = unanswered(proposal)?;
    let spec = &proposal.spec;
    let message = status.message.clone().unwrap_or_default();
    let with_notes = |message: String| {
        if spec.notes.is_empty() {
            message
        } else {
            format!("{message}: {}", spec.notes)
        }
    };
    let (answer, notes, final_file) = match state {
        State::New | State::Pending | State::Orphaned => return None,
        // An image is in force when the agent runs in it.
        State::Applying
            if spec.tool == Tool::CapabilityBlock
                && status
                    .build
                    .as_ref()
                    .is_none_or(|build| build.stage != BuildStage::Running) =>
        {
            return None;
        }
        State::Applying | State::Enforced if review::modified(spec) => (
            Answer::Modified,
            spec.notes.clone(),
            spec.final_file.clone(),
        ),
        State::Applying | State::Enforced => (Answer::Approved, spec.notes.clone(), None),
        State::Rejected => (Answer::Rejected, spec.notes.clone(), None),
        State::Conflicted | State::Failed | State::Expired | State::Revoked => {
            (Answer::Rejected, with_notes(message), None)
        }
    };
    Some(Decided {
        proposal: proposal.name_any(),
        uid: proposal.uid().unwrap_or_default(),
        asked,
        status: answer,
        notes,
        final_file,
    })
}
