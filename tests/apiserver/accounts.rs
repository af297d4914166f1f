//! Tokens of the sidecars' account, and status: closed to people, administrators included.

use crate::{
    proposals::asked,
    support::{
        cluster::Space,
        rest::{
            accepted, forbidden,
            path::{ACCOUNTS, BOTTLES, PODS, PROPOSALS},
            refused,
        },
    },
};
use serde_json::{Value, json};

#[tokio::test]
async fn only_a_kubelet_asks_for_a_sidecars_token() {
    let space = Space::new().await;
    let alice = space.editor("alice").await.requests;
    space.sidecar("demo").await;
    let request = |bound: Value| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [], "boundObjectRef": bound}});
    let pod = accepted("read", space.admin.get(PODS, "demo-bottle").await);
    let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": "demo-bottle", "uid": pod["metadata"]["uid"]});
    let path = format!("{ACCOUNTS}/bottle-supervise/token");
    for (what, who) in [
        ("alice", &alice),
        ("the administrator", &space.admin),
        ("the operator", &space.operator().await.requests),
    ] {
        let answer = who.create(&path, &request(bound.clone())).await;
        if what == "the operator" {
            forbidden(what, answer);
        } else {
            refused(what, answer, "only a kubelet asks for a sidecar's token");
        }
    }
    let answer = alice.create(&path, &request(Value::Null)).await;
    refused(
        "unbound",
        answer,
        "only a kubelet asks for a sidecar's token",
    );
    let answer = alice
        .create(&format!("{ACCOUNTS}/alice/token"), &request(Value::Null))
        .await;
    accepted("a token of another account", answer);
}

#[tokio::test]
async fn nobody_but_the_operator_and_the_sidecar_writes_status() {
    let space = Space::new().await;
    let alice = space.editor("alice").await.requests;
    asked(&space, "demo-1").await;
    let bottle = json!({"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "metadata": {"name": "demo"}, "spec": {}});
    accepted("a bottle", alice.create(BOTTLES, &bottle).await);
    let fragment = "only the operator and the bottle's own sidecar write status";
    for (path, name) in [(PROPOSALS, "demo-1/status"), (BOTTLES, "demo/status")] {
        for status in [
            json!({"phase": "Failed"}),
            json!({"sidecar": {"generation": 1, "asked": 1}}),
        ] {
            let patch = json!({"status": status});
            refused(name, alice.merge(path, name, patch.clone()).await, fragment);
            refused(name, space.admin.merge(path, name, patch).await, fragment);
        }
        let operator = space.operator().await.requests;
        accepted(
            name,
            operator
                .merge(path, name, json!({"status": {"phase": "Failed"}}))
                .await,
        );
    }
    accepted(
        "her Bottle",
        alice
            .merge(
                BOTTLES,
                "demo",
                json!({"spec": {"allowlist": ["a.example"]}}),
            )
            .await,
    );
}
