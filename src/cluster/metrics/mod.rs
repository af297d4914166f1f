//! What Prometheus reads: counts of what the operator does, and the state of the world that its caches show.

mod queue;
mod requests;
mod world;

pub use requests::Counted;
pub use world::Snapshot;

use crate::api::{Proposal, ProposalPhase, ProposalStatus};
use kube::ResourceExt as _;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};
use queue::Queue;
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use world::World;

/// Labels with their values; a fixed set each, so that nothing an agent writes becomes one.
type Labels<const N: usize> = [(&'static str, String); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Counts; clones of each part share their numbers.
pub struct Metrics {
    registry: Mutex<Registry>,
    world: World,
    queue: Queue,
    reconciles: Family<Labels<1>, Counter>,
    running: Gauge,
    reconcile_seconds: Histogram,
    requests: Family<Labels<2>, Counter>,
    proposals: Family<Labels<2>, Counter>,
    decision_seconds: Histograms<1>,
    enforcement_seconds: Histograms<1>,
    notices: Family<Labels<1>, Counter>,
    watch_failures: Counter,
    leading: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("bot_bottle");
        let own = &mut registry;
        Self {
            world: World::register(own),
            queue: Queue::register(own),
            reconciles: named(
                own,
                "reconciles",
                "Reconciles of a Bottle, by outcome",
                Family::default(),
            ),
            running: named(
                own,
                "reconciles_running",
                "Reconciles that run now",
                Gauge::default(),
            ),
            reconcile_seconds: named(
                own,
                "reconcile_seconds",
                "How long a reconcile took",
                fast(),
            ),
            requests: named(
                own,
                "api_requests",
                "Requests to the API server, by method and status code",
                Family::default(),
            ),
            proposals: named(
                own,
                "proposal_steps",
                "Steps of Proposals, by tool and the phase that they came into",
                Family::default(),
            ),
            decision_seconds: named(
                own,
                "decision_seconds",
                "From the question to the decision, by tool",
                Family::new_with_constructor(slow),
            ),
            enforcement_seconds: named(
                own,
                "enforcement_seconds",
                "From the decision until every sidecar enforced it, by tool",
                Family::new_with_constructor(fast),
            ),
            notices: named(
                own,
                "notices",
                "Notices sent to the webhook for people, by outcome",
                Family::default(),
            ),
            watch_failures: named(
                own,
                "watch_failures",
                "Watches that broke and were started again",
                Counter::default(),
            ),
            leading: named(
                own,
                "leading",
                "1 while this operator holds the lease",
                Gauge::default(),
            ),
            registry: Mutex::new(registry),
        }
    }
}

/// The metric, under a name in `registry`; clones share their numbers.
fn named<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Milliseconds to minutes: what programs do.
fn fast() -> Histogram {
    Histogram::new([
        0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
    ])
}

/// Seconds to days: what people do.
fn slow() -> Histogram {
    Histogram::new([
        10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259_200.0,
    ])
}

impl Metrics {
    /// Adds caches whose state is shown.
    pub fn watch(&self, snapshot: Snapshot) {
        self.world.watch(snapshot);
    }

    /// The page that Prometheus reads.
    pub fn page(&self, leading: bool) -> Result<String, fmt::Error> {
        self.leading.set(leading.into());
        self.world.refresh();
        let mut page = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut page, &registry)?;
        Ok(page)
    }

    /// A change concerns this Bottle: it waits for its reconcile.
    pub fn woken(&self, namespace: &str, bottle: &str) {
        self.queue.woken(namespace, bottle);
    }

    /// Its reconcile's turn has come, or it is gone.
    pub fn has_its_turn(&self, namespace: &str, bottle: &str) {
        self.queue.left(namespace, bottle);
    }

    /// A reconcile begins; it is counted as running until the guard goes.
    pub fn begins(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    /// A reconcile has ended.
    pub fn reconciled(&self, outcome: &str, took: Duration) {
        self.reconciles
            .get_or_create(&[("outcome", outcome.to_owned())])
            .inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A watch broke.
    pub fn watch_failed(&self) {
        self.watch_failures.inc();
    }

    /// A notice was sent, or not.
    pub fn noticed(&self, outcome: &str) {
        self.notices
            .get_or_create(&[("outcome", outcome.to_owned())])
            .inc();
    }

    fn requested(&self, method: &http::Method, code: &str) {
        let labels = [("method", method.to_string()), ("code", code.to_owned())];
        self.requests.get_or_create(&labels).inc();
    }

    /// A Proposal's new status is stored.
    pub fn stored(&self, before: &Proposal, status: &ProposalStatus) {
        let was = before.status.as_ref().and_then(|status| status.phase);
        let Some(phase) = status.phase.filter(|phase| was != Some(*phase)) else {
            return;
        };
        let tool = ("tool", before.spec.tool.as_str().to_owned());
        self.proposals
            .get_or_create(&[tool.clone(), ("phase", format!("{phase:?}"))])
            .inc();
        let decided = before.spec.decided_at;
        if was.is_none_or(|was| was == ProposalPhase::Pending)
            && let (Some(decided), Some(asked)) = (decided, before.creation_timestamp())
        {
            let waited = decided.duration_since(asked.0).as_secs_f64();
            self.decision_seconds
                .get_or_create(std::array::from_ref(&tool))
                .observe(waited.max(0.0));
        }
        if phase == ProposalPhase::Enforced
            && let (Some(decided), Some(enforced)) = (decided, status.enforced_at)
        {
            let waited = enforced.duration_since(decided).as_secs_f64();
            self.enforcement_seconds
                .get_or_create(&[tool])
                .observe(waited.max(0.0));
        }
    }
}

/// A reconcile that runs.
pub struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
