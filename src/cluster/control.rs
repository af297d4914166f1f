//! The watches, the one reconcile per Bottle, and what happens when it fails.

use super::{
    Context, Error, Scope, apply,
    caches::Caches,
    gone,
    metrics::{Metrics, Snapshot},
    notify::Notifier,
    observe, roll,
    roll::Rolling,
    shared,
    tell::Teller,
    visible::Visible,
    wake::{bottle_ref, wake},
};
use crate::{api::Bottle, names, plan::settings::Settings, proposal::notice::Notice, telemetry};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::{
    Client, Resource, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store},
        utils::Backoff,
        watcher,
    },
};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Reconciles that run at once; each is a handful of requests, and two cores serve about this many.
const CONCURRENCY: u16 = 16;
/// How soon to look again while the caches don't show our own writes; their watch events come sooner.
const CATCH_UP: Duration = Duration::from_millis(200);
/// How often the trail of Bottles that are gone is looked through; it is kept for days.
const SWEEP: Duration = Duration::from_secs(3600);
/// How soon to try again after a failure.
const RETRY: Duration = Duration::from_secs(5);

pub(super) type Guarded = DeserializeGuard<Bottle>;

/// What the operator was told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// As `plan` needs them.
    pub settings: Settings,
    /// The namespaces that it looks after; none: all.
    pub namespaces: Vec<String>,
    /// ClusterRole that the sidecars' accounts are bound to.
    pub sidecar_role: String,
    /// This very operator among several, for its Events.
    pub instance: Option<String>,
    /// Tells people of new questions.
    pub teller: Option<Teller>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

/// Runs the operator until `shutdown`. `ready` is called once for each scope whose caches are filled.
pub async fn run(
    client: Client,
    options: Options,
    ready: impl Fn(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let scopes = Scope::of(&options.namespaces);
    let rolling = Arc::new(Rolling::default());
    let loops = scopes.iter().map(|scope| {
        let rolling = rolling.clone();
        run_scope(client.clone(), scope, options.clone(), rolling, &ready)
    });
    // Every step can be taken again by a successor, so nothing has to be waited for at the end.
    tokio::select! {
        ended = futures::future::try_join_all(loops) => ended.map(drop),
        () = rolling.tell(&client) => Ok(()),
        () = shutdown => Ok(()),
    }
}

/// Each watch pauses by itself after an error of its own; by default a controller would have all of them wait, longer
/// after each error of any.
struct Apart;

impl Iterator for Apart {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl Backoff for Apart {
    fn reset(&mut self) {}
}

async fn run_scope(
    client: Client,
    scope: &Scope,
    options: Options,
    rolling: Arc<Rolling>,
    ready: &impl Fn(),
) -> Result<(), Error> {
    let (caches, feeds) = Caches::new(&client, scope);
    let (fill, filled) = watch::channel(false);
    let (bottles, writer) = reflector::store();
    let context = Arc::new(Context {
        filled,
        bottles: bottles.clone(),
        notifier: Notifier::new(client.clone(), options.instance),
        caches,
        settings: options.settings,
        sidecar_role: options.sidecar_role,
        teller: options.teller,
        metrics: options.metrics,
        visible: Visible::default(),
        cleaning: gone::Running::default(),
        rolling,
        client: client.clone(),
    });
    let metrics = context.metrics.clone();
    let changes = watcher(scope.api::<Guarded>(&client), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .inspect_ok(move |bottle| {
            metrics.woken(&bottle.namespace().unwrap_or_default(), &bottle.name_any());
        });
    let controller = Controller::for_stream(changes, bottles.clone())
        .trigger_backoff(Apart)
        .with_config(controller::Config::default().concurrency(CONCURRENCY));
    context.metrics.watch(Snapshot {
        bottles: bottles.clone(),
        proposals: context.caches.proposals.clone(),
        now: clock,
    });
    let worked = wake(controller, feeds, &bottles, &context.metrics)
        .run(reconcile, on_error, context.clone())
        .for_each(|result| {
            let context = context.clone();
            async move { after(context, result) }
        });
    let filled = async {
        context.caches.ready().await?;
        fill.send_replace(true);
        ready();
        Ok(())
    };
    let left_behind = remind(context.clone(), bottles);
    tokio::select! {
        (filled, ()) = async { futures::join!(filled, worked) } => filled,
        () = left_behind => Ok(()),
    }
}

async fn reconcile(bottle: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    if context
        .filled
        .clone()
        .wait_for(|filled| *filled)
        .await
        .is_err()
    {
        // The operator ends.
        return Ok(Action::await_change());
    }
    context
        .metrics
        .has_its_turn(&bottle.namespace().unwrap_or_default(), &bottle.name_any());
    let bottle = match &bottle.0 {
        Ok(bottle) => bottle,
        Err(invalid) => {
            let notice = Notice {
                warning: true,
                reason: "Undecodable",
                note: format!(
                    "this Bottle can't be read and is left alone: {}; correct it",
                    invalid.error
                ),
            };
            context
                .notifier
                .publish(&bottle.object_ref(&()), None, &notice)
                .await;
            return Ok(Action::await_change());
        }
    };
    if bottle.metadata.deletion_timestamp.is_some() {
        context
            .rolling
            .forget(&bottle.namespace().unwrap_or_default(), &bottle.name_any());
        return Ok(Action::await_change());
    }
    let Some(seen) = observe::observe(&context, bottle) else {
        return Ok(Action::requeue(CATCH_UP));
    };
    let (_running, began) = (context.metrics.begins(), Instant::now());
    let result = match work(&context, bottle, seen).await {
        Err(error) if error.is_gone() => Ok(Action::await_change()),
        other => other,
    };
    let outcome = if result.is_ok() { "ok" } else { "error" };
    context.metrics.reconciled(outcome, began.elapsed());
    result
}

async fn work(context: &Context, bottle: &Bottle, seen: observe::Seen) -> Result<Action, Error> {
    let namespace = bottle.namespace().unwrap_or_default();
    shared::ensure(context, &namespace).await?;
    match carry_out(context, bottle, &seen).await {
        // Something of our name exists that the caches don't show: a foreign object, or one that is too new.
        Err(error) if error.is_conflict() => {
            let object = names::object_name(&bottle.name_any());
            let seen = seen.with_foreign(observe::foreign(context, &namespace, &object).await?);
            match carry_out(context, bottle, &seen).await {
                Err(error) if error.is_conflict() => Ok(Action::requeue(CATCH_UP)),
                other => other,
            }
        }
        other => other,
    }
}

async fn carry_out(
    context: &Context,
    bottle: &Bottle,
    seen: &observe::Seen,
) -> Result<Action, Error> {
    let observed = seen.observed(context);
    let now = clock();
    let plan = roll::plan(context, bottle, observed, now);
    for action in plan.actions {
        tracing::debug!(?action, "apply");
        apply::apply(context, bottle, observed.into(), action).await?;
    }
    Ok(plan
        .recheck
        .map_or_else(Action::await_change, |at| Action::requeue(until(now, at))))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the Controller's"
)]
fn on_error(bottle: Arc<Guarded>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(
        namespace = bottle.namespace().unwrap_or_default(),
        bottle = bottle.name_any(),
        error = %telemetry::chain(error),
        "reconcile failed; trying again"
    );
    Action::requeue(RETRY)
}

/// A Bottle that something refers to and that is not there leaves by the same door as one that was deleted.
fn after(
    context: Arc<Context>,
    result: Result<(ObjectRef<Guarded>, Action), controller::Error<Error, watcher::Error>>,
) {
    match result {
        Err(controller::Error::ObjectNotFound(gone)) => {
            let namespace = gone.namespace.clone().unwrap_or_default();
            context.metrics.has_its_turn(&namespace, &gone.name);
            context.rolling.forget(&namespace, &gone.name);
            tokio::spawn(
                async move { gone::clean_up(&context, &namespace, &gone.name, clock).await },
            );
        }
        Err(controller::Error::QueueError(error)) => {
            context.metrics.watch_failed();
            tracing::warn!(error = %telemetry::chain(&error), "a watch failed; it starts again");
        }
        // on_error has said it.
        Ok(_) | Err(_) => {}
    }
}

/// Looks again at what Bottles that are gone left behind: nothing else would call for it when its time is over.
async fn remind(context: Arc<Context>, bottles: Store<Guarded>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let there = |name: &str, namespace: &str| {
            bottles
                .get(&bottle_ref(name, Some(namespace.to_owned())))
                .is_some()
        };
        for (namespace, name) in context.caches.bottles_with_proposals() {
            if !there(&name, &namespace) {
                gone::clean_up(&context, &namespace, &name, clock).await;
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the operator's one clock; the core takes its value"
)]
fn clock() -> Timestamp {
    Timestamp::now()
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default() + Duration::from_millis(20)
}
