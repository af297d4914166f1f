//! The limits that protect a reviewer: how many questions may wait, and how many may come in an hour.
//!
//! Kept by the operator, from the stored Proposals: no restart of anything resets them. The sidecar is told what is
//! left and refuses beyond it; what comes past it (a flood while a mount is being refreshed, a stolen token) is held
//! back here, unseen by reviewers, until there is room.

use crate::{
    api::{Decision, Proposal, ProposalPhase},
    config::decisions::Limits,
};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

/// The hour of "new ones an hour".
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Who may be shown to a reviewer now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pending: u32,
    /// When the admitted ones of the last hour were asked, oldest first.
    recent: Vec<Timestamp>,
    now: Timestamp,
}

/// Why a question is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Too many wait for a decision.
    Pending,
    /// Too many came within an hour.
    Hour,
}

impl Room {
    /// What the stored `proposals` of one bottle leave.
    pub fn of(proposals: &[&Proposal], now: Timestamp) -> Self {
        let phase = |one: &Proposal| one.status.as_ref().and_then(|status| status.phase);
        let pending = proposals
            .iter()
            .filter(|one| one.spec.decision == Decision::Pending)
            .filter(|one| phase(one) == Some(ProposalPhase::Pending))
            .count();
        let mut recent: Vec<Timestamp> = proposals
            .iter()
            .filter(|one| phase(one).is_some())
            .filter_map(|one| one.creation_timestamp().map(|at| at.0))
            .filter(|at| now.duration_since(*at) < HOUR)
            .collect();
        recent.sort_unstable();
        Self {
            pending: u32::try_from(pending).unwrap_or(u32::MAX),
            recent,
            now,
        }
    }

    /// Whether this question may be shown; takes its place when it may. One that has been shown, or that a person
    /// has decided already, always may.
    pub fn admit(&mut self, proposal: &Proposal) -> Result<(), Full> {
        let shown = proposal
            .status
            .as_ref()
            .is_some_and(|one| one.phase.is_some());
        if shown || proposal.spec.decision != Decision::Pending {
            return Ok(());
        }
        if self.pending >= Limits::PENDING {
            return Err(Full::Pending);
        }
        if self.hour_left() == 0 {
            return Err(Full::Hour);
        }
        self.pending += 1;
        // A question that was held back counts from when it is shown.
        self.recent.push(self.now);
        Ok(())
    }

    /// What the sidecar is told, when `pending` questions wait in the end.
    pub fn left(&self, pending: u32) -> Limits {
        Limits {
            pending_left: Limits::PENDING.saturating_sub(pending),
            hour_left: self.hour_left(),
        }
    }

    fn hour_left(&self) -> u32 {
        let recent = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        Limits::HOURLY.saturating_sub(recent)
    }

    /// When time alone makes room: only asked for when the hour is full, so that an idle bottle costs nothing.
    pub fn opens(&self) -> Option<Timestamp> {
        let oldest = *self.recent.first()?;
        (self.hour_left() == 0)
            .then(|| oldest.checked_add(HOUR).ok())
            .flatten()
    }
}

impl Full {
    /// Reason and sentence for the Proposal's status.
    pub fn why(self) -> (&'static str, String) {
        match self {
            Self::Pending => (
                "TooManyPending",
                format!(
                    "{} questions of this bottle wait for a decision; this one is shown when one of them is decided",
                    Limits::PENDING
                ),
            ),
            Self::Hour => (
                "TooManyThisHour",
                format!(
                    "this bottle asked {} questions within an hour; this one is shown when the hour is over",
                    Limits::HOURLY
                ),
            ),
        }
    }
}
