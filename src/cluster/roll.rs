//! Whose turn it is to start anew for a class' change, shared by all loops, and the classes' statuses.

use super::Context;
use crate::{
    api::{Bottle, BottleClass, BottleClassStatus},
    names::FIELD_MANAGER,
    plan::{
        Observed, Plan,
        roll::{Key, Of, Progress, Rolls, Standing},
    },
    telemetry,
};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};

/// Between two writes of statuses: a thousand bottles are not a thousand writes.
const PAUSE: Duration = Duration::from_secs(2);

/// The bottles of this operator.
#[derive(Debug, Default)]
pub struct Rolling {
    rolls: Mutex<Rolls>,
    changed: Notify,
}

impl Rolling {
    fn rolls(&self) -> MutexGuard<'_, Rolls> {
        self.rolls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bottle is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let known = self
            .rolls()
            .forget(&(namespace.to_owned(), name.to_owned()));
        if known {
            self.changed.notify_one();
        }
    }

    fn note(&self, key: &Key, of: Option<Of>, standing: Standing, now: Timestamp) {
        if self.rolls().note(key, of, standing, now) {
            self.changed.notify_one();
        }
    }

    fn progress(&self) -> BTreeMap<String, Progress> {
        let rolls = self.rolls();
        let of = |class: String| (class.clone(), rolls.progress(&class));
        rolls.classes().into_iter().map(of).collect()
    }

    /// Keeps the classes' statuses, for ever.
    pub async fn tell(&self, client: &Client) {
        let classes = Api::<BottleClass>::all(client.clone());
        let mut told = BTreeMap::new();
        loop {
            self.changed.notified().await;
            sleep(PAUSE).await;
            let now = self.progress();
            // The last bottle of a class left: it has none.
            let gone: Vec<String> = told.keys().cloned().collect();
            let gone = gone.into_iter().filter(|class| !now.contains_key(class));
            let empty: Vec<_> = gone.map(|class| (class, Progress::default())).collect();
            for (class, progress) in now.into_iter().chain(empty) {
                if told.get(&class) != Some(&progress) && store(&classes, &class, progress).await {
                    told.insert(class, progress);
                }
            }
        }
    }
}

/// Whether there is nothing more to store.
async fn store(classes: &Api<BottleClass>, class: &str, progress: Progress) -> bool {
    let Progress {
        generation,
        bottles,
        updated,
        rolling,
        waiting,
    } = progress;
    let status = BottleClassStatus {
        observed_generation: (generation > 0).then_some(generation),
        bottles,
        updated,
        rolling,
        waiting,
    };
    let body = json!({
        "apiVersion": BottleClass::api_version(&()),
        "kind": BottleClass::kind(&()),
        "metadata": {"name": class},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match classes
        .patch_status(class, &params, &Patch::Apply(body))
        .await
    {
        Ok(_) => true,
        // A class that is not there has no status.
        Err(kube::Error::Api(status)) if status.code == 404 => true,
        Err(error) => {
            tracing::warn!(class, error = %telemetry::chain(&error), "Can't store the status of a BottleClass");
            false
        }
    }
}

/// Plans `bottle`, and once more when it has to wait for its turn and the turn is its own.
pub fn plan(context: &Context, bottle: &Bottle, seen: Observed<'_>, now: Timestamp) -> Plan {
    let key = (bottle.namespace().unwrap_or_default(), bottle.name_any());
    let of = seen.class.map(|class| Of {
        class: class.name_any(),
        generation: class.metadata.generation.unwrap_or_default(),
    });
    let rolling = &context.rolling;
    let mut plan = crate::plan::plan(bottle, seen, now);
    if plan.standing == Standing::Waiting {
        let mut rolls = rolling.rolls();
        let turn = rolls.take(&key, of.as_ref(), plan.roll_percent, now);
        drop(rolls);
        if turn {
            plan = crate::plan::plan(bottle, Observed { turn, ..seen }, now);
        }
    }
    rolling.note(&key, of, plan.standing, now);
    plan
}
