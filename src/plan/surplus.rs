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
        let mut left = surplus.iter().filter(there).peekable();
        if left.peek().is_none() {
            return;
        }
        for one in left.by_ref().take(surplus::AT_ONCE) {
            self.actions.push(removal(one));
        }
        if left.peek().is_some() {
            self.look_again(Some(now));
        } else {
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
