//! What the server did since its start, counted, and a line about it in the log.
//!
//! An agent decides how often it asks. So what it can repeat at will is counted, and told at most once a minute; only
//! what the reviewer's limits bound has a line of its own. No file and no justification comes into either.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// The counters of one program.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<Counts>,
    changed: Notify,
}

/// Their values at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New proposals.
    pub questions: u64,
    /// Calls that came to a proposal that was there already.
    pub attached: u64,
    /// Calls that wait now.
    pub waiting: u64,
    /// How long calls have waited, all together.
    pub waited: Duration,
    /// Answers, by their status.
    pub answers: BTreeMap<&'static str, u64>,
    /// Calls whose clients went away.
    pub left: u64,
    /// Refusals, by their reason.
    pub refusals: BTreeMap<&'static str, u64>,
}

/// A call that waits; over when it is dropped.
#[derive(Debug)]
pub struct Stay {
    tally: Arc<Tally>,
    began: Instant,
    answered: bool,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.changed.notify_one();
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts
            .lock()
            .expect("nothing panics while it holds the counters")
    }

    /// A new proposal was made.
    pub fn question(&self) {
        self.counts().questions += 1;
    }

    /// A call came to a proposal that was there.
    pub fn attached(&self) {
        self.counts().attached += 1;
    }

    /// A call was answered.
    pub fn answer(&self, status: &'static str) {
        *self.counts().answers.entry(status).or_default() += 1;
    }

    /// A request was refused.
    pub fn refusal(&self, reason: &'static str) {
        tracing::debug!(reason, "Refused");
        *self.counts().refusals.entry(reason).or_default() += 1;
    }

    /// A call begins to wait.
    pub fn stay(self: &Arc<Self>) -> Stay {
        self.counts().waiting += 1;
        Stay {
            tally: Arc::clone(self),
            began: Instant::now(),
            answered: false,
        }
    }

    /// The values now.
    pub fn now(&self) -> Counts {
        self.lock().clone()
    }

    /// Logs for ever: a minute after something has changed, all of it in one line. Nothing runs while nothing happens.
    pub async fn report(&self) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(PAUSE).await;
            self.log();
        }
    }

    /// Logs the values now.
    pub fn log(&self) {
        let Counts {
            questions,
            attached,
            waiting,
            waited,
            answers,
            left,
            refusals,
        } = self.now();
        let (answers, refusals) = (list(&answers), list(&refusals));
        tracing::info!(
            questions,
            attached,
            waiting,
            waited_s = waited.as_secs(),
            answers,
            left,
            refusals,
            "Calls since the start"
        );
    }
}

impl Stay {
    /// The call has its answer.
    pub fn answered(&mut self, status: &'static str) {
        self.answered = true;
        self.tally.answer(status);
    }

    /// How long it has waited.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut counts = self.tally.counts();
        counts.waiting -= 1;
        counts.waited += self.began.elapsed();
        if !self.answered {
            counts.left += 1;
        }
    }
}

fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    let mut text = String::new();
    for (name, count) in counts {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{name}={count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_counts_as_waiting_and_then_as_answered_or_left() {
        let tally = Arc::new(Tally::default());
        let mut first = tally.stay();
        let second = tally.stay();
        assert_eq!(tally.now().waiting, 2);
        first.answered("approved");
        drop((first, second));
        let counts = tally.now();
        assert_eq!((counts.waiting, counts.left), (0, 1));
        assert_eq!(list(&counts.answers), "approved=1");
    }
}
