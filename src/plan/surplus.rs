//! Questions that nobody could be shown leave, a few in each plan.

use super::{Action, Plan};
pub(super) use crate::proposal::surplus::sort;
use crate::{
    api::Proposal,
    proposal::{notice::Notice, surplus},
};
use jiff::Timestamp;
use kube::ResourceExt as _;

/// Of other Bottles that had this name, or of none that ever was: whoever has the sidecar's token chooses the uid.
pub(super) fn others<'a>(proposals: &'a [Proposal], uid: &str) -> Vec<&'a Proposal> {
    let mut others: Vec<&Proposal> = proposals
        .iter()
        .filter(|proposal| proposal.spec.bottle_uid != uid)
        .collect();
    others.sort_by_key(|proposal| (proposal.creation_timestamp(), proposal.name_any()));
    others
}

/// Never of one that a person decides meanwhile.
pub fn removal(proposal: &Proposal) -> Action {
    Action::DeleteProposal {
        name: proposal.name_any(),
        uid: proposal.uid().unwrap_or_default(),
        version: proposal.resource_version(),
    }
}

impl Plan {
    /// Removes questions beyond what anybody could be shown, some at a time.
    pub(super) fn remove_surplus(&mut self, surplus: &[&Proposal], now: Timestamp) {
        let there = |one: &&&Proposal| one.metadata.deletion_timestamp.is_none();
        let (due, early): (Vec<&Proposal>, Vec<&Proposal>) = surplus
            .iter()
            .filter(there)
            .partition(|one| surplus::goes_at(one) <= now);
        self.look_again(early.iter().map(|one| surplus::goes_at(one)).min());
        let (going, left) = due.split_at(due.len().min(surplus::AT_ONCE));
        self.actions.extend(going.iter().map(|one| removal(one)));
        if !left.is_empty() {
            self.look_again(Some(now));
        } else if !going.is_empty() {
            self.notify(
                None,
                Notice {
                    warning: true,
                    reason: "QuestionsRemoved",
                    note: surplus::note(),
                },
            );
        }
    }
}
