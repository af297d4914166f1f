//! Every Proposal of a bottle, one step after the other: each is judged by what the ones before it have made of the
//! declared config.

use crate::{
    api::{Decision, Proposal},
    config::hex,
    proposal::{
        build,
        change::Change,
        lifetimes::Lifetimes,
        limits::Room,
        notice::Facts,
        progress::{self, Grant, Progress},
        today::Today,
        unfit,
    },
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// Names a set of grants of hosts and routes that are in force.
pub fn hash(grants: &[Grant]) -> String {
    let in_force = grants.iter().filter(|grant| grant.in_force());
    let mut sequences: Vec<i64> = in_force
        .filter(|grant| !matches!(grant.change, Change::Image(_)))
        .map(|grant| grant.sequence)
        .collect();
    sequences.sort_unstable();
    let bytes: Vec<u8> = sequences.into_iter().flat_map(i64::to_be_bytes).collect();
    let mut hash = hex(&Sha256::digest(bytes));
    hash.truncate(16);
    hash
}

/// The next state of each of `proposals`, in their order. Without `declared` (the Bottle is not valid) nothing that
/// depends on it is decided. `build` tells what is seen of an image's build.
pub fn progress_all(
    proposals: &[&Proposal],
    declared: Option<&Today>,
    room: &mut Room,
    lifetimes: Lifetimes,
    build: &dyn Fn(&Proposal) -> Option<build::Seen>,
    now: Timestamp,
) -> Vec<Progress> {
    // The first one in the order of asking comes first where there is not room for all.
    let held: Vec<_> = proposals.iter().map(|one| room.admit(one).err()).collect();
    let mut today = declared.cloned();
    let sequence = |one: &Proposal| one.status.as_ref()?.applied_sequence;
    let last = proposals.iter().filter_map(|one| sequence(one)).max();
    let mut next_sequence = last.unwrap_or(0) + 1;
    // What is applied comes in the order of the fold; then what was decided, as `proposals` is ordered; questions last.
    let mut order: Vec<usize> = (0..proposals.len()).collect();
    order.sort_by_key(|at| {
        let proposal = proposals[*at];
        let undecided = proposal.spec.decision == Decision::Pending;
        (undecided, sequence(proposal).unwrap_or(i64::MAX))
    });
    let mut all: Vec<Option<Progress>> = vec![None; proposals.len()];
    for at in order {
        let seen = build(proposals[at]);
        let facts = Facts {
            now,
            next_sequence,
            lifetimes,
            held: held[at],
            today: today.as_ref(),
            build: seen.as_ref(),
        };
        let progress = progress::progress(proposals[at], facts);
        if progress.status.applied_sequence == Some(next_sequence) {
            next_sequence += 1;
        }
        if let (Some(today), Some(grant)) = (&mut today, &progress.grant) {
            today.make(&grant.change);
        }
        all[at] = Some(progress);
    }
    let mut all: Vec<Progress> = all.into_iter().flatten().collect();
    if let Some(today) = &today {
        for (proposal, progress) in proposals.iter().zip(&mut all) {
            unfit::refresh(proposal, progress, today, now);
        }
    }
    all
}
