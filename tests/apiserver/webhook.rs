//! The operator's own webhook, in a cluster that serves no MutatingAdmissionPolicy; `tests/run` starts one for it.

use crate::{
    audit::log,
    process::{Operator, PATIENCE},
    proposals::{asked, decide},
    support::{
        cluster::{OPERATOR, OPERATOR_NAMESPACE, Space},
        eventually,
        install::decisions,
        rest::{Requests, accepted, path::PROPOSALS, refused},
    },
};
use serde_json::{Value, json};
use std::net::TcpListener;

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

fn name() -> String {
    format!("{OPERATOR}-decision.{OPERATOR_NAMESPACE}")
}

/// This API server reaches no Service, so the webhook is named by its address.
async fn point(admin: &Requests, port: u16) {
    let url = json!([
        {"op": "remove", "path": "/webhooks/0/clientConfig/service"},
        {"op": "add", "path": "/webhooks/0/clientConfig/url", "value": format!("https://localhost:{port}/decision")},
    ]);
    let patch = crate::support::rest::Patch::Json;
    accepted(
        "pointed",
        admin.patch(CONFIGURATIONS, &name(), patch, &url).await,
    );
}

async fn bundle(admin: &Requests) -> Value {
    let stored = accepted(
        "the configuration",
        admin.get(CONFIGURATIONS, &name()).await,
    );
    stored["webhooks"][0]["clientConfig"]["caBundle"].clone()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster without MutatingAdmissionPolicy"]
async fn the_webhook_records_who_decided_and_without_it_nobody_can() {
    assert_eq!(
        decisions(),
        "webhook",
        "this cluster fills it in by a policy"
    );
    let space = Space::new().await;
    let alice = space.reviewer("alice").await;
    for proposal in ["demo-1", "demo-2", "demo-3"] {
        asked(&space, proposal).await;
    }
    let approve = json!({"spec": {"decision": "Approved"}});
    let fails = "failed calling webhook";
    refused(
        "nobody serves",
        alice
            .requests
            .merge(PROPOSALS, "demo-1", approve.clone())
            .await,
        fails,
    );
    // Only decisions depend on it.
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    accepted(
        "a label",
        alice.requests.merge(PROPOSALS, "demo-1", label).await,
    );

    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    point(&space.admin, port).await;
    let arguments = [
        format!("--webhook=127.0.0.1:{port}"),
        format!("--webhook-configuration={}", name()),
        "--webhook-host=localhost".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let operator = Operator::start(&space, "first", &arguments, "").await;
    eventually("a certificate is published", PATIENCE, async || {
        (!bundle(&space.admin).await.is_null()).then_some(())
    })
    .await;
    // The API server takes a moment to know it.
    let decided = eventually("decided", PATIENCE, async || {
        alice
            .requests
            .merge(PROPOSALS, "demo-1", approve.clone())
            .await
            .ok()
    })
    .await;
    assert_eq!(decided["spec"]["decidedBy"], alice.username);
    assert!(decided["spec"]["decidedAt"].is_string(), "{decided}");
    let bob = space.reviewer("bob").await;
    let revoked = decide(&bob.requests, "demo-1", "Revoked").await;
    assert_eq!(revoked["spec"]["decidedBy"], alice.username);
    assert_eq!(revoked["spec"]["revokedBy"], bob.username);
    let forged = json!({"spec": {"decision": "Approved", "decidedBy": bob.username}});
    refused(
        "in bob's name",
        alice.requests.merge(PROPOSALS, "demo-2", forged).await,
        "filled in from your own request",
    );

    // Another operator takes over: its certificate is a new one, and the old one's stays beside it.
    let before = bundle(&space.admin).await;
    drop(operator);
    refused(
        "nobody serves any more",
        alice
            .requests
            .merge(PROPOSALS, "demo-3", approve.clone())
            .await,
        fails,
    );
    let _second = Operator::start(&space, "second", &arguments, "").await;
    eventually("decided again", PATIENCE, async || {
        alice
            .requests
            .merge(PROPOSALS, "demo-3", approve.clone())
            .await
            .ok()
    })
    .await;
    assert_ne!(bundle(&space.admin).await, before);

    // What it may do for that is what it does.
    let role = format!("{OPERATOR}-webhook.{OPERATOR_NAMESPACE}");
    let granted = log::granted(&space, ROLES, &role).await;
    log::is_what_is_used(&granted, |object| {
        object["resource"] == "mutatingwebhookconfigurations"
    })
    .await;
}
