//! Who decided, and when, can't be written by hand.

use crate::{
    proposals::{asked, decide},
    support::{
        cluster::Space,
        rest::{accepted, path::PROPOSALS, refused},
    },
};
use serde_json::{Value, json};

const LEAVE_OUT: &str =
    "decidedBy and decidedAt are filled in from your own request; leave them out";
const LEAVE_OUT_REVOKED: &str =
    "revokedBy and revokedAt are filled in from your own request; leave them out";
const BY_HAND: &str = "decidedBy and decidedAt are filled in by a decision, never by hand";
const BY_HAND_REVOKED: &str =
    "revokedBy and revokedAt are filled in by a revocation, never by hand";

#[tokio::test]
async fn nobody_decides_in_anothers_name_or_at_another_time() {
    let space = Space::new().await;
    let alice = space.reviewer("alice").await;
    asked(&space, "demo-1").await;
    let bob = space.username("bob");
    let time = "1999-01-01T00:00:00Z";
    let table = [
        (
            "in bob's name",
            json!({"decision": "Approved", "decidedBy": bob}),
            LEAVE_OUT,
        ),
        (
            "rejected in bob's name",
            json!({"decision": "Rejected", "decidedBy": bob}),
            LEAVE_OUT,
        ),
        (
            "in no name",
            json!({"decision": "Approved", "decidedBy": ""}),
            LEAVE_OUT,
        ),
        (
            "long ago",
            json!({"decision": "Approved", "decidedAt": time}),
            LEAVE_OUT,
        ),
        (
            "in her name, long ago",
            json!({"decision": "Approved", "decidedBy": alice.username, "decidedAt": time}),
            LEAVE_OUT,
        ),
        (
            "revoked at once",
            json!({"decision": "Approved", "revokedBy": bob}),
            BY_HAND_REVOKED,
        ),
        ("no decision", json!({"decidedBy": bob}), BY_HAND),
        (
            "no decision, her own name",
            json!({"decidedBy": alice.username}),
            BY_HAND,
        ),
        ("no decision, a time", json!({"decidedAt": time}), BY_HAND),
        ("no revocation", json!({"revokedBy": bob}), BY_HAND_REVOKED),
        (
            "no revocation, a time",
            json!({"revokedAt": time}),
            BY_HAND_REVOKED,
        ),
    ];
    for (what, spec, fragment) in table {
        let answer = alice
            .requests
            .merge(PROPOSALS, "demo-1", json!({"spec": spec}))
            .await;
        refused(what, answer, fragment);
    }
    let own = json!({"spec": {"decision": "Approved", "decidedBy": alice.username}});
    accepted(
        "her own name",
        alice.requests.merge(PROPOSALS, "demo-1", own).await,
    );
    let table = [
        (
            "revoked in bob's name",
            json!({"decision": "Revoked", "revokedBy": bob}),
            LEAVE_OUT_REVOKED,
        ),
        (
            "revoked long ago",
            json!({"decision": "Revoked", "revokedAt": time}),
            LEAVE_OUT_REVOKED,
        ),
        (
            "no revocation",
            json!({"revokedBy": alice.username}),
            BY_HAND_REVOKED,
        ),
    ];
    for (what, spec, fragment) in table {
        let answer = alice
            .requests
            .merge(PROPOSALS, "demo-1", json!({"spec": spec}))
            .await;
        refused(what, answer, fragment);
    }
}

#[tokio::test]
async fn what_was_recorded_stays() {
    let space = Space::new().await;
    let (alice, bob) = (space.reviewer("alice").await, space.reviewer("bob").await);
    asked(&space, "demo-1").await;
    decide(&alice.requests, "demo-1", "Approved").await;
    let decided = "decidedBy and decidedAt can't be changed after the decision";
    for (what, spec) in [
        ("another name", json!({"decidedBy": bob.username})),
        ("no name", json!({"decidedBy": null})),
        ("another time", json!({"decidedAt": "1999-01-01T00:00:00Z"})),
        ("no time", json!({"decidedAt": null})),
        (
            "with a revocation",
            json!({"decision": "Revoked", "decidedBy": bob.username}),
        ),
    ] {
        let answer = bob
            .requests
            .merge(PROPOSALS, "demo-1", json!({"spec": spec}))
            .await;
        refused(what, answer, decided);
    }
    decide(&bob.requests, "demo-1", "Revoked").await;
    for (what, spec) in [
        ("another name", json!({"revokedBy": alice.username})),
        ("no name", json!({"revokedBy": null})),
        ("another time", json!({"revokedAt": "1999-01-01T00:00:00Z"})),
    ] {
        let answer = alice
            .requests
            .merge(PROPOSALS, "demo-1", json!({"spec": spec}))
            .await;
        refused(
            what,
            answer,
            "revokedBy and revokedAt can't be changed after the revocation",
        );
    }
}

#[tokio::test]
async fn a_write_to_the_status_changes_no_decision() {
    let space = Space::new().await;
    asked(&space, "demo-1").await;
    let operator = space.operator().await.requests;
    let body = json!({
        "metadata": {"labels": {"a": "b"}},
        "spec": {"decision": "Approved", "decidedBy": "alice", "proposedFile": "evil.example\n"},
        "status": {"phase": "Pending"},
    });
    let stored = accepted(
        "both",
        operator.merge(PROPOSALS, "demo-1/status", body).await,
    );
    assert_eq!(stored["status"]["phase"], "Pending");
    assert_eq!(stored["spec"]["decision"], "Pending");
    assert_eq!(stored["spec"]["proposedFile"], "docs.example\n");
    assert_eq!(stored["spec"]["decidedBy"], Value::Null);
    assert_eq!(stored["metadata"]["labels"], Value::Null);
}
