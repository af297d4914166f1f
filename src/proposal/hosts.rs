//! A change of the allowlist as a reviewer reads it.

use super::{look_alike, today::Today};
use crate::config::allowlist::AllowlistChange;
use std::collections::BTreeSet;

/// `+host`, `-host`.
pub(super) fn lines(change: &AllowlistChange) -> Vec<String> {
    let added = change.added.iter().map(|host| format!("+{host}"));
    let removed = change.removed.iter().map(|host| format!("-{host}"));
    added.chain(removed).collect()
}

/// What must not be missed, the worst first.
pub(super) fn warnings(change: &AllowlistChange, today: Option<&Today>) -> Vec<String> {
    let known = today.map_or_else(BTreeSet::new, Today::hosts);
    let alike = change
        .added
        .iter()
        .filter_map(|host| look_alike::warning(host.trim_start_matches('.'), &known));
    let suffixes = change.added.iter().filter(|host| host.starts_with('.')).map(|host| {
        format!("{host} opens every name below it; whoever controls that zone's DNS can read what the agent asks for")
    });
    let removals = (!change.removed.is_empty()).then(|| {
        format!(
            "this takes {} host(s) away: {}",
            change.removed.len(),
            change.removed.join(", ")
        )
    });
    alike.chain(suffixes).chain(removals).collect()
}
