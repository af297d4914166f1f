//! What people with Kubernetes' own role `edit` can't do to a bottle by hand, and what stays theirs.

use crate::{
    proposals::with,
    support::{
        cluster::{Space, bottle_pod},
        eventually,
        rest::{
            Patch, accepted,
            path::{CONFIG_MAPS, PODS},
            refused,
        },
    },
};
use serde_json::{Value, json};
use std::time::Duration;

const OPERATORS: &str = "only the operator writes the objects of a bottle";

fn config_map(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"allowlist": ""}})
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "none.invalid/none"}]},
    })
}

fn of_bottle() -> Value {
    json!({"bot-bottle.dev/bottle": "demo"})
}

#[tokio::test]
async fn a_bottles_objects_are_the_operators() {
    let space = Space::new().await;
    let alice = space.editor("alice").await.requests;
    space.sidecar("demo").await;
    let operator = space.operator().await.requests;
    accepted(
        "the ConfigMap",
        operator
            .create(CONFIG_MAPS, &config_map("demo-bottle", &of_bottle()))
            .await,
    );

    let open = json!({"data": {"allowlist": "evil.example\n"}});
    refused(
        "open the allowlist",
        alice.merge(CONFIG_MAPS, "demo-bottle", open.clone()).await,
        OPERATORS,
    );
    let unlabel = json!({"metadata": {"labels": {"bot-bottle.dev/bottle": null}}});
    refused(
        "take the label off",
        alice
            .merge(CONFIG_MAPS, "demo-bottle", unlabel.clone())
            .await,
        OPERATORS,
    );
    let both = json!({"metadata": {"labels": {"bot-bottle.dev/bottle": null}}, "data": {"allowlist": "evil.example\n"}});
    refused(
        "both at once",
        alice.merge(CONFIG_MAPS, "demo-bottle", both).await,
        OPERATORS,
    );
    let apply = config_map("demo-bottle", &json!({}));
    let answer = alice.patch(CONFIG_MAPS, "demo-bottle", Patch::Apply, &apply);
    refused("apply", answer.await, OPERATORS);
    refused(
        "as the administrator",
        space
            .admin
            .merge(CONFIG_MAPS, "demo-bottle", open.clone())
            .await,
        OPERATORS,
    );

    // Mounted by name: whoever could delete it could put their own in its place.
    for who in [&alice, &space.admin] {
        refused(
            "delete",
            who.delete(CONFIG_MAPS, "demo-bottle").await,
            OPERATORS,
        );
        let all = format!("{CONFIG_MAPS}?labelSelector=bot-bottle.dev/bottle");
        refused("delete all", who.delete(&all, "").await, OPERATORS);
    }

    let annotate = json!({"metadata": {"annotations": {"a": "b"}}});
    refused(
        "annotate the pod",
        alice.merge(PODS, "demo-bottle", annotate.clone()).await,
        OPERATORS,
    );
    refused(
        "take the pod's label off",
        alice.merge(PODS, "demo-bottle", unlabel).await,
        OPERATORS,
    );
    let image = json!({"spec": {"containers": [{"name": "agent", "image": "evil.invalid/evil"}]}});
    refused(
        "another image",
        alice
            .patch(PODS, "demo-bottle", Patch::Strategic, &image)
            .await,
        OPERATORS,
    );
    let debug =
        json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "none.invalid/none"}]}});
    refused(
        "kubectl debug, as the administrator",
        space
            .admin
            .patch(
                PODS,
                "demo-bottle/ephemeralcontainers",
                Patch::Strategic,
                &debug,
            )
            .await,
        OPERATORS,
    );
    let resize = json!({"spec": {"containers": [{"name": "agent", "resources": {"requests": {"cpu": "1"}}}]}});
    refused(
        "resize",
        space
            .admin
            .patch(PODS, "demo-bottle/resize", Patch::Strategic, &resize)
            .await,
        OPERATORS,
    );

    accepted(
        "the operator patches its ConfigMap",
        operator.merge(CONFIG_MAPS, "demo-bottle", open).await,
    );
    accepted(
        "the operator annotates its pod",
        operator.merge(PODS, "demo-bottle", annotate).await,
    );
    accepted(
        "the operator resizes its pod",
        operator
            .patch(PODS, "demo-bottle/resize", Patch::Strategic, &resize)
            .await,
    );
}

#[tokio::test]
async fn nobody_makes_what_looks_like_a_bottles_object() {
    let space = Space::new().await;
    let alice = space.editor("alice").await.requests;
    space.sidecar("demo").await;
    for (what, path, object) in [
        (
            "a labelled ConfigMap",
            CONFIG_MAPS,
            config_map("mine", &of_bottle()),
        ),
        (
            "a labelled pod",
            PODS,
            with(pod("mine"), &[("/metadata/labels", of_bottle())]),
        ),
        (
            "a pod with the sidecars' account",
            PODS,
            with(
                pod("mine"),
                &[("/spec/serviceAccountName", json!("bottle-supervise"))],
            ),
        ),
        (
            "by the old name of that field",
            PODS,
            with(
                pod("mine"),
                &[("/spec/serviceAccount", json!("bottle-supervise"))],
            ),
        ),
        (
            "a whole bottle's pod",
            PODS,
            bottle_pod("other-bottle", "other"),
        ),
    ] {
        refused(what, alice.create(path, &object).await, OPERATORS);
    }
    accepted(
        "an ordinary ConfigMap",
        alice
            .create(CONFIG_MAPS, &config_map("mine", &json!({"a": "b"})))
            .await,
    );
    let label = json!({"metadata": {"labels": of_bottle()}});
    refused(
        "labelled later",
        alice.merge(CONFIG_MAPS, "mine", label.clone()).await,
        OPERATORS,
    );
    let edit = json!({"data": {"a": "b"}});
    accepted("edited", alice.merge(CONFIG_MAPS, "mine", edit).await);
    accepted("an ordinary pod", alice.create(PODS, &pod("mine")).await);
    refused(
        "the pod labelled later",
        alice.merge(PODS, "mine", label).await,
        OPERATORS,
    );
    accepted(
        "the pod annotated",
        alice
            .merge(
                PODS,
                "mine",
                json!({"metadata": {"annotations": {"a": "b"}}}),
            )
            .await,
    );
    accepted("the pod deleted", alice.delete(PODS, "mine").await);
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
