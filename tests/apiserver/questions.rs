//! The request part of a Proposal: created undecided, bounded, readable, never changed.

use crate::{
    proposals::{asked, question, with},
    support::{
        cluster::Space,
        rest::{Patch, accepted, path::PROPOSALS, refused},
    },
};
use bot_bottle::config::text::is_forbidden;
use serde_json::{Value, json};

const DRY: &str = "/apis/bot-bottle.dev/v1alpha1/namespaces/{}/proposals?dryRun=All";
const UNDECIDED: &str = "a Proposal is created undecided";
const UNSEEN: &str = "holds a character that a reviewer can't see";
const TOO_LARGE: &str = "a file may have at most 128 KiB";

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

/// First and last of each run of characters that `is_forbidden` refuses, and their neighbours that it does not.
fn borders() -> Vec<char> {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    let mut borders: Vec<char> = all
        .windows(2)
        .filter(|pair| is_forbidden(pair[0]) != is_forbidden(pair[1]))
        .flatten()
        .copied()
        .collect();
    borders.dedup();
    borders
}

#[tokio::test]
async fn what_a_reviewer_cannot_see_is_refused_exactly_where_the_core_refuses_it() {
    let space = Space::new().await;
    for c in borders() {
        for field in ["justification", "proposedFile"] {
            let text = format!("a{c}b");
            let object = with(
                question("demo", "demo-1"),
                &[(&format!("/spec/{field}"), json!(text))],
            );
            let what = format!("U+{:04X} in {field}", u32::from(c));
            let answer = space.admin.create(DRY, &object).await;
            if is_forbidden(c) && c != '\n' {
                refused(&what, answer, &format!("{field} {UNSEEN}"));
            } else {
                accepted(&what, answer);
            }
        }
    }
    // All that is allowed, in files as large as may be.
    let allowed: Vec<char> = ('\0'..=char::MAX).filter(|c| !is_forbidden(*c)).collect();
    for part in allowed.chunks(128 * 1024 / 4) {
        let text: String = part.iter().collect();
        let what = format!("from U+{:04X}", u32::from(part[0]));
        let object = with(
            question("demo", "demo-1"),
            &[("/spec/proposedFile", json!(text))],
        );
        accepted(&what, space.admin.create(DRY, &object).await);
    }
}

#[tokio::test]
async fn tabs_and_both_line_ends_are_accepted_and_a_bare_carriage_return_is_not() {
    let space = Space::new().await;
    for field in ["justification", "proposedFile", "baseFile"] {
        let object = with(
            question("demo", "demo-1"),
            &[(&format!("/spec/{field}"), json!("a\tb\nc\r\n"))],
        );
        accepted(field, space.admin.create(DRY, &object).await);
    }
    let object = with(
        question("demo", "demo-1"),
        &[("/spec/proposedFile", json!("a\rb\n"))],
    );
    refused(
        "a bare carriage return",
        space.admin.create(DRY, &object).await,
        UNSEEN,
    );
}

#[tokio::test]
async fn what_the_file_in_force_holds_may_stay_in_the_proposed_one() {
    let space = Space::new().await;
    let declared = "# \u{2714}\u{fe0f} ours\n";
    let proposed = format!("{declared}docs.example\n");
    let base = ("/spec/baseFile", json!(declared));
    let file = ("/spec/proposedFile", json!(proposed));
    let object = with(question("demo", "demo-1"), &[base.clone(), file.clone()]);
    accepted("kept", space.admin.create(DRY, &object).await);
    let object = with(question("demo", "demo-1"), &[file]);
    refused("brought", space.admin.create(DRY, &object).await, UNSEEN);
    let object = with(
        question("demo", "demo-1"),
        &[base, ("/spec/justification", json!(declared))],
    );
    refused("said", space.admin.create(DRY, &object).await, UNSEEN);
}

#[tokio::test]
async fn a_reviewers_words_and_file_are_as_visible() {
    let space = Space::new().await;
    asked(&space, "demo-1").await;
    for (field, value) in [
        ("notes", "a\u{202e}b"),
        ("notes", "\u{7}"),
        ("finalFile", "a\u{200b}.example\n"),
    ] {
        let patch = json!({"spec": {"decision": "Approved", field: value}});
        let answer = space.admin.merge(PROPOSALS, "demo-1", patch).await;
        refused(field, answer, &format!("{field} {UNSEEN}"));
    }
    for (field, value, fragment) in [
        ("notes", "a".repeat(8193), "Too long"),
        ("finalFile", "☃".repeat(50_000), TOO_LARGE),
        (
            "finalFile",
            String::new(),
            "should be at least 1 chars long",
        ),
    ] {
        let patch = json!({"spec": {"decision": "Approved", field: value}});
        refused(
            field,
            space.admin.merge(PROPOSALS, "demo-1", patch).await,
            fragment,
        );
    }
}
