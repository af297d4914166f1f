//! CORE: how a run of the agent counts, and what `seal` exits with.

use std::time::Duration;

/// A run that lasted so long has worked: its failure is the first of a row.
pub const WORKED: Duration = Duration::from_secs(600);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; 128 + N after signal N.
    pub code: u8,
    /// Whether we were asked to stop.
    pub terminated: bool,
    /// How long it ran.
    pub lasted: Duration,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Exit with this code, and remember that many failures in a row.
    Exit {
        /// Exit code.
        code: u8,
        /// Failures in a row.
        failures: u32,
    },
    /// Exit with 0 so that nobody restarts us, and say so; the row begins anew.
    GiveUp {
        /// The agent's own code.
        code: u8,
        /// Failures in a row.
        failures: u32,
    },
}

/// Counts a run. `failures` were in a row before it.
pub fn next(ended: Ended, failures: u32, max_restarts: u32) -> Next {
    if ended.terminated {
        // Also when the agent ended well: a container that ended with 0 is not started again after its image changed.
        let code = 143;
        return Next::Exit { code, failures };
    }
    if ended.code == 0 {
        let (code, failures) = (0, 0);
        return Next::Exit { code, failures };
    }
    let failures = if ended.lasted >= WORKED {
        1
    } else {
        failures.saturating_add(1)
    };
    let code = ended.code;
    if failures >= max_restarts {
        Next::GiveUp { code, failures }
    } else {
        Next::Exit { code, failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn ended(code: u8, lasted: Duration) -> Ended {
        Ended {
            code,
            terminated: false,
            lasted,
        }
    }

    #[test]
    fn the_last_failure_in_a_row_gives_up() {
        let exit = |failures| Next::Exit { code: 7, failures };
        assert_eq!(next(ended(7, SHORT), 0, 3), exit(1));
        assert_eq!(next(ended(7, SHORT), 1, 3), exit(2));
        let gone = Next::GiveUp {
            code: 7,
            failures: 3,
        };
        assert_eq!(next(ended(7, SHORT), 2, 3), gone);
    }

    #[test]
    fn a_long_run_or_a_success_begins_a_new_row() {
        let (code, failures) = (7, 1);
        assert_eq!(next(ended(7, WORKED), 2, 3), Next::Exit { code, failures });
        let (code, failures) = (0, 0);
        assert_eq!(next(ended(0, SHORT), 2, 3), Next::Exit { code, failures });
    }

    #[test]
    fn being_stopped_is_143_and_no_failure() {
        for code in [0, 1, 143] {
            let terminated = true;
            let ended = Ended {
                code,
                terminated,
                lasted: SHORT,
            };
            let (code, failures) = (143, 2);
            assert_eq!(next(ended, 2, 3), Next::Exit { code, failures });
        }
    }

    #[test]
    fn no_restarts_at_all_gives_up_at_once() {
        let gone = Next::GiveUp {
            code: 1,
            failures: 1,
        };
        assert_eq!(next(ended(1, SHORT), 0, 0), gone);
    }
}
