//! What controllers do in somebody's stead: nothing that they may not do by hand, and all that a bottle's end takes.

use crate::{
    proposals::with,
    support::{
        cluster::Space,
        eventually,
        rest::{
            accepted,
            path::{CONFIG_MAPS, PODS},
        },
    },
};
use serde_json::{Value, json};
use std::time::Duration;

const OPERATORS: &str = "only the operator writes the objects of a bottle";

fn config_map(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"allowlist": ""}})
}

fn of_bottle() -> Value {
    json!({"bot-bottle.dev/bottle": "demo"})
}

/// Controllers make pods in nobody's name: their exception must not be a way around.
#[tokio::test]
async fn a_job_makes_no_pod_with_the_sidecars_account() {
    let space = Space::new().await;
    let alice = space.editor("alice").await.requests;
    space.sidecar("demo").await;
    let jobs = "/apis/batch/v1/namespaces/{}/jobs";
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "sneak"},
        "spec": {"template": {"spec": {
            "serviceAccountName": "bottle-supervise",
            "schedulerName": "nobody",
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "none.invalid/none"}],
        }}},
    });
    accepted("a job", alice.create(jobs, &job).await);
    let events = "/api/v1/namespaces/{}/events";
    eventually(
        "the controller's complaint",
        Duration::from_secs(60),
        async || {
            let listed = accepted("events", space.admin.get(events, "").await);
            let pods = accepted(
                "pods",
                space
                    .admin
                    .get(&format!("{PODS}?labelSelector=job-name=sneak"), "")
                    .await,
            );
            assert_eq!(pods["items"], json!([]), "the job has made a pod");
            listed.to_string().contains(OPERATORS).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn garbage_collection_takes_a_bottles_objects() {
    let space = Space::new().await;
    let operator = space.operator().await.requests;
    // An orphaning deletion makes the collector write to the dependent; an ordinary one makes it delete.
    for way in ["Orphan", "Background"] {
        let owner = config_map(&format!("owner-{}", way.to_lowercase()), &json!({}));
        let owner = accepted("an owner", space.admin.create(CONFIG_MAPS, &owner).await);
        let (name, uid) = (&owner["metadata"]["name"], &owner["metadata"]["uid"]);
        let reference =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}]);
        let ours = format!("{}-bottle", way.to_lowercase());
        let object = with(
            config_map(&ours, &of_bottle()),
            &[("/metadata/ownerReferences", reference)],
        );
        accepted("owned", operator.create(CONFIG_MAPS, &object).await);
        let owner = format!(
            "{CONFIG_MAPS}/{}?propagationPolicy={way}",
            name.as_str().unwrap_or_default()
        );
        accepted("the owner is deleted", space.admin.delete(&owner, "").await);
        eventually(way, Duration::from_secs(60), async || {
            match space.admin.get(CONFIG_MAPS, &ours).await {
                Ok(stored) => way == "Orphan" && stored["metadata"]["ownerReferences"].is_null(),
                Err(status) => way == "Background" && status.code == 404,
            }
            .then_some(())
        })
        .await;
    }
}
