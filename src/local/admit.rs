//! CORE: decisions on this machine, held to the rules that a cluster's admission holds them to.

use crate::{
    api::{Decision, Proposal},
    names::REASON_INVALID_FINAL_FILE,
    proposal::condition,
};
use jiff::Timestamp;

/// What a person decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The whole file to apply instead of the proposed one.
    pub final_file: Option<String>,
    /// Words for the agent; none: as they are.
    pub notes: Option<String>,
    /// When the grant ends.
    pub expires_at: Option<Timestamp>,
}

/// Why a decision is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not from here to there.
    #[error("{name} is {from:?} and can't become {to:?}: {hint}")]
    Step {
        /// The Proposal.
        name: String,
        /// The decision that stands.
        from: Decision,
        /// The one that was wanted.
        to: Decision,
        /// What to do instead.
        hint: &'static str,
    },
    /// An end in the past.
    #[error("the grant would end at {0}, which is past: give a later time")]
    Past(Timestamp),
}

/// The Proposal with the decision in it, and with who decided and when.
pub fn admit(
    mut proposal: Proposal,
    verdict: Verdict,
    by: &str,
    now: Timestamp,
) -> Result<Proposal, Refused> {
    let name = proposal.metadata.name.clone().unwrap_or_default();
    let correctable = correctable(&proposal);
    let spec = &mut proposal.spec;
    let now = condition::whole_seconds(now);
    let (from, to) = (spec.decision, verdict.decision);
    let refuse = |hint| Refused::Step {
        name,
        from,
        to,
        hint,
    };
    if let Some(at) = verdict.expires_at.filter(|at| *at <= now) {
        return Err(Refused::Past(at));
    }
    match (from, to) {
        (Decision::Pending, Decision::Approved | Decision::Rejected) => {
            spec.decided_by = Some(by.to_owned());
            spec.decided_at = Some(now);
            spec.final_file = verdict
                .final_file
                .filter(|_| to == Decision::Approved)
                .or_else(|| spec.final_file.take());
        }
        // Still in question because of its file: that may be corrected, and the end of a grant may always be moved.
        (Decision::Approved, Decision::Approved) if verdict.final_file.is_none() || correctable => {
            spec.final_file = verdict.final_file.or_else(|| spec.final_file.take());
        }
        (Decision::Approved, Decision::Approved) => {
            return Err(refuse("revoke it; the agent can ask again"));
        }
        (Decision::Approved, Decision::Revoked) => {
            spec.revoked_by = Some(by.to_owned());
            spec.revoked_at = Some(now);
        }
        (Decision::Pending, Decision::Revoked) => return Err(refuse("reject it")),
        (Decision::Approved, Decision::Rejected) => return Err(refuse("revoke it")),
        (_, Decision::Pending) | (Decision::Rejected | Decision::Revoked, _) => {
            return Err(refuse("a decision stands; the agent can ask again"));
        }
    }
    spec.decision = to;
    if let Some(notes) = verdict.notes {
        spec.notes = notes;
    }
    spec.expires_at = verdict.expires_at.or(spec.expires_at);
    Ok(proposal)
}

fn correctable(proposal: &Proposal) -> bool {
    proposal
        .status
        .as_ref()
        .and_then(|status| condition::get(&status.conditions, "Applied"))
        .is_some_and(|applied| applied.reason == REASON_INVALID_FINAL_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ProposalSpec, Tool};

    fn proposal(decision: Decision) -> Proposal {
        let spec = ProposalSpec {
            bottle: "blue".into(),
            bottle_uid: "u".into(),
            tool: Tool::PipelockBlock,
            justification: "because".into(),
            proposed_file: "a.example\n".into(),
            base_file: String::new(),
            decision,
            notes: String::new(),
            final_file: None,
            expires_at: None,
            decided_by: None,
            decided_at: None,
            revoked_by: None,
            revoked_at: None,
        };
        Proposal::new("blue-1", spec)
    }

    fn decide(from: Decision, to: Decision) -> Result<Proposal, Refused> {
        let now = Timestamp::from_second(1_000).unwrap();
        let verdict = Verdict {
            decision: to,
            ..Verdict::default()
        };
        admit(proposal(from), verdict, "rosa", now)
    }

    #[test]
    fn only_legal_steps_are_admitted() {
        use Decision::{Approved, Pending, Rejected, Revoked};
        let legal = [
            (Pending, Approved),
            (Pending, Rejected),
            (Approved, Revoked),
            (Approved, Approved),
        ];
        for from in [Pending, Approved, Rejected, Revoked] {
            for to in [Pending, Approved, Rejected, Revoked] {
                assert_eq!(
                    decide(from, to).is_ok(),
                    legal.contains(&(from, to)),
                    "{from:?} {to:?}"
                );
            }
        }
    }

    #[test]
    fn who_and_when_are_filled_in() {
        let spec = decide(Decision::Pending, Decision::Approved).unwrap().spec;
        assert_eq!(spec.decided_by.as_deref(), Some("rosa"));
        assert_eq!(spec.decided_at, Timestamp::from_second(1_000).ok());
        let spec = decide(Decision::Approved, Decision::Revoked).unwrap().spec;
        assert_eq!(
            (spec.decided_by, spec.revoked_by.as_deref()),
            (None, Some("rosa"))
        );
    }

    #[test]
    fn a_grant_that_stands_keeps_its_file() {
        let now = Timestamp::from_second(1_000).unwrap();
        let verdict = Verdict {
            decision: Decision::Approved,
            final_file: Some("b.example\n".into()),
            ..Verdict::default()
        };
        assert!(admit(proposal(Decision::Approved), verdict.clone(), "rosa", now).is_err());
        let mut open = proposal(Decision::Approved);
        let status = open.status.get_or_insert_default();
        condition::set(
            &mut status.conditions,
            "Applied",
            "False",
            REASON_INVALID_FINAL_FILE,
            "",
            now,
        );
        assert!(admit(open, verdict, "rosa", now).is_ok());
    }

    #[test]
    fn a_grant_can_not_end_in_the_past() {
        let now = Timestamp::from_second(1_000).unwrap();
        let verdict = Verdict {
            decision: Decision::Approved,
            expires_at: Some(now),
            ..Verdict::default()
        };
        assert_eq!(
            admit(proposal(Decision::Pending), verdict, "rosa", now),
            Err(Refused::Past(now))
        );
    }
}
