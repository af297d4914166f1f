//! The state that the caches show, counted when somebody asks.

use super::{Labels, named};
use crate::api::{Bottle, Proposal};
use jiff::Timestamp;
use kube::{ResourceExt as _, core::DeserializeGuard, runtime::reflector::Store};
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The caches of one scope.
pub struct Snapshot {
    /// Its Bottles.
    pub bottles: Store<DeserializeGuard<Bottle>>,
    /// Its Proposals.
    pub proposals: Store<DeserializeGuard<Proposal>>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// Gauges of all scopes together.
pub struct World {
    snapshots: Mutex<Vec<Snapshot>>,
    bottles: Family<Labels<1>, Gauge>,
    proposals: Family<Labels<2>, Gauge>,
    oldest: Gauge,
    drift: Gauge,
    refused: Family<Labels<1>, Gauge>,
    unreadable: Gauge,
}

/// What is counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    bottles: BTreeMap<String, i64>,
    proposals: BTreeMap<(String, String), i64>,
    oldest: i64,
    drift: i64,
    refused: BTreeMap<String, i64>,
    unreadable: i64,
}

impl World {
    /// Empty gauges, named in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            snapshots: Mutex::default(),
            bottles: named(registry, "bottles", "Bottles, by phase", Family::default()),
            proposals: named(
                registry,
                "proposals",
                "Proposals, by tool and phase",
                Family::default(),
            ),
            oldest: named(
                registry,
                "oldest_pending_seconds",
                "Age of the oldest question that waits for a person",
                Gauge::default(),
            ),
            drift: named(
                registry,
                "config_drift",
                "Running Bottles whose sidecars don't enforce the effective config",
                Gauge::default(),
            ),
            refused: named(
                registry,
                "refused_hosts",
                "Hosts that agents were refused lately, by tool that would ask for them",
                Family::default(),
            ),
            unreadable: named(
                registry,
                "unreadable_objects",
                "Bottles and Proposals that can't be decoded and are left alone",
                Gauge::default(),
            ),
        }
    }

    /// Adds caches.
    pub fn watch(&self, snapshot: Snapshot) {
        let mut snapshots = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        snapshots.push(snapshot);
    }

    /// Counts anew.
    pub fn refresh(&self) {
        let mut count = Count::default();
        let snapshots = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for snapshot in snapshots.iter() {
            for bottle in snapshot.bottles.state() {
                match &bottle.0 {
                    Ok(bottle) => count.bottle(bottle),
                    Err(_) => count.unreadable += 1,
                }
            }
            let now = (snapshot.now)();
            for proposal in snapshot.proposals.state() {
                match &proposal.0 {
                    Ok(proposal) => count.proposal(proposal, now),
                    Err(_) => count.unreadable += 1,
                }
            }
        }
        self.bottles.clear();
        for (phase, number) in count.bottles {
            self.bottles.get_or_create(&[("phase", phase)]).set(number);
        }
        self.proposals.clear();
        for ((tool, phase), number) in count.proposals {
            let labels = [("tool", tool), ("phase", phase)];
            self.proposals.get_or_create(&labels).set(number);
        }
        self.refused.clear();
        for (tool, number) in count.refused {
            self.refused.get_or_create(&[("tool", tool)]).set(number);
        }
        self.oldest.set(count.oldest);
        self.drift.set(count.drift);
        self.unreadable.set(count.unreadable);
    }
}

impl Count {
    /// Adds a Bottle.
    pub fn bottle(&mut self, bottle: &Bottle) {
        let status = bottle.status.clone().unwrap_or_default();
        let phase = status
            .phase
            .map_or_else(|| "New".to_owned(), |phase| format!("{phase:?}"));
        if phase == "Running" {
            let enforced = status
                .sidecar
                .as_ref()
                .and_then(|sidecar| sidecar.enforced_hash.as_deref());
            self.drift += i64::from(status.config_hash.as_deref() != enforced);
        }
        *self.bottles.entry(phase).or_default() += 1;
        // The hosts themselves are an agent's words.
        let refused = status.sidecar.map_or(0, |sidecar| sidecar.denials.len());
        *self.refused.entry("pipelock-block".into()).or_default() +=
            i64::try_from(refused).unwrap_or(i64::MAX);
    }

    /// Adds a Proposal.
    pub fn proposal(&mut self, proposal: &Proposal, now: Timestamp) {
        let phase = proposal.status.as_ref().and_then(|status| status.phase);
        let phase = phase.map_or_else(|| "New".to_owned(), |phase| format!("{phase:?}"));
        if matches!(&*phase, "New" | "Pending")
            && let Some(asked) = proposal.creation_timestamp()
        {
            self.oldest = self.oldest.max(now.duration_since(asked.0).as_secs());
        }
        let tool = proposal.spec.tool.as_str().to_owned();
        *self.proposals.entry((tool, phase)).or_default() += 1;
    }
}
