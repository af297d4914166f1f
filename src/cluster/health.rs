//! What `/readyz` says.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

/// Facts that the parts of a running operator leave here.
#[derive(Debug)]
pub struct Health {
    /// Milliseconds of the lease's clock at the last answer about it.
    heard: AtomicU64,
    leads: AtomicBool,
    /// Caches that are still being filled, one for each scope.
    unfilled: AtomicUsize,
    /// An operator that hears of its lease less often is not ready.
    silence: Option<Duration>,
}

/// Why an operator is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The caches lag behind what the API server had at the start.
    #[error("the caches are not filled yet")]
    Unfilled,
    /// It could neither lead nor take over.
    #[error("the API server has not answered about the lease")]
    Silent,
}

impl Health {
    /// `scopes` caches are to be filled. With `silence`, the operator takes part in an election.
    pub fn new(scopes: usize, silence: Option<Duration>) -> Self {
        Self {
            heard: AtomicU64::new(0),
            leads: AtomicBool::new(silence.is_none()),
            unfilled: AtomicUsize::new(scopes),
            silence,
        }
    }

    /// The API server answered about the lease.
    pub fn heard(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(0);
        self.heard.store(now, Ordering::Relaxed);
    }

    /// This operator leads from now on.
    pub fn leads(&self) {
        self.leads.store(true, Ordering::Relaxed);
    }

    /// Whether it leads.
    pub fn is_leading(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    /// The caches of one scope are filled; true for the last one.
    pub fn filled(&self) -> bool {
        self.unfilled.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Ready is who works, or could take over.
    pub fn ready(&self, now: Duration) -> Result<&'static str, NotReady> {
        if let Some(silence) = self.silence {
            let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
            if heard.is_zero() || now.saturating_sub(heard) > silence {
                return Err(NotReady::Silent);
            }
        }
        if !self.is_leading() {
            return Ok("standing by");
        }
        if self.unfilled.load(Ordering::Relaxed) > 0 {
            return Err(NotReady::Unfilled);
        }
        Ok("leading")
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, NotReady};
    use std::time::Duration;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_an_election_filled_caches_are_all_it_takes() {
        let health = Health::new(2, None);
        assert_eq!(health.ready(at(1)), Err(NotReady::Unfilled));
        assert!(!health.filled());
        assert_eq!(health.ready(at(1)), Err(NotReady::Unfilled));
        assert!(health.filled());
        assert_eq!(health.ready(at(9999)), Ok("leading"));
    }

    #[test]
    fn a_candidate_is_ready_while_the_api_server_answers_and_the_leader_once_it_works() {
        let health = Health::new(1, Some(at(15)));
        assert_eq!(health.ready(at(100)), Err(NotReady::Silent));
        health.heard(at(100));
        assert_eq!(health.ready(at(115)), Ok("standing by"));
        assert_eq!(health.ready(at(116)), Err(NotReady::Silent));
        health.heard(at(116));
        health.leads();
        assert_eq!(health.ready(at(116)), Err(NotReady::Unfilled));
        health.filled();
        assert_eq!(health.ready(at(116)), Ok("leading"));
        assert_eq!(health.ready(at(200)), Err(NotReady::Silent));
    }
}
