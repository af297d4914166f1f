//! The request part of a Proposal: created undecided, bounded, readable, never changed.

use crate::{
    proposals::{asked, question, with},
    support::{
        cluster::Space,
        rest::{Patch, accepted, path::PROPOSALS, refused},
    },
};
use serde_json::{Value, json};

pub const DRY: &str = "/apis/bot-bottle.dev/v1alpha1/namespaces/{}/proposals?dryRun=All";
const UNDECIDED: &str = "a Proposal is created undecided";
pub const TOO_LARGE: &str = "a file may have at most 128 KiB";

#[tokio::test]
async fn a_question_is_stored_undecided() {
    let space = Space::new().await;
    let stored = asked(&space, "demo-0123456789ab").await;
    assert_eq!(stored["spec"]["decision"], "Pending");
    assert_eq!(stored["spec"]["notes"], "");
    assert_eq!(stored["status"], Value::Null);
}

#[tokio::test]
async fn nothing_is_created_decided() {
    let space = Space::new().await;
    let time = json!("2026-01-01T00:00:00Z");
    for (field, value) in [
        ("decision", json!("Approved")),
        ("decision", json!("Rejected")),
        ("decision", json!("Revoked")),
        ("notes", json!("fine")),
        ("finalFile", json!("other.example\n")),
        ("expiresAt", time.clone()),
        ("decidedBy", json!("alice")),
        ("decidedAt", time.clone()),
        ("revokedBy", json!("alice")),
        ("revokedAt", time.clone()),
    ] {
        let object = with(
            question("demo", "demo-1"),
            &[(&format!("/spec/{field}"), value)],
        );
        refused(field, space.admin.create(DRY, &object).await, UNDECIDED);
        let apply = space
            .admin
            .patch(PROPOSALS, "demo-1", Patch::Apply, &object)
            .await;
        refused(field, apply, UNDECIDED);
    }
    let object = with(
        question("demo", "demo-1"),
        &[("/spec/decision", json!("Maybe"))],
    );
    refused(
        "a word of its own",
        space.admin.create(DRY, &object).await,
        "Unsupported value: \"Maybe\"",
    );
    accepted(
        "undecided",
        space.admin.create(DRY, &question("demo", "demo-1")).await,
    );
}

#[tokio::test]
async fn no_part_of_the_question_can_be_changed() {
    let space = Space::new().await;
    let stored = asked(&space, "demo-1").await;
    for (field, value) in [
        ("bottle", json!("other")),
        ("bottleUID", json!("other")),
        ("tool", json!("capability-block")),
        ("proposedFile", json!("other.example\n")),
        ("baseFile", json!("other.example\n")),
        ("justification", json!("other")),
    ] {
        let patch = json!({"spec": {field: value}});
        let fragment = "the question can't be changed";
        refused(
            field,
            space.admin.merge(PROPOSALS, "demo-1", patch).await,
            fragment,
        );
        let whole = with(stored.clone(), &[(&format!("/spec/{field}"), value)]);
        refused(
            field,
            space.admin.put(PROPOSALS, "demo-1", &whole).await,
            fragment,
        );
    }
    for field in [
        "bottle",
        "bottleUID",
        "tool",
        "proposedFile",
        "justification",
    ] {
        let patch = json!({"spec": {field: null}});
        let answer = space.admin.merge(PROPOSALS, "demo-1", patch).await;
        refused(field, answer, &format!("spec.{field}: Required value"));
    }
}

#[tokio::test]
async fn files_and_words_are_bounded_in_bytes() {
    let space = Space::new().await;
    let k128 = 128 * 1024;
    let snowmen = |bytes: usize| "☃".repeat(bytes / 3);
    let table: [(&str, &str, String, Option<&str>); 14] = [
        ("the largest file", "proposedFile", "a".repeat(k128), None),
        (
            "one more",
            "proposedFile",
            "a".repeat(k128 + 1),
            Some("Too long"),
        ),
        (
            "the largest file, three bytes a character",
            "proposedFile",
            snowmen(k128),
            None,
        ),
        (
            "one more character of three bytes",
            "proposedFile",
            snowmen(k128 + 3),
            Some(TOO_LARGE),
        ),
        (
            "as many characters, three times the bytes",
            "proposedFile",
            "☃".repeat(k128),
            Some(TOO_LARGE),
        ),
        (
            "no file",
            "proposedFile",
            String::new(),
            Some("should be at least 1 chars long"),
        ),
        ("the largest base", "baseFile", "a".repeat(2 * k128), None),
        (
            "a larger base",
            "baseFile",
            "a".repeat(2 * k128 + 1),
            Some("Too long"),
        ),
        (
            "a larger base in bytes",
            "baseFile",
            snowmen(2 * k128 + 3),
            Some(TOO_LARGE),
        ),
        (
            "the longest justification",
            "justification",
            "☃".repeat(8192),
            None,
        ),
        (
            "one more character",
            "justification",
            "a".repeat(8193),
            Some("Too long"),
        ),
        (
            "no justification",
            "justification",
            String::new(),
            Some("should be at least 1 chars long"),
        ),
        (
            "six bytes for each in etcd",
            "proposedFile",
            "&".repeat(k128),
            Some("the files are too large together"),
        ),
        (
            "the longest bottle",
            "bottle",
            "b".repeat(49),
            Some("Too long"),
        ),
    ];
    for (what, field, value, refusal) in table {
        let object = with(
            question("demo", "demo-1"),
            &[(&format!("/spec/{field}"), json!(value))],
        );
        let answer = space.admin.create(DRY, &object).await;
        match refusal {
            None => drop(accepted(what, answer)),
            Some(fragment) => refused(what, answer, fragment),
        }
    }
}
