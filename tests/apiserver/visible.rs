//! A reviewer sees every character of a Proposal.

use crate::{
    proposals::{asked, question, with},
    questions::{DRY, TOO_LARGE},
    support::{
        cluster::Space,
        rest::{accepted, path::PROPOSALS, refused},
    },
};
use bot_bottle::config::text::is_forbidden;
use serde_json::json;

const UNSEEN: &str = "holds a character that a reviewer can't see";
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
