//! Which of several operators works: the rules of one Lease, without clock or client.
//!
//! Clocks of different machines are never compared. A candidate measures by its own clock how long it has seen the
//! very same lease; the holder measures by its own clock since before it asked for the last renewal, and gives up
//! earlier than any candidate may take over.

mod elect;
mod fence;

pub use elect::{Election, Lost};
pub use fence::{Fence, NotLeading, clock};

use k8s_openapi::api::coordination::v1::LeaseSpec;
use std::time::Duration;

/// Longest word of a stranger that is believed: a lease that says more would shut everybody out.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a lease lasts, and what follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A candidate takes over what it has seen unchanged for this long.
    pub duration: Duration,
}

impl Timing {
    /// The holder stops writing this long after it asked for its last successful renewal.
    ///
    /// The last third is for a request that is on its way when the time is over.
    pub fn held(self) -> Duration {
        self.duration * 2 / 3
    }

    /// Pause between two renewals, or two looks.
    pub fn pause(self) -> Duration {
        self.duration / 8
    }

    /// As the Lease carries it.
    pub fn seconds(self) -> i32 {
        i32::try_from(self.duration.as_secs())
            .unwrap_or(i32::MAX)
            .max(1)
    }
}

/// The lease as a candidate last saw it, and since when.
#[derive(Clone, Debug, Default)]
pub struct Sighting {
    version: Option<String>,
    since: Duration,
}

impl Sighting {
    /// How long the candidate still has to wait, `now` by its own clock; zero: it may try to take the lease.
    ///
    /// `version` is the object's `resourceVersion`: any write to it, a renewal above all, starts the wait anew.
    pub fn wait(
        &mut self,
        spec: Option<&LeaseSpec>,
        version: Option<&str>,
        timing: Timing,
        now: Duration,
    ) -> Duration {
        if self.version.as_deref() != version || version.is_none() {
            self.version = version.map(str::to_owned);
            self.since = now;
        }
        if holder(spec).is_none() {
            return Duration::ZERO;
        }
        let lasts = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(timing.duration, Duration::from_secs)
            .clamp(timing.duration, LONGEST);
        (self.since + lasts).saturating_sub(now)
    }
}

/// Who holds the lease; nobody after it was given back.
pub fn holder(spec: Option<&LeaseSpec>) -> Option<&str> {
    spec?
        .holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}

/// Tells two starts of the same pod apart: a container that was started again is another candidate.
pub fn start_number() -> u128 {
    clock().as_nanos()
}

#[cfg(test)]
mod tests {
    use super::{Sighting, Timing};
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use std::time::Duration;

    const TIMING: Timing = Timing {
        duration: Duration::from_secs(15),
    };

    fn held(seconds: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some("other".into()),
            lease_duration_seconds: Some(seconds),
            ..LeaseSpec::default()
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_is_free_once_it_was_seen_unchanged_for_its_whole_duration() {
        let mut seen = Sighting::default();
        let spec = held(15);
        let mut wait = |version, now| seen.wait(Some(&spec), Some(version), TIMING, at(now));
        assert_eq!(wait("1", 100), at(15));
        assert_eq!(wait("1", 114), at(1));
        assert_eq!(wait("2", 114), at(15));
        assert_eq!(wait("2", 128), at(1));
        assert_eq!(wait("2", 129), at(0));
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        let mut seen = Sighting::default();
        for holder in [None, Some(String::new())] {
            let spec = LeaseSpec {
                holder_identity: holder,
                ..held(15)
            };
            assert_eq!(seen.wait(Some(&spec), Some("1"), TIMING, at(0)), at(0));
        }
        assert_eq!(seen.wait(None, Some("1"), TIMING, at(0)), at(0));
    }

    #[test]
    fn a_holder_with_longer_leases_is_waited_for_and_one_with_absurd_ones_is_not() {
        for (says, waits) in [(60, 60), (1, 15), (0, 15), (-5, 15), (i32::MAX, 3600)] {
            let mut seen = Sighting::default();
            let spec = held(says);
            assert_eq!(seen.wait(Some(&spec), Some("1"), TIMING, at(0)), at(waits));
        }
    }

    #[test]
    fn the_holder_ends_before_anybody_may_begin() {
        for seconds in [1, 3, 15, 60] {
            let timing = Timing {
                duration: at(seconds),
            };
            assert!(timing.held() + timing.pause() < timing.duration);
        }
    }
}
