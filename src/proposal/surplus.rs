//! Questions beyond what a reviewer could ever be shown: they are removed unseen.
//!
//! An honest sidecar never has so many, for it is told what is left (`limits`). A stolen token does not ask: without
//! this bound its questions would fill the operator's memory and keep it busy, and other bottles' answers would wait.

use super::{State, condition};
use crate::{
    api::{Decision, Proposal, ProposalPhase},
    config::decisions::Limits,
    names,
};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use kube::ResourceExt as _;

/// Questions of one bottle that are kept though nobody has seen them: those that may be shown next, and twice as many
/// that wait for room.
pub const UNSEEN: usize = 3 * Limits::PENDING as usize;
/// How many one plan removes, so that a flood takes its turn like everybody else.
pub const AT_ONCE: usize = 40;

/// From this size on a question counts as one of the largest: two files of 128 KiB. A base alone may have as many.
const LARGEST: usize = 2 * 128 * 1024;
/// How long one of that size stays, and a smaller one the less.
///
/// etcd keeps what was deleted until it is compacted: the API server does that every five minutes, for what is older than
/// five. Were a question removed at once, a flood would have room for the next in a quota of Proposals, and fill etcd
/// with what is gone already. So as many bytes as a quota has room for come in this time, and not more.
const STAYS: SignedDuration = SignedDuration::from_mins(10);
/// Those that stay go together at such times: people are told each time, and shall not be told each second.
const TOGETHER: SignedDuration = SignedDuration::from_secs(30);

/// Proposals of one bottle, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted<'a> {
    /// Those that count.
    pub kept: Vec<&'a Proposal>,
    /// Those that go.
    pub surplus: Vec<&'a Proposal>,
}

/// Whether nobody has looked at it yet, neither the operator nor a person.
pub fn unseen(proposal: &Proposal) -> bool {
    let phase = proposal.status.as_ref().and_then(|status| status.phase);
    phase.is_none() && proposal.spec.decision == Decision::Pending
}

/// Whether no reviewer has ever been shown it, or could be now.
fn never_shown(proposal: &Proposal) -> bool {
    let status = proposal.status.as_ref();
    let orphaned = status.is_some_and(|status| {
        status.phase == Some(ProposalPhase::Orphaned)
            && condition::get(&status.conditions, "Valid").is_none()
    });
    proposal.spec.decision == Decision::Pending && (unseen(proposal) || orphaned)
}

/// Whether its files are never read again: nothing happens to it any more but its removal.
pub fn over(proposal: &Proposal) -> bool {
    let phase = proposal.status.as_ref().and_then(|status| status.phase);
    State::from(phase).closed()
}

/// Whether its files were left out where it was read: one too many already then. No stored question has an empty file.
fn emptied(proposal: &Proposal) -> bool {
    unseen(proposal) && proposal.spec.proposed_file.is_empty()
}

/// Leaves out the files before a cache holds them.
pub fn leave_out(proposal: &mut Proposal) {
    let size = size(proposal).to_string();
    let annotations = proposal.annotations_mut();
    annotations.insert(names::ANNOTATION_LEFT_OUT.to_owned(), size);
    let spec = &mut proposal.spec;
    spec.proposed_file = String::new();
    spec.base_file = String::new();
    spec.justification = String::new();
    spec.final_file = None;
}

/// Bytes of its files, also of those that were left out.
fn size(proposal: &Proposal) -> usize {
    let left_out = proposal.annotations().get(names::ANNOTATION_LEFT_OUT);
    let left_out = left_out.filter(|_| proposal.spec.proposed_file.is_empty());
    if let Some(size) = left_out.and_then(|size| size.parse().ok()) {
        return size;
    }
    let spec = &proposal.spec;
    spec.proposed_file.len() + spec.base_file.len() + spec.justification.len()
}

/// When one of those that go may go.
pub fn goes_at(proposal: &Proposal) -> Timestamp {
    let Some(made) = proposal.creation_timestamp().map(|made| made.0) else {
        return Timestamp::MIN;
    };
    let parts = size(proposal).min(LARGEST) * 1000 / LARGEST;
    if parts == 0 {
        return made;
    }
    let stays = STAYS * i32::try_from(parts).unwrap_or(1000) / 1000;
    let until = made.saturating_add(stays).unwrap_or(made);
    let rounded = TimestampRound::new()
        .smallest(Unit::Second)
        .increment(TOGETHER.as_secs())
        .mode(RoundMode::Ceil);
    until.round(rounded).unwrap_or(until)
}

/// Keeps the first [`UNSEEN`] of those that nobody was ever shown, and everything that somebody was.
pub fn sort(proposals: Vec<&Proposal>) -> Sorted<'_> {
    let mut kept_unshown = 0;
    let (kept, surplus) = proposals.into_iter().partition(|proposal| {
        if !never_shown(proposal) {
            return true;
        }
        if emptied(proposal) || kept_unshown == UNSEEN {
            return false;
        }
        kept_unshown += 1;
        true
    });
    Sorted { kept, surplus }
}

/// What people are told on the Bottle.
pub fn note() -> String {
    format!(
        "questions beyond {UNSEEN} that nobody could be shown were removed; an honest sidecar never asks so many: \
         somebody may have its token, so delete the pod and look at who can get into it"
    )
}
