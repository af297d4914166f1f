//! What a Bottle has no room for.

use crate::{
    bottles::bottle,
    support::{
        cluster::Space,
        rest::{accepted, path::BOTTLES, refused},
    },
};
use serde_json::json;

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
        let mut object = bottle(&format!("b-{index}"), &json!({}));
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
        let mut object = bottle("user", &json!({}));
        object["spec"]["agent"] = json!({"user": user});
        assert!(alice.create(BOTTLES, &object).await.is_err(), "uid {user}");
    }
}
