//! Who decided, and when: filled in from the request itself, whatever way it takes.

use crate::{
    proposals::{asked, with},
    support::{
        cluster::Space,
        rest::{
            Answer, Patch, accepted,
            path::{CONFIG_MAPS, PROPOSALS},
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
