//! The rules of Bottles and their classes.

use crate::support::{
    cluster::Space,
    rest::{
        accepted,
        path::{BOTTLES, CLASSES},
        refused,
    },
};
use serde_json::{Value, json};

pub const DRY: &str = "?dryRun=All";

pub fn bottle(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": name},
        "spec": spec,
    })
}

pub async fn try_all(table: Vec<(&str, Value, Option<&str>)>) {
    let space = Space::new().await;
    for (what, spec, refusal) in table {
        let answers = [
            (
                "Bottle",
                space
                    .admin
                    .create(&format!("{BOTTLES}{DRY}"), &bottle("demo", &spec))
                    .await,
            ),
            ("BottleClass", {
                let mut class = bottle("demo", &spec);
                class["kind"] = json!("BottleClass");
                space.admin.create(&format!("{CLASSES}{DRY}"), &class).await
            }),
        ];
        for (kind, answer) in answers {
            let what = format!("{kind}: {what}");
            match refusal {
                None => drop(accepted(&what, answer)),
                Some(fragment) => refused(&what, answer, fragment),
            }
        }
    }
}

#[tokio::test]
async fn a_bottles_name_is_short_and_a_single_label() {
    let space = Space::new().await;
    let long = "a name may have at most 48".replace("a name", "a Bottle's name");
    let odd = "a Bottle's name may have small letters, digits and dashes only";
    for (name, refusal) in [
        ("a", None),
        ("demo-2", None),
        (&*"a".repeat(48), None),
        (&*"a".repeat(49), Some(&*long)),
        ("a.b", Some(odd)),
    ] {
        let answer = space
            .admin
            .create(&format!("{BOTTLES}{DRY}"), &bottle(name, &json!({})))
            .await;
        match refusal {
            None => drop(accepted(name, answer)),
            Some(fragment) => refused(name, answer, fragment),
        }
    }
}

#[tokio::test]
async fn an_agent_is_complete_and_keeps_off_the_sidecars_users() {
    let custom = "an agent of kind custom must name its command";
    let reserved = "the user ids 61000 to 61099 belong to the sidecars; choose another";
    let low = "should be greater than or equal to 1000";
    let user = |user: i64| json!({"agent": {"user": user}});
    try_all(vec![
        (
            "custom without a command",
            json!({"agent": {"kind": "custom"}}),
            Some(custom),
        ),
        (
            "custom with an empty one",
            json!({"agent": {"kind": "custom", "command": []}}),
            Some(custom),
        ),
        (
            "custom with one",
            json!({"agent": {"kind": "custom", "command": ["agent"]}}),
            None,
        ),
        (
            "claude without one",
            json!({"agent": {"kind": "claude"}}),
            None,
        ),
        (
            "an unknown kind",
            json!({"agent": {"kind": "hal"}}),
            Some("Unsupported value: \"hal\""),
        ),
        ("root", user(0), Some(low)),
        ("user -1", user(-1), Some(low)),
        ("user 999", user(999), Some(low)),
        ("user 1000", user(1000), None),
        ("user 60999", user(60_999), None),
        ("user 61000", user(61_000), Some(reserved)),
        ("user 61001", user(61_001), Some(reserved)),
        ("user 61099", user(61_099), Some(reserved)),
        ("user 61100", user(61_100), None),
        (
            "user 2^31",
            user(1 << 31),
            Some("should be less than or equal to 2000000000"),
        ),
        (
            "too long an argument",
            json!({"agent": {"args": ["a".repeat(4097)]}}),
            Some("Too long"),
        ),
        (
            "too many arguments",
            json!({"agent": {"args": vec!["a"; 65]}}),
            Some("must have at most 64 items"),
        ),
        (
            "a long key",
            json!({"agent": {"env": {"k".repeat(317): "v"}}}),
            None,
        ),
        (
            "too long a key",
            json!({"agent": {"env": {"k".repeat(318): "v"}}}),
            Some("a key may have at most 317 characters"),
        ),
        (
            "too long a server's name",
            json!({"mcpServers": {"k".repeat(318): {}}}),
            Some("a key may have at most 317 characters"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn words_of_a_choice_are_known() {
    try_all(vec![
        ("engine", json!({"egress": {"engine": "Builtin"}}), None),
        (
            "another engine",
            json!({"egress": {"engine": "None"}}),
            Some("Unsupported value: \"None\""),
        ),
        (
            "a server's type",
            json!({"mcpServers": {"a": {"type": "sse"}}}),
            Some("Unsupported value: \"sse\""),
        ),
        (
            "a host of 300",
            json!({"allowlist": ["a".repeat(300)]}),
            None,
        ),
        (
            "a host of 301",
            json!({"allowlist": ["a".repeat(301)]}),
            Some("Too long"),
        ),
    ])
    .await;
    let space = Space::new().await;
    for (what, spec) in [
        ("mode", json!({"operatingMode": "Off"})),
        ("rollout", json!({"rollout": "Off"})),
        (
            "scheme",
            json!({"routes": [{"path": "/a/", "upstream": "https://a.example", "auth": {"scheme": "Off", "secret": "A"}}]}),
        ),
    ] {
        let answer = space
            .admin
            .create(&format!("{BOTTLES}{DRY}"), &bottle("demo", &spec))
            .await;
        refused(what, answer, "Unsupported value: \"Off\"");
    }
}
