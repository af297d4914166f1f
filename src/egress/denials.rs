//! PURE: the last refusals, for the sidecar that reports them.

use super::refusal::{Cause, shortened};
use super::target::Target;
use crate::{api, config};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;

/// How many different ones are kept.
pub const MAX_DENIALS: usize = 100;

/// One host and port, refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// As asked for, in lower case.
    pub host: String,
    /// As asked for.
    pub port: u16,
    /// The refusal's reason.
    pub reason: &'static str,
    /// The same in one word.
    #[serde(skip)]
    pub word: &'static str,
    /// How often.
    pub count: u64,
    /// The first time, since it stands in the list.
    pub first_at: Timestamp,
    /// The last time.
    pub last_at: Timestamp,
}

/// Newest first; the one refused longest ago leaves first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Denials {
    denials: VecDeque<Denial>,
}

impl Denials {
    /// Counts a refusal; whether it is a new one.
    pub fn record(&mut self, target: &Target, cause: Cause, now: Timestamp) -> bool {
        let (host, reason) = (shortened(&target.host), cause.reason());
        let known = self.denials.iter().position(|denial| {
            denial.host == host && denial.port == target.port && denial.reason == reason
        });
        let known = known.and_then(|at| self.denials.remove(at));
        let is_new = known.is_none();
        let mut denial = known.unwrap_or_else(|| Denial {
            host: host.to_owned(),
            port: target.port,
            reason,
            word: cause.word(),
            count: 0,
            first_at: now,
            last_at: now,
        });
        denial.count += 1;
        denial.last_at = now;
        self.denials.push_front(denial);
        self.denials.truncate(MAX_DENIALS);
        is_new
    }

    /// The newest ones, as they are reported.
    pub fn newest(&self) -> Vec<api::Denial> {
        let reported = |denial: &Denial| api::Denial {
            host: denial.host.clone(),
            port: denial.port,
            reason: denial.word.to_owned(),
            count: denial.count,
            // Finer than a millisecond is only noise in a status.
            last_at: Timestamp::from_millisecond(denial.last_at.as_millisecond()).ok(),
        };
        let newest = self.denials.iter().take(config::denials::MAX);
        newest.map(reported).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn target(host: String) -> Target {
        Target { host, port: 443 }
    }

    #[test]
    fn repeated_refusals_are_counted_and_move_to_the_front() {
        let mut denials = Denials::default();
        assert!(denials.record(&target("a.example".into()), Cause::HostNotListed, at(1)));
        assert!(denials.record(&target("b.example".into()), Cause::HostNotListed, at(2)));
        assert!(!denials.record(&target("a.example".into()), Cause::HostNotListed, at(3)));
        let json = serde_json::to_value(&denials).unwrap();
        assert_eq!(
            json["denials"][0],
            serde_json::json!({
                "host": "a.example", "port": 443, "reason": "the host is not on the allowlist", "count": 2,
                "firstAt": "1970-01-01T00:00:01Z", "lastAt": "1970-01-01T00:00:03Z",
            })
        );
        assert_eq!(json["denials"][1]["host"], "b.example");
    }

    #[test]
    fn the_list_stays_bounded_and_keeps_the_newest() {
        let mut denials = Denials::default();
        for number in 0..250 {
            denials.record(
                &target(format!("h{number}.example")),
                Cause::HostNotListed,
                at(number),
            );
        }
        assert_eq!(denials.denials.len(), MAX_DENIALS);
        assert_eq!(denials.denials.front().unwrap().host, "h249.example");
        assert_eq!(denials.denials.back().unwrap().host, "h150.example");
    }
}
