//! Attempts to date a decision by hand: CEL has no clock, so the time is read from managedFields, and a client may
//! send those along.

use crate::{
    proposals::{asked, question, with},
    support::{
        cluster::Space,
        person::Person,
        rest::{accepted, path::PROPOSALS, refused},
    },
};
use serde_json::{Value, json};

const PAST: &str = "1999-01-01T00:00:00Z";
const FUTURE: &str = "2099-01-01T00:00:00Z";
const UNKNOWN: &str = "the time of this decision can't be told from metadata.managedFields";

fn entry(manager: &str, time: &str, fields: &Value) -> Value {
    json!({
        "manager": manager,
        "operation": "Update",
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    })
}

fn decision() -> Value {
    json!({"f:spec": {"f:decision": {}}})
}

/// The stored object with `entries` beside those that it has, decided.
fn decided_with(stored: &Value, decision: &str, entries: &[Value]) -> Value {
    let own = stored["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let all: Vec<Value> = own.into_iter().chain(entries.iter().cloned()).collect();
    with(
        stored.clone(),
        &[
            ("/spec/decision", json!(decision)),
            ("/metadata/managedFields", json!(all)),
        ],
    )
}

/// `count` entries of other managers, all in the future, the oldest first.
fn crowd(count: usize, fields: &Value) -> Vec<Value> {
    (0..count)
        .map(|index| {
            entry(
                &format!("m{index}"),
                &format!("2099-01-01T00:00:{index:02}Z"),
                fields,
            )
        })
        .collect()
}

/// Either refused as unknown, or recorded with the API server's own time.
async fn never_dated(what: &str, space: &Space, person: &Person, name: &str, object: &Value) {
    match person.requests.put(PROPOSALS, name, object).await {
        Err(status) => refused(what, Err(status), UNKNOWN),
        Ok(stored) => {
            assert_eq!(stored["spec"]["decidedBy"], person.username, "{what}");
            let created = stored["metadata"]["creationTimestamp"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            asked(space, &format!("{name}-after")).await;
            let after = accepted(
                "read",
                space.admin.get(PROPOSALS, &format!("{name}-after")).await,
            );
            let after = after["metadata"]["creationTimestamp"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let at = stored["spec"]["decidedAt"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                created <= at && at <= after,
                "{what}: {created} {at} {after}"
            );
        }
    }
}

#[tokio::test]
async fn entries_sent_along_do_not_date_a_decision() {
    let space = Space::new().await;
    let alice = space.reviewer("alice").await;
    let justification = json!({"f:spec": {"f:justification": {}}});
    let attempts: [(&str, Vec<Value>); 8] = [
        ("past", vec![entry("a", PAST, &justification)]),
        ("future", vec![entry("z", FUTURE, &justification)]),
        ("owner in the past", vec![entry("a", PAST, &decision())]),
        ("owner in the future", vec![entry("z", FUTURE, &decision())]),
        (
            "both",
            vec![
                entry("a", PAST, &decision()),
                entry("z", FUTURE, &decision()),
            ],
        ),
        (
            "by apply",
            vec![with(
                entry("a", PAST, &decision()),
                &[("/operation", json!("Apply"))],
            )],
        ),
        (
            "by the status",
            vec![with(
                entry("a", PAST, &decision()),
                &[("/subresource", json!("status"))],
            )],
        ),
        (
            "another version",
            vec![with(
                entry("a", PAST, &decision()),
                &[("/apiVersion", json!("bot-bottle.dev/v1"))],
            )],
        ),
    ];
    for (index, (what, entries)) in attempts.into_iter().enumerate() {
        let name = format!("demo-{index}");
        let stored = asked(&space, &name).await;
        never_dated(
            what,
            &space,
            &alice,
            &name,
            &decided_with(&stored, "Approved", &entries),
        )
        .await;
        // First the entries, then the decision.
        let name = format!("planted-{index}");
        let stored = asked(&space, &name).await;
        let planted = decided_with(&stored, "Pending", &entries);
        let stored = accepted(what, alice.requests.put(PROPOSALS, &name, &planted).await);
        never_dated(
            what,
            &space,
            &alice,
            &name,
            &decided_with(&stored, "Approved", &[]),
        )
        .await;
    }
}

/// Above ten, the oldest entries are merged, and get the time of the newest of them.
#[tokio::test]
async fn a_crowd_of_entries_does_not_date_a_decision() {
    let space = Space::new().await;
    let alice = space.reviewer("alice").await;
    for (count, fields) in [
        (9, decision()),
        (10, decision()),
        (15, json!({"f:spec": {"f:expiresAt": {}}})),
        (30, json!({"f:spec": {"f:expiresAt": {}}})),
    ] {
        let what = format!("{count} entries");
        let name = format!("crowd-{count}");
        let stored = asked(&space, &name).await;
        never_dated(
            &what,
            &space,
            &alice,
            &name,
            &decided_with(&stored, "Approved", &crowd(count, &fields)),
        )
        .await;
        // Brought along when it was made.
        let name = format!("born-{count}");
        let object = with(
            question("demo", &name),
            &[("/metadata/managedFields", json!(crowd(count, &fields)))],
        );
        let stored = accepted(&what, space.admin.create(PROPOSALS, &object).await);
        never_dated(
            &what,
            &space,
            &alice,
            &name,
            &decided_with(&stored, "Approved", &[]),
        )
        .await;
    }
    // The merged entry can be made: this is the case that the rule is for.
    let stored = asked(&space, "merged").await;
    let object = decided_with(
        &stored,
        "Approved",
        &crowd(15, &json!({"f:spec": {"f:expiresAt": {}}})),
    );
    refused(
        "merged",
        alice.requests.put(PROPOSALS, "merged", &object).await,
        UNKNOWN,
    );
}

#[tokio::test]
async fn without_entries_there_is_no_decision() {
    let space = Space::new().await;
    let alice = space.reviewer("alice").await;
    let stored = asked(&space, "demo-1").await;
    let object = with(
        stored,
        &[
            ("/spec/decision", json!("Approved")),
            ("/metadata/managedFields", json!([{}])),
        ],
    );
    refused(
        "entries reset",
        alice.requests.put(PROPOSALS, "demo-1", &object).await,
        UNKNOWN,
    );
}
