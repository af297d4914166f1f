//! What the token of a sidecar can do: propose for its own bottle and report about it; nothing else.

use crate::{
    proposals::{asked, question, with},
    support::{
        cluster::{Space, bottle_pod},
        rest::{
            accepted,
            path::{BOTTLES, PODS, PROPOSALS},
            refused,
        },
    },
};
use serde_json::{Value, json};

const OWN: &str = "a sidecar proposes for its own bottle only";
const NAMED: &str = "a Proposal is named after its bottle and 12 hex digits";
const BARE: &str =
    "a sidecar's Proposal has no finalizers, owners, annotations or labels but its bottle's";
pub const ITS_BOTTLE: &str = "a sidecar reports about its own bottle only";
pub const OURS: &str = "demo-0123456789ab";

pub async fn bottle(space: &Space, name: &str) {
    let object = json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": name},
        "spec": {},
    });
    accepted("a bottle", space.admin.create(BOTTLES, &object).await);
}

#[tokio::test]
async fn a_sidecar_asks_for_its_own_bottle_under_a_name_of_it() {
    let space = Space::new().await;
    let sidecar = space.sidecar("demo").await.requests;
    let label = |value: &str| json!({"bot-bottle.dev/bottle": value});
    let demo = || question("demo", OURS);
    let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u"}]);
    let table: Vec<(&str, Value, Option<&str>)> = vec![
        ("its own", demo(), None),
        (
            "with its label",
            with(demo(), &[("/metadata/labels", label("demo"))]),
            None,
        ),
        (
            "another bottle's",
            question("other", "other-0123456789ab"),
            Some(OWN),
        ),
        (
            "another bottle's, in its name",
            question("other", OURS),
            Some(OWN),
        ),
        (
            "of a bottle whose name begins alike",
            question("demo-two", "demo-two-0123456789ab"),
            Some(OWN),
        ),
        (
            "its own, in another's name",
            question("demo", "other-0123456789ab"),
            Some(NAMED),
        ),
        (
            "its own, in the name of one that begins alike",
            question("demo", "demo-two-0123456789ab"),
            Some(NAMED),
        ),
        ("no digits", question("demo", "demo-"), Some("")),
        ("too few digits", question("demo", "demo-0123"), Some(NAMED)),
        (
            "no hex digits",
            question("demo", "demo-0123456789xy"),
            Some(NAMED),
        ),
        (
            "a finalizer",
            with(
                demo(),
                &[("/metadata/finalizers", json!(["a.example/stay"]))],
            ),
            Some(BARE),
        ),
        (
            "an owner",
            with(demo(), &[("/metadata/ownerReferences", owner)]),
            Some("owner"),
        ),
        (
            "an annotation",
            with(demo(), &[("/metadata/annotations", json!({"a": "b"}))]),
            Some(BARE),
        ),
        (
            "another label",
            with(demo(), &[("/metadata/labels", json!({"a": "b"}))]),
            Some(BARE),
        ),
        (
            "another's label",
            with(demo(), &[("/metadata/labels", label("other"))]),
            Some(BARE),
        ),
        (
            "decided",
            with(demo(), &[("/spec/decision", json!("Approved"))]),
            Some("a Proposal is created undecided"),
        ),
        (
            "named by the server",
            with(
                demo(),
                &[
                    ("/metadata/name", Value::Null),
                    ("/metadata/generateName", json!("demo-")),
                ],
            ),
            Some(NAMED),
        ),
    ];
    for (what, object, refusal) in table {
        let answer = sidecar
            .create(&format!("{PROPOSALS}?dryRun=All"), &object)
            .await;
        match refusal {
            None => drop(accepted(what, answer)),
            Some(fragment) => refused(what, answer, fragment),
        }
    }
    let entry = json!({
        "manager": "m", "operation": "Update", "apiVersion": "bot-bottle.dev/v1alpha1", "time": "2099-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:expiresAt": {}}},
    });
    let object = with(demo(), &[("/metadata/managedFields", json!([entry]))]);
    let answer = sidecar.create(PROPOSALS, &object).await;
    refused(
        "managedFields",
        answer,
        "a sidecar's Proposal brings no managedFields",
    );

    let object = with(
        demo(),
        &[(
            "/status",
            json!({"phase": "Enforced", "appliedSequence": 1}),
        )],
    );
    let stored = accepted("with a status", sidecar.create(PROPOSALS, &object).await);
    assert_eq!(stored["status"], Value::Null);
}

#[tokio::test]
async fn a_token_that_is_bound_to_no_bottles_pod_can_do_nothing() {
    let space = Space::new().await;
    asked(&space, OURS).await;
    bottle(&space, "demo").await;
    space.sidecar_with(None).await;
    let operator = space.operator().await.requests;
    let stray = bottle_pod("demo-stray", "demo");
    let stray = accepted("a pod of another name", operator.create(PODS, &stray).await);
    let uid = stray["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for (what, bound) in [
        ("unbound", None),
        ("another pod's", Some(("demo-stray", &*uid))),
    ] {
        let person = space.sidecar_with(bound).await.requests;
        let answer = person
            .create(PROPOSALS, &question("demo", "demo-aaaaaaaaaaaa"))
            .await;
        refused(what, answer, OWN);
        let report = json!({"status": {"sidecar": {"asked": 1}}});
        refused(
            what,
            person
                .merge(PROPOSALS, &format!("{OURS}/status"), report)
                .await,
            ITS_BOTTLE,
        );
        let report = json!({"status": {"sidecar": {"generation": 1}}});
        refused(
            what,
            person.merge(BOTTLES, "demo/status", report).await,
            ITS_BOTTLE,
        );
    }
}
