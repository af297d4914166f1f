//! What a call ends with; pure.

use crate::config::decisions::Decided;
use crate::supervise::answer;
use crate::supervise::rpc::RpcError;
use serde_json::Value;

/// The status in counters and the log of a file that needs no decision, or none any more.
pub(super) const IN_FORCE: &str = "in-force";

/// What a call ends with. The answer goes to the client first, then [`Desk::close`](super::Desk::close) is told.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The result or error of `tools/call`.
    pub outcome: Result<Value, RpcError>,
    /// What it is, in one word for counters and the log.
    pub status: &'static str,
    /// The question that it answers, if it is one that the store waits for.
    pub closes: Option<(String, i64)>,
}

pub(super) fn decision(decided: &Decided, closes: Option<(String, i64)>) -> Ended {
    Ended {
        outcome: Ok(answer::decided(decided)),
        status: decided.status.as_str(),
        closes,
    }
}

pub(super) fn in_force(notes: &str, closes: Option<(String, i64)>) -> Ended {
    Ended {
        outcome: Ok(answer::approved(notes)),
        status: IN_FORCE,
        closes,
    }
}

/// Nothing is left to note it on.
pub(super) fn deleted() -> Ended {
    Ended {
        outcome: Ok(answer::deleted()),
        status: "deleted",
        closes: None,
    }
}

pub(super) fn failed(error: RpcError) -> Ended {
    Ended {
        outcome: Err(error),
        status: "error",
        closes: None,
    }
}
