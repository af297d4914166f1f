//! Tells the Bottle what its sidecars enforce: `status.sidecar.enforcedHash`, and who lags behind.

use super::view::{View, lagging};
use crate::{api::Bottle, names::FIELD_MANAGER_SIDECAR, telemetry::chain};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// A sidecar that has not enforced a config after this time is named.
const LAG: Duration = Duration::from_secs(30);
/// First and longest pause between two tries.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Whose status this is.
pub struct Reporter {
    bottles: Api<Bottle>,
    name: String,
}

impl Reporter {
    /// Reports for the Bottle `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: String) -> Self {
        Self {
            bottles: Api::namespaced(client, namespace),
            name,
        }
    }

    /// Reports every change, until the views end.
    pub async fn run(
        self,
        mut views: watch::Receiver<Arc<View>>,
        hashes: watch::Receiver<BTreeMap<String, String>>,
        enforcers: Vec<String>,
    ) {
        let mut reported = None;
        let mut since = (String::new(), Instant::now());
        loop {
            let view = views.borrow_and_update().clone();
            if since.0 != view.hash {
                since = (view.hash.clone(), Instant::now());
            }
            let late = since.1.elapsed() >= LAG;
            let word = match (view.enforced, late) {
                (true, _) => Some(json!({"enforcedHash": view.hash, "lagging": null})),
                (false, true) => {
                    let current = hashes.borrow();
                    let names: Vec<&str> = lagging(&enforcers, &current, &view.hash).collect();
                    Some(json!({"lagging": names.join(", ")}))
                }
                (false, false) => None,
            };
            if word.is_some() && word != reported {
                if let Some(word) = &word {
                    self.patch(word, &views).await;
                }
                reported = word;
                continue;
            }
            let wake = since.1 + LAG;
            let changed = if view.enforced || late {
                views.changed().await
            } else {
                timeout_at(wake, views.changed()).await.unwrap_or(Ok(()))
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Tries until it succeeds, is refused, or there is something newer to say.
    async fn patch(&self, word: &Value, views: &watch::Receiver<Arc<View>>) {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER_SIDECAR.into()),
            ..PatchParams::default()
        };
        let body = json!({"status": {"sidecar": word}});
        let mut pause = RETRY.0;
        loop {
            match self
                .bottles
                .patch_status(&self.name, &params, &Patch::Merge(&body))
                .await
            {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "What is enforced can't be reported; trying again"
                    );
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
            if views.has_changed().unwrap_or(true) {
                return;
            }
        }
    }
}
