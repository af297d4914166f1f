//! CORE: a proposal's life. [`step`] is the whole table; [`review`] reads the files; [`progress`] drives one proposal.

pub mod answering;
pub mod build;
pub mod change;
pub mod condition;
mod hosts;
pub mod images;
pub mod lifetimes;
pub mod limits;
mod look_alike;
pub mod notice;
pub mod progress;
mod record;
pub mod review;
mod routes;
pub mod surplus;
pub mod today;
pub mod unfit;

use crate::api::ProposalPhase;

/// Where a proposal stands; [`State::New`] before the operator saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Created, not looked at.
    New,
    /// Waits for a person.
    Pending,
    /// Part of the effective config, not yet enforced by every sidecar.
    Applying,
    /// In force.
    Enforced,
    /// A person said no.
    Rejected,
    /// What it was about has changed since.
    Conflicted,
    /// It can't be applied.
    Failed,
    /// The time of the grant, or of the question, is over.
    Expired,
    /// The grant was taken back.
    Revoked,
    /// Its Bottle is gone.
    Orphaned,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The operator read the question.
    Seen,
    /// A person approved, and the change can be applied.
    Approve,
    /// A person approved what no longer fits, or it no longer fits what was declared since.
    Conflict,
    /// A person approved what can't be applied, as it turns out at once or while it is tried.
    Fail,
    /// A person rejected.
    Reject,
    /// Every sidecar enforces a config that holds the grant.
    Enforce,
    /// A person took the grant back.
    Revoke,
    /// `expiresAt` has passed; for a question, `pendingTTL`.
    Expire,
    /// The Bottle with this uid is gone.
    LoseBottle,
}

/// Where an event leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The new state.
    pub to: State,
    /// Whether the grant is part of the effective config from now on.
    pub granted: bool,
}

/// The event means nothing in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} means nothing for a proposal that is {state:?}")]
pub struct Refused {
    /// The state.
    pub state: State,
    /// The event.
    pub event: Event,
}

/// The table of a proposal's life. Every pair of state and event is named; applying an event twice is refused, so
/// nothing is applied twice.
pub fn step(state: State, event: Event) -> Result<Transition, Refused> {
    use Event as E;
    use State as S;
    let to = |to: S, granted: bool| Ok(Transition { to, granted });
    match (state, event) {
        // The question becomes visible to reviewers, once.
        (S::New, E::Seen) => to(S::Pending, false),
        // A person decides; an approval becomes part of the config before anybody enforces it.
        (S::Pending, E::Approve) => to(S::Applying, true),
        // Of a grant: what it was about was declared otherwise since, and the Bottle's word is the newer one.
        (S::Pending | S::Applying | S::Enforced, E::Conflict) => to(S::Conflicted, false),
        // Of a grant: an approved Dockerfile that can't be built, or whose image can't run.
        (S::Pending | S::Applying, E::Fail) => to(S::Failed, false),
        (S::Pending, E::Reject) => to(S::Rejected, false),
        // Enforcement is the sidecars' word, not ours.
        (S::Applying, E::Enforce) => to(S::Enforced, true),
        // A grant ends: the hole closes at once, enforced or not.
        (S::Applying | S::Enforced, E::Revoke) => to(S::Revoked, false),
        // For a question: nobody decided in time.
        (S::Pending | S::Applying | S::Enforced, E::Expire) => to(S::Expired, false),
        // The trail outlives the Bottle; what is closed already stays as it was closed.
        (S::New | S::Pending | S::Applying | S::Enforced, E::LoseBottle) => to(S::Orphaned, false),
        (
            S::New,
            E::Approve | E::Conflict | E::Fail | E::Reject | E::Enforce | E::Revoke | E::Expire,
        )
        | (S::Pending, E::Seen | E::Enforce | E::Revoke)
        | (S::Applying, E::Seen | E::Approve | E::Reject)
        | (S::Enforced, E::Seen | E::Approve | E::Fail | E::Reject | E::Enforce)
        | (
            S::Rejected | S::Conflicted | S::Failed | S::Expired | S::Revoked | S::Orphaned,
            E::Seen
            | E::Approve
            | E::Conflict
            | E::Fail
            | E::Reject
            | E::Enforce
            | E::Revoke
            | E::Expire
            | E::LoseBottle,
        ) => Err(Refused { state, event }),
    }
}

impl State {
    /// Whether a proposal in this state is part of the effective config.
    pub fn granted(self) -> bool {
        matches!(self, Self::Applying | Self::Enforced)
    }

    /// Whether nothing will happen to it any more.
    pub fn closed(self) -> bool {
        !matches!(
            self,
            Self::New | Self::Pending | Self::Applying | Self::Enforced
        )
    }
}

impl From<Option<ProposalPhase>> for State {
    fn from(phase: Option<ProposalPhase>) -> Self {
        match phase {
            None => Self::New,
            Some(ProposalPhase::Pending) => Self::Pending,
            Some(ProposalPhase::Applying) => Self::Applying,
            Some(ProposalPhase::Enforced) => Self::Enforced,
            Some(ProposalPhase::Rejected) => Self::Rejected,
            Some(ProposalPhase::Conflicted) => Self::Conflicted,
            Some(ProposalPhase::Failed) => Self::Failed,
            Some(ProposalPhase::Expired) => Self::Expired,
            Some(ProposalPhase::Revoked) => Self::Revoked,
            Some(ProposalPhase::Orphaned) => Self::Orphaned,
        }
    }
}

impl From<State> for Option<ProposalPhase> {
    fn from(state: State) -> Self {
        match state {
            State::New => None,
            State::Pending => Some(ProposalPhase::Pending),
            State::Applying => Some(ProposalPhase::Applying),
            State::Enforced => Some(ProposalPhase::Enforced),
            State::Rejected => Some(ProposalPhase::Rejected),
            State::Conflicted => Some(ProposalPhase::Conflicted),
            State::Failed => Some(ProposalPhase::Failed),
            State::Expired => Some(ProposalPhase::Expired),
            State::Revoked => Some(ProposalPhase::Revoked),
            State::Orphaned => Some(ProposalPhase::Orphaned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 10] = [
        State::New,
        State::Pending,
        State::Applying,
        State::Enforced,
        State::Rejected,
        State::Conflicted,
        State::Failed,
        State::Expired,
        State::Revoked,
        State::Orphaned,
    ];
    const EVENTS: [Event; 9] = [
        Event::Seen,
        Event::Approve,
        Event::Conflict,
        Event::Fail,
        Event::Reject,
        Event::Enforce,
        Event::Revoke,
        Event::Expire,
        Event::LoseBottle,
    ];

    #[test]
    fn an_event_that_was_taken_is_refused_the_second_time() {
        for state in STATES {
            for event in EVENTS {
                if let Ok(transition) = step(state, event) {
                    assert_eq!(
                        step(transition.to, event),
                        Err(Refused {
                            state: transition.to,
                            event
                        })
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_is_in_force_without_an_approval() {
        for state in STATES {
            for event in EVENTS {
                if let Ok(transition) = step(state, event) {
                    assert_eq!(
                        transition.granted,
                        transition.to.granted(),
                        "{state:?} {event:?}"
                    );
                    let begins = transition.granted && !state.granted();
                    assert_eq!(begins, event == Event::Approve, "{state:?} {event:?}");
                    assert!(transition.to != State::Enforced || state == State::Applying);
                }
            }
        }
    }

    #[test]
    fn what_is_closed_stays_closed() {
        for state in STATES.into_iter().filter(|state| state.closed()) {
            for event in EVENTS {
                assert!(step(state, event).is_err(), "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn a_phase_read_back_is_the_state_that_was_written() {
        for state in STATES {
            assert_eq!(State::from(Option::<ProposalPhase>::from(state)), state);
        }
    }
}
