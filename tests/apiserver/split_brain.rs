//! Two operators, one Lease: who is stopped for too long writes nothing when it goes on.

use crate::{
    process::{Operator, PATIENCE},
    proposals::{decide, question, with},
    support::{
        cluster::Space,
        eventually,
        rest::{
            Requests, accepted,
            path::{BOTTLES, CONFIG_MAPS, EVENTS, LEASES, PROPOSALS},
        },
    },
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Short, and long enough for a machine that compiles at the same time.
const LEASE: [&str; 3] = ["--lease=shared", "--lease-seconds=9", "--lease-namespace"];

async fn pair(space: &Space, failpoints: &str) -> (Operator, Operator) {
    let lease = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]});
    space.let_operator(&[lease]).await;
    let arguments = [&LEASE[..], &[&space.namespace]].concat();
    let first = Operator::start(space, "first", &arguments, failpoints).await;
    first.is("leading").await;
    let second = Operator::start(space, "second", &arguments, "").await;
    second.is("standing by").await;
    (first, second)
}

async fn holder(admin: &Requests) -> String {
    let lease = accepted("the Lease", admin.get(LEASES, "shared").await);
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    holder.split('_').next().unwrap_or_default().to_owned()
}

async fn phase(admin: &Requests, proposal: &str, wanted: &str) {
    eventually(&format!("{proposal} is {wanted}"), PATIENCE, async || {
        let stored = admin.get(PROPOSALS, proposal).await.ok()?;
        (stored["status"]["phase"] == wanted).then_some(())
    })
    .await;
}

async fn allowlist(admin: &Requests) -> String {
    let stored = accepted("the ConfigMap", admin.get(CONFIG_MAPS, "demo-bottle").await);
    stored["data"]["allowlist"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// A Bottle whose operator has made its objects, and an approved question of it.
async fn approved(space: &Space) {
    let bottle = json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": "demo"},
        "spec": {"agent": {"kind": "custom", "image": "none.invalid/none", "command": ["true"]}},
    });
    let made = accepted("a Bottle", space.admin.create(BOTTLES, &bottle).await);
    eventually("the ConfigMap is made", PATIENCE, async || {
        space.admin.get(CONFIG_MAPS, "demo-bottle").await.ok()
    })
    .await;
    let question = with(
        question("demo", "demo-1"),
        &[("/spec/bottleUID", made["metadata"]["uid"].clone())],
    );
    accepted("a question", space.admin.create(PROPOSALS, &question).await);
    phase(&space.admin, "demo-1", "Pending").await;
    decide(
        &space.reviewer("alice").await.requests,
        "demo-1",
        "Approved",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_reopens_nothing_that_was_revoked_meanwhile() {
    let space = Space::new().await;
    // Between the grant's number and the config that opens the host, it stops as if somebody had stopped it there.
    // When it goes on, it is slow to notice that its lease is lost: the write that waits has its try.
    let failpoints = "before-apply-config-map=sleep(1500);lease-lost=sleep(3000)";
    let (mut first, second) = pair(&space, failpoints).await;
    approved(&space).await;
    phase(&space.admin, "demo-1", "Applying").await;
    first.signal(Signal::SIGSTOP);
    second.is("leading").await;
    assert_eq!(holder(&space.admin).await, "second");
    // The grant came through once, by whoever it was; then somebody takes it back.
    eventually("the grant is in the config", PATIENCE, async || {
        allowlist(&space.admin)
            .await
            .contains("docs.example")
            .then_some(())
    })
    .await;
    decide(&space.reviewer("bob").await.requests, "demo-1", "Revoked").await;
    eventually("the host is closed", PATIENCE, async || {
        (!allowlist(&space.admin).await.contains("docs.example")).then_some(())
    })
    .await;
    phase(&space.admin, "demo-1", "Revoked").await;
    let before = at_rest(&space.admin).await;

    first.signal(Signal::SIGCONT);
    let status = first.ended().await;
    assert_eq!(status.code(), Some(1), "it ends, to begin anew");
    let log = first.log();
    assert!(log.contains("lost the lease"), "{log}");
    // It did try: without that, nothing would be shown here.
    assert!(log.contains("does not hold the lease"), "{log}");
    assert_eq!(versions(&space.admin).await, before, "somebody wrote");
    assert_eq!(holder(&space.admin).await, "second");
    let stored = accepted("read", space.admin.get(PROPOSALS, "demo-1").await);
    assert_eq!(stored["status"]["appliedSequence"], 1);
    second.is("leading").await;
}

/// What is stored once the operator that leads has nothing left to write.
async fn at_rest(admin: &Requests) -> Value {
    eventually("nothing is written for two seconds", PATIENCE, async || {
        let before = versions(admin).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        (versions(admin).await == before).then_some(before)
    })
    .await
}

/// Everything that an operator writes, as it is stored.
async fn versions(admin: &Requests) -> Value {
    let version = |object: Value| object["metadata"]["resourceVersion"].clone();
    let events = accepted("Events", admin.get(EVENTS, "").await);
    let of_first = events["items"].as_array().map_or(0, |events| {
        let reports = |event: &&Value| event["reportingInstance"] == "first";
        events.iter().filter(reports).count()
    });
    json!({
        "Bottle": version(accepted("Bottle", admin.get(BOTTLES, "demo").await)),
        "Proposal": version(accepted("Proposal", admin.get(PROPOSALS, "demo-1").await)),
        "ConfigMap": version(accepted("ConfigMap", admin.get(CONFIG_MAPS, "demo-bottle").await)),
        "Events of the first": of_first,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_hands_over_and_what_was_decided_before_is_applied_after() {
    let space = Space::new().await;
    let (mut first, second) = pair(&space, "").await;
    approved(&space).await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().await.code(), Some(0));
    assert!(
        first.log().contains("the lease is given back"),
        "{}",
        first.log()
    );
    second.is("leading").await;
    phase(&space.admin, "demo-1", "Applying").await;
    eventually("the grant is in the config", PATIENCE, async || {
        allowlist(&space.admin)
            .await
            .contains("docs.example")
            .then_some(())
    })
    .await;
    let lease = accepted("the Lease", space.admin.get(LEASES, "shared").await);
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_lease_to_another_ends() {
    let space = Space::new().await;
    let (mut first, _second) = pair(&space, "").await;
    let thief = json!({"spec": {"holderIdentity": "somebody"}});
    accepted("stolen", space.admin.merge(LEASES, "shared", thief).await);
    assert_eq!(first.ended().await.code(), Some(1));
    assert!(
        first.log().contains("somebody else holds it"),
        "{}",
        first.log()
    );
}
