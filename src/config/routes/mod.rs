//! CORE: `routes.json`: where cred-proxy sends requests, and with which secret.
//!
//! [`Routes::parse_proposed`] reads what an agent asks, [`Routes::parse_declared`] what a Bottle says or what is in
//! force. The second one also takes reserved paths and http upstreams. Order has no meaning: the longest path wins.

mod auth;
mod change;
mod route;

#[cfg(test)]
mod tests;

use super::text::sanitise;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use thiserror::Error;

pub use auth::{Auth, Scheme};
pub use change::{Changed, Conflict, RoutesChange, change};
pub use route::{Route, Rule};

/// A parsed `routes.json`; every route is valid and no path stands twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Routes {
    /// In the order of the file.
    pub routes: Vec<Route>,
}

/// The file as it is written; checked afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    routes: Vec<Route>,
}

/// Why a file is no `routes.json`.
#[derive(Debug, Error)]
pub enum RoutesError {
    /// It isn't JSON of the right shape. The message may repeat what a stranger wrote, so it is bounded and spelled out.
    #[error("{}", shown(.0))]
    Json(serde_json::Error),
    /// One route breaks a rule.
    #[error("route {number}: {rule}")]
    Route {
        /// Counted from 1.
        number: usize,
        /// The rule.
        rule: Rule,
    },
}

/// Longest message of the JSON parser that is passed on.
const MAX_MESSAGE: usize = 200;

/// Its beginning, and the place at its end.
fn shown(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let words = message.strip_suffix(&place).unwrap_or(&message);
    match words.char_indices().nth(MAX_MESSAGE) {
        None => sanitise(words) + &place,
        Some((end, _)) => sanitise(&words[..end]) + " …" + &place,
    }
}

impl Routes {
    /// Reads what an agent proposes. A route that stands in the file in force is accepted as it is.
    pub fn parse_proposed(text: &str, in_force: &Self) -> Result<Self, RoutesError> {
        let known: HashSet<&Route> = in_force.routes.iter().collect();
        Self::parse(text, |route| {
            if known.contains(route) {
                route.check_declared()
            } else {
                route.check_proposed()
            }
        })
    }

    /// Reads what a Bottle declares, or what is in force.
    pub fn parse_declared(text: &str) -> Result<Self, RoutesError> {
        Self::parse(text, Route::check_declared)
    }

    fn parse(text: &str, check: impl Fn(&Route) -> Result<(), Rule>) -> Result<Self, RoutesError> {
        let Unchecked { routes } = serde_json::from_str(text).map_err(RoutesError::Json)?;
        let mut paths = HashSet::new();
        for (index, route) in routes.iter().enumerate() {
            let rule = match check(route) {
                Err(rule) => rule,
                Ok(()) if !paths.insert(route.path.as_str()) => Rule::PathTwice(route.path.clone()),
                Ok(()) => continue,
            };
            return Err(RoutesError::Route {
                number: index + 1,
                rule,
            });
        }
        Ok(Self { routes })
    }

    /// The route of exactly this path.
    pub fn get(&self, path: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.path == path)
    }

    /// Whether both send every request to the same place with the same secret.
    pub fn same_meaning(&self, other: &Self) -> bool {
        self.by_path() == other.by_path()
    }

    /// The canonical text: indented JSON with a line end.
    pub fn render(&self) -> String {
        // Strings, booleans and lists only: nothing in it can fail to serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    fn by_path(&self) -> BTreeMap<&str, &Route> {
        self.routes
            .iter()
            .map(|route| (route.path.as_str(), route))
            .collect()
    }
}
