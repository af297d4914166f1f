//! The chart's roles for people, by real tokens: each may do its part and nothing of another's.

use crate::{
    proposals::asked,
    support::{
        cluster::Space,
        rest::{
            Requests, accepted, forbidden,
            path::{BOTTLES, CLASSES, CONFIG_MAPS, PODS, PROPOSALS, SECRETS},
            refused,
        },
    },
};
use kube::core::Status;
use serde_json::{Value, json};

fn bottle(name: &str) -> Value {
    json!({"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "metadata": {"name": name}, "spec": {}})
}

/// What a person tries: its name, and whether it was let through.
async fn tries(who: &Requests, name: &str) -> Vec<(&'static str, bool)> {
    let decide = |decision: &str| json!({"spec": {"decision": decision}});
    let edit = json!({"spec": {"allowlist": ["a.example"]}});
    let class = json!({"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "BottleClass", "metadata": {"name": name}, "spec": {}});
    let made = format!("made-by-{name}");
    let own = format!("for-{name}");
    vec![
        ("read Bottles", who.get(BOTTLES, "").await.is_ok()),
        ("read Proposals", who.get(PROPOSALS, &own).await.is_ok()),
        ("make a Bottle", who.create(BOTTLES, &bottle(&made)).await.is_ok()),
        ("edit a Bottle", who.merge(BOTTLES, "demo", edit).await.is_ok()),
        ("delete a Bottle", who.delete(BOTTLES, &format!("of-{name}")).await.is_ok()),
        ("approve", who.merge(PROPOSALS, &own, decide("Approved")).await.is_ok()),
        ("revoke", who.merge(PROPOSALS, &own, decide("Revoked")).await.is_ok()),
        ("ask", who.create(PROPOSALS, &crate::proposals::question("demo", &format!("by-{name}"))).await.is_ok()),
        ("delete a Proposal", who.delete(PROPOSALS, &own).await.is_ok()),
        ("write status", who.merge(PROPOSALS, &format!("{own}/status"), json!({"status": {"phase": "Enforced"}})).await.is_ok()),
        ("make a class", who.create(CLASSES, &class).await.is_ok()),
        ("read a Secret", allowed(&who.get(SECRETS, "none").await)),
        ("write a ConfigMap", who.create(CONFIG_MAPS, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}})).await.is_ok()),
        ("get into a bottle", allowed(&who.create(&format!("{PODS}/demo-bottle/exec?command=id&stdout=true"), &Value::Null).await)),
    ]
}

/// Anything but a refusal: what is not there, or does not run, was not refused.
fn allowed(answer: &Result<Value, kube::core::Status>) -> bool {
    !matches!(
        answer,
        Err(Status {
            code: 401 | 403,
            ..
        })
    )
}

#[tokio::test]
async fn each_role_may_do_its_part_and_nothing_of_anothers() {
    let space = Space::new().await;
    space.sidecar("demo").await;
    accepted(
        "a Bottle",
        space.admin.create(BOTTLES, &bottle("demo")).await,
    );
    let read = ["read Bottles", "read Proposals"];
    let table: [(&str, &[&str]); 8] = [
        ("viewer", &[]),
        (
            "editor",
            &["make a Bottle", "edit a Bottle", "delete a Bottle"],
        ),
        ("approver", &["approve", "revoke"]),
        ("debugger", &["get into a bottle"]),
        // Kubernetes' own: they hold the viewer's rights, and otherwise nothing of ours.
        ("view", &[]),
        ("edit", &["read a Secret", "write a ConfigMap"]),
        ("admin", &["read a Secret", "write a ConfigMap"]),
        ("system:discovery", &["nothing"]),
    ];
    for (role, may) in table {
        let name = role.trim_start_matches("system:");
        asked(&space, &format!("for-{name}")).await;
        accepted(
            "a Bottle to delete",
            space
                .admin
                .create(BOTTLES, &bottle(&format!("of-{name}")))
                .await,
        );
        let person = space.with_role(name, role).await.requests;
        for (what, done) in tries(&person, name).await {
            let expected = may.contains(&what) || (may != ["nothing"] && read.contains(&what));
            assert_eq!(done, expected, "{role}: {what}");
        }
    }
}

#[tokio::test]
async fn who_may_approve_and_edit_needs_both_roles_and_none_gives_the_other() {
    let space = Space::new().await;
    asked(&space, "demo-1").await;
    let editor = space.with_role("alice", "editor").await.requests;
    let approve = json!({"spec": {"decision": "Approved"}});
    forbidden(
        "the editor approves",
        editor.merge(PROPOSALS, "demo-1", approve.clone()).await,
    );
    let approver = space.with_role("bob", "approver").await.requests;
    forbidden(
        "the approver makes a Bottle",
        approver.create(BOTTLES, &bottle("mine")).await,
    );
    let stored = accepted(
        "the approver approves",
        approver.merge(PROPOSALS, "demo-1", approve).await,
    );
    assert_eq!(stored["spec"]["decidedBy"], space.username("bob"));
}

#[tokio::test]
async fn nobody_gets_into_a_bottle_by_the_role_edit() {
    let space = Space::new().await;
    space.sidecar("demo").await;
    let edit = space.with_role("alice", "edit").await.requests;
    let debugger = space.with_role("bob", "debugger").await.requests;
    for (what, query) in [
        ("exec", "exec?container=egress&command=id&stdout=true"),
        ("attach", "attach?container=agent&stdout=true"),
        ("portforward", "portforward?ports=9100"),
    ] {
        for verb in ["create", "get"] {
            let path = format!("{PODS}/demo-bottle/{query}");
            let send = async |who: &Requests| match verb {
                "create" => who.create(&path, &Value::Null).await,
                _ => who.get(&path, "").await,
            };
            refused(what, send(&edit).await, "gets into a bottle");
            let answer = send(&debugger).await;
            assert!(allowed(&answer), "{what}: {answer:?}");
        }
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "none.invalid/none"}]},
    });
    accepted("an ordinary pod", edit.create(PODS, &pod).await);
    let answer = edit
        .create(
            &format!("{PODS}/mine/exec?command=id&stdout=true"),
            &Value::Null,
        )
        .await;
    assert!(allowed(&answer), "exec into an ordinary pod: {answer:?}");
}

/// Nothing that would open the seal is even stored: the schema has no room for it.
#[tokio::test]
async fn a_bottle_has_no_room_for_what_opens_a_pod() {
    let space = Space::new().await;
    let alice = space.with_role("alice", "editor").await.requests;
    for (index, (at, value)) in [
        ("podTemplate", json!({"hostNetwork": true})),
        ("podTemplate", json!({"hostPID": true})),
        ("podTemplate", json!({"serviceAccountName": "default"})),
        ("podTemplate", json!({"automountServiceAccountToken": true})),
        ("podTemplate", json!({"securityContext": {"runAsUser": 0}})),
        (
            "podTemplate",
            json!({"initContainers": [{"name": "a", "image": "b"}]}),
        ),
        (
            "podTemplate",
            json!({"containers": [{"name": "agent", "securityContext": {"privileged": true}}]}),
        ),
        ("podTemplate", json!({"hostUsers": true})),
        ("agent", json!({"securityContext": {"privileged": true}})),
        ("agent", json!({"privileged": true})),
        ("agent", json!({"capabilities": {"add": ["NET_ADMIN"]}})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut object = bottle(&format!("b-{index}"));
        object["spec"][at] = value.clone();
        let made = accepted(&value.to_string(), alice.create(BOTTLES, &object).await);
        assert!(
            made["spec"][at]
                .as_object()
                .is_none_or(serde_json::Map::is_empty),
            "{value} was kept: {}",
            made["spec"]
        );
        let strict = format!("{BOTTLES}?fieldValidation=Strict&dryRun=All");
        object["metadata"]["name"] = json!(format!("strict-{index}"));
        refused(
            "as kubectl sends it",
            alice.create(&strict, &object).await,
            "unknown field",
        );
    }
    for user in [0, 1, 999, 61002] {
        let mut object = bottle("user");
        object["spec"]["agent"] = json!({"user": user});
        assert!(alice.create(BOTTLES, &object).await.is_err(), "uid {user}");
    }
}
