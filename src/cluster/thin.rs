//! Leaves out, before a cache holds them, files that are never read: those of closed Proposals, which are kept for a
//! month, and of questions that will be removed unseen. A flood of the largest would fill the memory otherwise.

use super::index::OfBottle as _;
use crate::{api::Proposal, proposal::surplus};
use kube::{core::DeserializeGuard, runtime::watcher::Event};
use std::collections::{HashMap, HashSet};

type Guarded = DeserializeGuard<Proposal>;

/// Whole questions that nobody has seen, by bottle: as many as are kept, and those that may be shown meanwhile.
const WHOLE: usize = 2 * surplus::UNSEEN;

/// The unseen questions that were passed on whole.
#[derive(Debug, Default)]
pub struct Thin {
    whole: HashMap<(String, String), HashSet<String>>,
}

impl Thin {
    /// The event as the cache gets it.
    pub fn thin(&mut self, event: Event<Guarded>) -> Event<Guarded> {
        match event {
            // What is not named by the list is gone.
            Event::Init => {
                self.whole.clear();
                Event::Init
            }
            Event::InitApply(object) => Event::InitApply(self.one(object)),
            Event::Apply(object) => Event::Apply(self.one(object)),
            Event::Delete(object) => {
                self.forget(&object);
                Event::Delete(object)
            }
            Event::InitDone => Event::InitDone,
        }
    }

    fn one(&mut self, mut object: Guarded) -> Guarded {
        let Some((bottle, name)) = object.key() else {
            return object;
        };
        let Ok(proposal) = &mut object.0 else {
            return object;
        };
        if !surplus::unseen(proposal) {
            if surplus::over(proposal) {
                surplus::leave_out(proposal);
            }
            self.forget(&object);
            return object;
        }
        let whole = self.whole.entry(bottle).or_default();
        if whole.len() < WHOLE || whole.contains(&name) {
            whole.insert(name);
        } else {
            surplus::leave_out(proposal);
        }
        object
    }

    fn forget(&mut self, object: &Guarded) {
        let Some((bottle, name)) = object.key() else {
            return;
        };
        if let Some(whole) = self.whole.get_mut(&bottle) {
            whole.remove(&name);
            if whole.is_empty() {
                self.whole.remove(&bottle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Guarded, Thin, WHOLE};
    use crate::api::{Decision, Proposal, ProposalPhase};
    use kube::{core::DeserializeGuard, runtime::watcher::Event};
    use serde_json::json;

    fn question(bottle: &str, number: usize) -> Proposal {
        serde_json::from_value(json!({
            "apiVersion": "bot-bottle.dev/v1alpha1",
            "kind": "Proposal",
            "metadata": {"name": format!("{bottle}-{number}"), "namespace": "garden"},
            "spec": {"bottle": bottle, "bottleUID": "u", "tool": "pipelock-block", "proposedFile": "a.example\n", "justification": "j"},
        }))
        .unwrap()
    }

    fn apply(thin: &mut Thin, proposal: Proposal) -> bool {
        let Event::Apply(Guarded { 0: Ok(proposal) }) =
            thin.thin(Event::Apply(DeserializeGuard(Ok(proposal))))
        else {
            panic!("another event")
        };
        !proposal.spec.proposed_file.is_empty()
    }

    #[test]
    fn a_flood_of_one_bottle_is_emptied_and_another_bottles_question_is_not() {
        let mut thin = Thin::default();
        for number in 0..WHOLE {
            assert!(apply(&mut thin, question("blue", number)), "{number}");
        }
        assert!(!apply(&mut thin, question("blue", WHOLE)));
        assert!(apply(&mut thin, question("blue", 0)), "it was whole before");
        assert!(apply(&mut thin, question("red", 0)));
    }

    #[test]
    fn what_is_closed_keeps_no_files_and_what_is_in_force_does() {
        let mut thin = Thin::default();
        for (phase, whole) in [
            (ProposalPhase::Pending, true),
            (ProposalPhase::Applying, true),
            (ProposalPhase::Enforced, true),
            (ProposalPhase::Rejected, false),
            (ProposalPhase::Expired, false),
            (ProposalPhase::Orphaned, false),
        ] {
            let mut proposal = question("blue", 0);
            proposal.status.get_or_insert_default().phase = Some(phase);
            assert_eq!(apply(&mut thin, proposal), whole, "{phase:?}");
        }
    }

    #[test]
    fn what_a_person_has_decided_is_whole_and_makes_room_as_a_deletion_does() {
        let mut thin = Thin::default();
        for number in 0..=WHOLE {
            apply(&mut thin, question("blue", number));
        }
        let mut decided = question("blue", WHOLE);
        decided.spec.decision = Decision::Approved;
        assert!(apply(&mut thin, decided));
        let mut rejected = question("blue", 0);
        rejected.spec.decision = Decision::Rejected;
        assert!(apply(&mut thin, rejected));
        assert!(apply(&mut thin, question("blue", WHOLE + 1)));
        assert!(!apply(&mut thin, question("blue", WHOLE + 2)));
        let _ = thin.thin(Event::Delete(DeserializeGuard(Ok(question("blue", 1)))));
        assert!(apply(&mut thin, question("blue", WHOLE + 2)));
    }
}
