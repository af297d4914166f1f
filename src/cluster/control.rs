//! The watches, the one reconcile per Bottle, and what happens when it fails.

use super::{
    Context, Error, apply, context::Caches, gone, notify::Notifier, observe, shared,
    visible::Visible,
};
use crate::{
    api::{Bottle, BottleClass, Proposal},
    names,
    plan::{self, settings::Settings},
    proposal::notice::Notice,
    telemetry,
};
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Pod, ServiceAccount},
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, future::Future, hash::Hash, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Reconciles that run at once; each is a handful of requests, and two cores serve about this many.
const CONCURRENCY: u16 = 16;
/// How soon to look again while the caches don't show our own writes; their watch events come sooner.
const CATCH_UP: Duration = Duration::from_millis(200);
/// How often the trail of Bottles that are gone is looked through; it is kept for days.
const SWEEP: Duration = Duration::from_secs(3600);
/// How soon to try again after a failure.
const RETRY: Duration = Duration::from_secs(5);

type Guarded = DeserializeGuard<Bottle>;

/// Runs the operator until `shutdown`. `ready` is called once the caches are filled.
pub async fn run(
    client: Client,
    settings: Settings,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let ours = watcher::Config::default().labels(&format!(
        "{}={}",
        names::LABEL_MANAGED_BY,
        names::PRODUCT
    ));
    let all = watcher::Config::default();
    let (proposals, proposal_changes) = cached::<DeserializeGuard<Proposal>>(&client, all.clone());
    let (classes, class_changes) = cached::<DeserializeGuard<BottleClass>>(&client, all.clone());
    let (pods, pod_changes) = cached::<Pod>(&client, ours.clone());
    let (config_maps, config_map_changes) = cached::<ConfigMap>(&client, ours.clone());
    let (service_accounts, service_account_changes) =
        cached::<ServiceAccount>(&client, ours.clone());
    let (role_bindings, role_binding_changes) = cached::<RoleBinding>(&client, ours.clone());
    let (network_policies, network_policy_changes) = cached::<NetworkPolicy>(&client, ours);
    let (fill, filled) = watch::channel(false);
    let context = Arc::new(Context {
        filled,
        notifier: Notifier::new(client.clone(), None),
        caches: Caches {
            proposals,
            classes,
            pods,
            config_maps,
            service_accounts,
            role_bindings,
            network_policies,
        },
        settings,
        visible: Visible::default(),
        client: client.clone(),
    });
    let controller = Controller::new(Api::<Guarded>::all(client), all)
        .with_config(controller::Config::default().concurrency(CONCURRENCY));
    let bottles = controller.store();
    let in_namespace = |bottles: &Store<Guarded>| {
        let bottles = bottles.clone();
        move |namespace: Option<String>| {
            let state = bottles.state();
            let found: Vec<_> = state
                .iter()
                .filter(|bottle| bottle.namespace() == namespace)
                .map(|bottle| ObjectRef::from_obj(&**bottle))
                .collect();
            found
        }
    };
    let (accounts, bindings, policies) = (
        in_namespace(&bottles),
        in_namespace(&bottles),
        in_namespace(&bottles),
    );
    let class_users = bottles.clone();
    let results = controller
        .watches_stream(proposal_changes, |proposal: DeserializeGuard<Proposal>| {
            let namespace = proposal.namespace();
            proposal
                .0
                .ok()
                .map(|proposal| bottle_ref(&proposal.spec.bottle, namespace))
        })
        .watches_stream(
            class_changes,
            move |class: DeserializeGuard<BottleClass>| users(&class_users, &class.name_any()),
        )
        .watches_stream(pod_changes, |pod: Pod| owner(&pod))
        .watches_stream(config_map_changes, |config_map: ConfigMap| {
            owner(&config_map)
        })
        .watches_stream(service_account_changes, move |object: ServiceAccount| {
            accounts(object.namespace())
        })
        .watches_stream(role_binding_changes, move |object: RoleBinding| {
            bindings(object.namespace())
        })
        .watches_stream(network_policy_changes, move |object: NetworkPolicy| {
            policies(object.namespace())
        })
        .run(reconcile, on_error, context.clone());
    let filled = async {
        context.caches.ready().await?;
        fill.send_replace(true);
        ready();
        Ok(())
    };
    let left_behind = remind(context.clone(), bottles);
    let worked = results.for_each(|result| {
        let context = context.clone();
        async move { after(context, result) }
    });
    // Every step can be taken again by a successor, so nothing has to be waited for at the end.
    tokio::select! {
        (filled, ()) = async { futures::join!(filled, worked) } => filled,
        () = left_behind => Ok(()),
        () = shutdown => Ok(()),
    }
}

/// A cache and the changes that fill it.
fn cached<K>(
    client: &Client,
    config: watcher::Config,
) -> (
    Store<K>,
    impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Unpin + Send + Sync,
{
    let (store, writer) = reflector::store();
    let changes = watcher(Api::<K>::all(client.clone()), config)
        .default_backoff()
        // Half of a cached object's size, and nothing here reads them.
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    (store, changes)
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
        return Ok(Action::await_change());
    }
    let Some(seen) = observe::observe(&context, bottle) else {
        return Ok(Action::requeue(CATCH_UP));
    };
    match work(&context, bottle, seen).await {
        Err(error) if error.is_gone() => Ok(Action::await_change()),
        other => other,
    }
}

async fn work(context: &Context, bottle: &Bottle, seen: observe::Seen) -> Result<Action, Error> {
    let namespace = bottle.namespace().unwrap_or_default();
    shared::ensure(context, &namespace).await?;
    match carry_out(context, bottle, &seen).await {
        // Something of our name exists that the caches don't show: a foreign object, or one that is too new.
        Err(error) if error.is_conflict() => {
            let object = names::object_name(&bottle.name_any());
            let (config_map, pod) = observe::foreign(context, &namespace, &object).await?;
            let seen = seen.with_foreign(config_map, pod);
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
    let plan = plan::plan(bottle, observed, now);
    for action in plan.actions {
        tracing::debug!(?action, "apply");
        apply::apply(context, bottle, observed.proposals, action).await?;
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
            tokio::spawn(
                async move { gone::clean_up(&context, &namespace, &gone.name, clock).await },
            );
        }
        Err(controller::Error::QueueError(error)) => {
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

fn bottle_ref(name: &str, namespace: Option<String>) -> ObjectRef<Guarded> {
    let reference = ObjectRef::new(name);
    match namespace {
        Some(namespace) => reference.within(&namespace),
        None => reference,
    }
}

fn owner<K: Resource>(object: &K) -> Option<ObjectRef<Guarded>> {
    let name = object.meta().labels.as_ref()?.get(names::LABEL_BOTTLE)?;
    Some(bottle_ref(name, object.meta().namespace.clone()))
}

fn users(bottles: &Store<Guarded>, class: &str) -> Vec<ObjectRef<Guarded>> {
    let uses = |bottle: &&Arc<Guarded>| {
        bottle
            .0
            .as_ref()
            .is_ok_and(|bottle| bottle.spec.class.as_deref() == Some(class))
    };
    bottles
        .state()
        .iter()
        .filter(uses)
        .map(|bottle| ObjectRef::from_obj(&**bottle))
        .collect()
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
