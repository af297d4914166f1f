//! Shell completion with the names that there are now.
//!
//! `source <(COMPLETE=bash bottle)`. Names come from this machine's bottles only: a completion that asks a cluster
//! would make a key press wait for the network.

use super::{
    Error, Where,
    kind::{self, Kind},
    on_machine::Machine,
};
use clap_complete::CompletionCandidate;
use kube::ResourceExt as _;

/// Where they are: completion begins before any flag is read, so by the environment.
fn machine() -> Result<Machine, Error> {
    Machine::open(&Where {
        state: std::env::var_os("BOTTLE_STATE_DIR").map(Into::into),
        ..Where::default()
    })
}

/// Names of Bottles.
pub fn bottles() -> Vec<CompletionCandidate> {
    let found = machine().and_then(|machine| machine.bottles(false));
    let names = found
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.name_any());
    names.map(CompletionCandidate::new).collect()
}

/// What `get`, `describe` and `delete` are about: Bottles by their names, other kinds by theirs and as `KIND/NAME`.
pub fn objects() -> Vec<CompletionCandidate> {
    let others = kind::ALL.into_iter().filter(|kind| *kind != Kind::Bottle);
    let mut all = bottles();
    for kind in others {
        all.push(CompletionCandidate::new(kind.words()[0]));
        let named = names(kind).into_iter();
        all.extend(named.map(|name| format!("{}/{name}", kind.as_str()).into()));
    }
    all
}

fn names(kind: Kind) -> Vec<String> {
    let found = machine().and_then(|machine| {
        Ok(match kind {
            Kind::Bottle => Vec::new(),
            Kind::Class => machine.state().classes().names()?,
            Kind::ConfigMap => machine.config_maps()?.names()?,
        })
    });
    found.unwrap_or_default()
}

/// Names of Proposals.
pub fn proposals() -> Vec<CompletionCandidate> {
    let found = machine().and_then(|machine| machine.proposals(false));
    let names = found
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.name_any());
    names.map(CompletionCandidate::new).collect()
}
