//! A bound on how much one place in the program writes to the log, for programs that an agent can make write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one kind in one [`WINDOW`]: more than an honest minute has, and few enough to read.
const LINES: u32 = 60;
/// After it, counting begins anew. A flood that goes on for a day writes some 20 MB of each kind.
const WINDOW: Duration = Duration::from_secs(60);

/// Leaves out lines of a kind that come too fast, and says so: when it begins, and how many there were when the
/// next one is written. Kinds are places in the program, so there are as many as those.
///
/// Lines of `debug` and below are written only where somebody asked for them, and so are all of them.
pub(super) struct Flood {
    began: Instant,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

impl Flood {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            kinds: Mutex::default(),
        }
    }
}

impl<S: Subscriber> Layer<S> for Flood {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let kind = event.metadata();
        if *kind.level() > Level::INFO {
            return true;
        }
        let now = self.began.elapsed();
        // Given back before anything is written: that comes through here, too.
        let verdict = {
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            kinds.entry(kind.callsite()).or_default().count(now)
        };
        match verdict {
            Verdict::Write { left_out: 0 } => true,
            Verdict::Write { left_out } => {
                say_how_many(kind, left_out);
                true
            }
            Verdict::First => {
                tracing::warn!(
                    module = kind.target(),
                    line = kind.line(),
                    "Too many lines like the last ones: leaving out what comes within the minute"
                );
                false
            }
            Verdict::LeaveOut => false,
        }
    }
}

fn say_how_many(kind: &Metadata<'_>, left_out: u64) {
    tracing::warn!(
        module = kind.target(),
        line = kind.line(),
        left_out,
        "Left out lines like the next one"
    );
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is written, after word of those before it that were not.
    Write { left_out: u64 },
    /// It is the first to be left out.
    First,
    /// It is left out.
    LeaveOut,
}

/// What one kind has written and left out.
#[derive(Default)]
struct Kind {
    window: u64,
    lines: u32,
    left_out: u64,
}

impl Kind {
    fn count(&mut self, now: Duration) -> Verdict {
        let window = now.as_secs() / WINDOW.as_secs();
        if window != self.window {
            self.window = window;
            self.lines = 0;
        }
        if self.lines < LINES {
            self.lines += 1;
            return Verdict::Write {
                left_out: std::mem::take(&mut self.left_out),
            };
        }
        self.left_out += 1;
        match self.left_out {
            1 => Verdict::First,
            _ => Verdict::LeaveOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_flood_is_cut_told_and_counted_and_ends_with_its_minute() {
        let mut kind = Kind::default();
        let at = Duration::from_secs;
        let written = Verdict::Write { left_out: 0 };
        for _ in 0..LINES {
            assert_eq!(kind.count(at(1)), written);
        }
        assert_eq!(kind.count(at(59)), Verdict::First);
        for _ in 0..1000 {
            assert_eq!(kind.count(at(59)), Verdict::LeaveOut);
        }
        assert_eq!(kind.count(at(60)), Verdict::Write { left_out: 1001 });
        assert_eq!(kind.count(at(60)), written);
    }

    /// Counts what is written.
    struct Written(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_kind_of_line_does_not_silence_another_and_debug_is_never_cut() {
        let written = Arc::new(AtomicU64::new(0));
        let layers = tracing_subscriber::registry()
            .with(Written(Arc::clone(&written)))
            .with(Flood::new());
        let count = || written.swap(0, Ordering::Relaxed);
        tracing::subscriber::with_default(layers, || {
            for _ in 0..1000 {
                tracing::info!("One kind");
            }
            assert!(count() <= u64::from(LINES) + 1);
            tracing::info!("Another");
            assert_eq!(count(), 1);
            for _ in 0..1000 {
                tracing::debug!("Of which all were asked for");
            }
            assert_eq!(count(), 1000);
        });
    }
}
