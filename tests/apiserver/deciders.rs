//! Who decided, and when: filled in from the request itself, whatever way it takes.

use crate::{
    proposals::{asked, decide, with},
    support::{
        cluster::Space,
        rest::{
            Answer, Patch, accepted,
            path::{CONFIG_MAPS, PROPOSALS},
            refused,
        },
    },
};
use serde_json::{Value, json};

/// The API server's clock, in whole seconds: the time of an object made now.
async fn now(space: &Space) -> String {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "clock-"}});
    let made = accepted("a clock", space.admin.create(CONFIG_MAPS, &object).await);
    text(&made, "/metadata/creationTimestamp")
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}"))
        .to_owned()
}

/// Decides by one of the ways that a request can take.
async fn by(
    way: &str,
    space: &Space,
    person: &crate::support::rest::Requests,
    name: &str,
    decision: &str,
) -> Answer {
    match way {
        "merge patch" => {
            person
                .merge(PROPOSALS, name, json!({"spec": {"decision": decision}}))
                .await
        }
        "JSON patch" => {
            let patch = json!([{"op": "replace", "path": "/spec/decision", "value": decision}]);
            person.patch(PROPOSALS, name, Patch::Json, &patch).await
        }
        "apply" => {
            let object = json!({
                "apiVersion": "bot-bottle.dev/v1alpha1",
                "kind": "Proposal",
                "metadata": {"name": name},
                "spec": {"decision": decision},
            });
            person.patch(PROPOSALS, name, Patch::Apply, &object).await
        }
        _ => {
            let stored = accepted("read", space.admin.get(PROPOSALS, name).await);
            let object = with(stored, &[("/spec/decision", json!(decision))]);
            person.put(PROPOSALS, name, &object).await
        }
    }
}

#[tokio::test]
async fn every_way_to_decide_records_who_and_when() {
    let space = Space::new().await;
    let (alice, bob) = (space.reviewer("alice").await, space.reviewer("bob").await);
    for (index, way) in ["merge patch", "JSON patch", "apply", "PUT"]
        .into_iter()
        .enumerate()
    {
        let name = format!("demo-{index}");
        asked(&space, &name).await;
        let before = now(&space).await;
        let approved = accepted(
            way,
            by(way, &space, &alice.requests, &name, "Approved").await,
        );
        let after = now(&space).await;
        assert_eq!(approved["spec"]["decidedBy"], alice.username, "{way}");
        let at = text(&approved, "/spec/decidedAt");
        assert!(before <= at && at <= after, "{way}: {before} {at} {after}");
        assert_eq!(approved["spec"]["revokedBy"], Value::Null, "{way}");

        let revoked = accepted(way, by(way, &space, &bob.requests, &name, "Revoked").await);
        let later = now(&space).await;
        assert_eq!(revoked["spec"]["decidedBy"], alice.username, "{way}");
        assert_eq!(text(&revoked, "/spec/decidedAt"), at, "{way}");
        assert_eq!(revoked["spec"]["revokedBy"], bob.username, "{way}");
        let revoked_at = text(&revoked, "/spec/revokedAt");
        assert!(
            after <= revoked_at && revoked_at <= later,
            "{way}: {after} {revoked_at} {later}"
        );
    }
}

#[tokio::test]
async fn kubectl_records_who_and_when() {
    let space = Space::new().await;
    let alice = space.reviewer("alice").await;
    asked(&space, "by-edit").await;
    let editor = "sed -i s/decision:.Pending/decision:\\ Rejected/";
    let output = alice.kubectl(
        &["edit", "proposal", "by-edit"],
        &[("KUBE_EDITOR", editor)],
        "",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    asked(&space, "by-patch").await;
    let patch = r#"{"spec":{"decision":"Rejected"}}"#;
    let output = alice.kubectl(
        &["patch", "proposal", "by-patch", "--type=merge", "-p", patch],
        &[],
        "",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    asked(&space, "by-apply").await;
    let object = "{apiVersion: bot-bottle.dev/v1alpha1, kind: Proposal, metadata: {name: by-apply}, spec: {bottle: demo, bottleUID: 5c1f8a0e-0000-4000-8000-000000000000, tool: pipelock-block, justification: the documentation is there, proposedFile: \"docs.example\\n\", decision: Rejected}}";
    let output = alice.kubectl(&["apply", "-f", "-"], &[], object);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for name in ["by-edit", "by-patch", "by-apply"] {
        let stored = accepted(name, space.admin.get(PROPOSALS, name).await);
        assert_eq!(stored["spec"]["decision"], "Rejected", "{name}");
        assert_eq!(stored["spec"]["decidedBy"], alice.username, "{name}");
    }
}

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
