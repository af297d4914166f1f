//! Tells the Bottle's status which config the sidecars enforce, and which of them lags.

use super::feed::Hashes;
use super::store::StoreError;
use super::view::{View, lagging};
use crate::telemetry::chain;
use serde_json::{Map, Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// How long a sidecar may take over a new config before it is named. Most take milliseconds; a proxy that closes many
/// connections takes a second.
const LAG: Duration = Duration::from_secs(30);
/// First and longest pause between two tries.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Whoever keeps the Bottle's `status.sidecar`.
pub trait BottleStatus: Send + Sync + 'static {
    /// Merges these fields into `status.sidecar`.
    fn merge(&self, sidecar: &Value) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Reports for ever, each state once; the first report has the fields of `first` too, and `begun` is told of it.
pub async fn run(
    status: &impl BottleStatus,
    mut view: watch::Receiver<Arc<View>>,
    hashes: watch::Receiver<Hashes>,
    enforcers: &[String],
    mut first: Map<String, Value>,
    begun: &Notify,
) {
    let mut reported = json!({});
    let mut since = (String::new(), Instant::now());
    loop {
        let now = view.borrow_and_update().clone();
        if now.hash != since.0 {
            since = (now.hash.clone(), Instant::now());
        }
        let late = since.1 + LAG;
        let fields = if now.enforced {
            Some(json!({"enforcedHash": now.hash, "lagging": null}))
        } else if Instant::now() >= late {
            let hashes = hashes.borrow().clone();
            let roles: Vec<&str> = lagging(enforcers, &hashes, &now.hash).collect();
            Some(json!({"lagging": roles.join(", ")}))
        } else {
            None
        };
        if let Some(fields) = fields.filter(|fields| *fields != reported) {
            let mut all = fields.clone();
            if let Some(all) = all.as_object_mut() {
                all.append(&mut first);
            }
            send(status, &all).await;
            begun.notify_one();
            reported = fields;
            continue;
        }
        tokio::select! {
            changed = view.changed() => if changed.is_err() { return },
            () = sleep_until(late), if !now.enforced && Instant::now() < late => {}
        }
    }
}

async fn send(status: &impl BottleStatus, fields: &Value) {
    let mut pause = RETRY.0;
    while let Err(error) = status.merge(fields).await {
        tracing::warn!(error = chain(&error), "Can't report to the Bottle's status");
        sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
    tracing::info!(%fields, "Reported to the Bottle's status");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::task::yield_now;

    /// Remembers what was merged; fails as often as it is told.
    #[derive(Default)]
    struct FakeStatus {
        merged: Mutex<Vec<Value>>,
        failures: Mutex<u32>,
    }

    impl BottleStatus for Arc<FakeStatus> {
        async fn merge(&self, sidecar: &Value) -> Result<(), StoreError> {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(StoreError::Failed {
                    operation: "patching",
                    source: "gone".into(),
                });
            }
            self.merged.lock().unwrap().push(sidecar.clone());
            Ok(())
        }
    }

    fn view(hash: &str, enforced: bool) -> Arc<View> {
        let mut view = View::new(None, hash.to_owned());
        view.enforced = enforced;
        Arc::new(view)
    }

    #[tokio::test(start_paused = true)]
    async fn each_enforced_config_is_reported_once_and_a_lagging_role_is_named() {
        let status = Arc::new(FakeStatus {
            failures: Mutex::new(2),
            ..FakeStatus::default()
        });
        let (views, receiver) = watch::channel(view("one", true));
        let (_state, hashes) = watch::channel(Hashes::new());
        let task = Arc::clone(&status);
        tokio::spawn(async move {
            let first = Map::from_iter([("settings".to_owned(), Value::Null)]);
            let egress = ["egress".to_owned()];
            run(&task, receiver, hashes, &egress, first, &Notify::new()).await;
        });
        sleep(Duration::from_secs(60)).await;
        views.send(view("two", false)).unwrap();
        sleep(LAG / 2).await;
        assert_eq!(status.merged.lock().unwrap().len(), 1);
        sleep(LAG * 9).await;
        views.send(view("two", true)).unwrap();
        sleep(LAG * 9).await;
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(
            *status.merged.lock().unwrap(),
            [
                json!({"enforcedHash": "one", "lagging": null, "settings": null}),
                json!({"lagging": "egress"}),
                json!({"enforcedHash": "two", "lagging": null}),
            ]
        );
    }
}
