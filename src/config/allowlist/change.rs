//! What an approved proposal changes: the form in which a grant is stored and folded.

use super::{Allowlist, Entry};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Entries added and removed, as canonical text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowlistChange {
    /// In the order of the new file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// In the order of the old file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

impl AllowlistChange {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// What leads from one allowlist to the other.
pub fn change(from: &Allowlist, to: &Allowlist) -> AllowlistChange {
    AllowlistChange {
        added: missing(to, from),
        removed: missing(from, to),
    }
}

/// The entries of `of` that `other` lacks.
fn missing(of: &Allowlist, other: &Allowlist) -> Vec<String> {
    let known: HashSet<&Entry> = other.entries.iter().collect();
    of.entries
        .iter()
        .filter(|entry| !known.contains(entry))
        .map(Entry::to_string)
        .collect()
}

impl Allowlist {
    /// This allowlist with the change made: removals first, additions at the end. Adding what is there and
    /// removing what isn't change nothing, so applying twice is applying once.
    ///
    /// An addition that no Bottle could declare is left out: a damaged grant opens nothing.
    #[must_use]
    pub fn apply(&self, change: &AllowlistChange) -> Self {
        let removed: HashSet<String> = change
            .removed
            .iter()
            .map(|text| text.to_ascii_lowercase())
            .collect();
        let kept = self
            .entries
            .iter()
            .filter(|entry| !removed.contains(&entry.to_string()))
            .cloned();
        let added = change
            .added
            .iter()
            .filter_map(|text| Entry::parse_declared(text).ok());
        Self::from_entries(kept.chain(added))
    }
}
