//! Shell completion with the names that there are now.
//!
//! `source <(COMPLETE=bash bottle)`. Names come from this machine's bottles only: a completion that asks a cluster
//! would make a key press wait for the network.

use super::{Where, on_machine::Machine};
use clap_complete::CompletionCandidate;
use kube::ResourceExt as _;

/// Names of Bottles.
pub fn bottles() -> Vec<CompletionCandidate> {
    let found = Machine::open(&Where::default()).and_then(|machine| machine.bottles(false));
    let names = found
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.name_any());
    names.map(CompletionCandidate::new).collect()
}

/// Names of Proposals.
pub fn proposals() -> Vec<CompletionCandidate> {
    let found = Machine::open(&Where::default()).and_then(|machine| machine.proposals(false));
    let names = found
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.name_any());
    names.map(CompletionCandidate::new).collect()
}
