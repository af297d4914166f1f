//! How long a question waits, and how long a closed proposal is kept.

use super::State;
use crate::api::{ProposalStatus, Proposals};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// Closed proposals are the record of who allowed what: a month covers a monthly review.
const RETENTION_DAYS: i64 = 30;

/// `spec.proposals`, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A question that nobody decided expires after this; none: it waits for as long as it takes.
    pub pending_ttl: Option<SignedDuration>,
    /// A closed proposal is deleted after this. A grant that is in force is never deleted.
    pub retention: SignedDuration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            pending_ttl: None,
            retention: SignedDuration::from_hours(24 * RETENTION_DAYS),
        }
    }
}

/// A value that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value:?} is no duration above zero such as 90m, 24h or 30d")]
pub struct InvalidLifetime {
    /// Path of the field.
    pub field: &'static str,
    /// What stands there.
    pub value: String,
}

impl Lifetimes {
    /// Reads both fields; what is not set has its default.
    pub fn read(spec: &Proposals) -> Result<Self, InvalidLifetime> {
        let defaults = Self::default();
        Ok(Self {
            pending_ttl: read("spec.proposals.pendingTTL", spec.pending_ttl.as_deref())?,
            retention: read("spec.proposals.retention", spec.retention.as_deref())?
                .unwrap_or(defaults.retention),
        })
    }

    /// When a question expires that a reviewer can see since `shown_at`.
    pub(super) fn pending_until(self, shown_at: Timestamp) -> Option<Timestamp> {
        shown_at.checked_add(self.pending_ttl?).ok()
    }

    /// When the proposal may be deleted; none while it is open or in force.
    pub fn kept_until(self, status: &ProposalStatus) -> Option<Timestamp> {
        let at = status
            .closed_at
            .filter(|_| State::from(status.phase).closed())?;
        at.checked_add(self.retention).ok()
    }
}

/// The duration in `field`, when one is set.
pub fn read(
    field: &'static str,
    value: Option<&str>,
) -> Result<Option<SignedDuration>, InvalidLifetime> {
    let parse = |value: &str| {
        duration(value).ok_or_else(|| InvalidLifetime {
            field,
            value: value.to_owned(),
        })
    };
    value.map(parse).transpose()
}

/// `90m`, `24h`, `1h30m`, `30d`: a day is 24 hours.
fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    duration.is_positive().then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pending_ttl: &str, retention: &str) -> Result<Lifetimes, InvalidLifetime> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Lifetimes::read(&Proposals {
            pending_ttl: some(pending_ttl),
            retention: some(retention),
        })
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, minutes) in [("90m", 90), ("24h", 1_440), ("1h30m", 90), ("30d", 43_200)] {
            let read = read(text, text).unwrap();
            let expected = SignedDuration::from_mins(minutes);
            assert_eq!(
                (read.pending_ttl, read.retention),
                (Some(expected), expected),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_value_questions_wait_and_a_month_is_kept() {
        assert_eq!(read("", "").unwrap(), Lifetimes::default());
    }

    #[test]
    fn what_is_no_duration_is_named_with_its_field() {
        for text in ["soon", "0s", "-5m", "5", "1 month"] {
            let error = read(text, "").unwrap_err();
            assert_eq!(error.field, "spec.proposals.pendingTTL", "{text}");
        }
        assert_eq!(
            read("", "for ever").unwrap_err().to_string(),
            "spec.proposals.retention \"for ever\" is no duration above zero such as 90m, 24h or 30d"
        );
    }
}
