//! The decision part of a Proposal: legal steps, and what is frozen after them.

use crate::{
    proposals::{applied_false, asked, decide, with},
    support::{
        cluster::Space,
        rest::{Patch, accepted, path::PROPOSALS, refused},
    },
};
use serde_json::{Value, json};

const STEPS: &str =
    "a pending Proposal becomes Approved or Rejected, an Approved one Revoked; nothing else";

/// The decisions that lead to a state.
fn way_to(decision: &str) -> &'static [&'static str] {
    match decision {
        "Approved" => &["Approved"],
        "Rejected" => &["Rejected"],
        "Revoked" => &["Approved", "Revoked"],
        _ => &[],
    }
}

async fn asked_and(space: &Space, name: &str, decision: &str) -> Value {
    let mut stored = asked(space, name).await;
    for step in way_to(decision) {
        stored = decide(&space.admin, name, step).await;
    }
    stored
}

#[tokio::test]
async fn only_the_legal_steps_can_be_taken() {
    let space = Space::new().await;
    let states = ["Pending", "Approved", "Rejected", "Revoked"];
    let legal = [
        ("Pending", "Approved"),
        ("Pending", "Rejected"),
        ("Approved", "Revoked"),
    ];
    for from in states {
        for to in states {
            let name = format!("{from}-{to}").to_lowercase();
            asked_and(&space, &name, from).await;
            let patch = json!({"spec": {"decision": to}});
            let answer = space.admin.merge(PROPOSALS, &name, patch).await;
            if from == to || legal.contains(&(from, to)) {
                accepted(&name, answer);
            } else {
                refused(&name, answer, STEPS);
            }
        }
    }
}

#[tokio::test]
async fn notes_are_frozen_by_the_decision_and_free_with_it() {
    let space = Space::new().await;
    for state in ["Approved", "Rejected", "Revoked"] {
        let name = state.to_lowercase();
        asked_and(&space, &name, state).await;
        let patch = json!({"spec": {"notes": "later"}});
        let answer = space.admin.merge(PROPOSALS, &name, patch).await;
        refused(state, answer, "notes can't be changed after the decision");
    }
    asked(&space, "both").await;
    let patch = json!({"spec": {"decision": "Rejected", "notes": "no:\n\tnot yet\n"}});
    let stored = accepted("both", space.admin.merge(PROPOSALS, "both", patch).await);
    assert_eq!(stored["spec"]["notes"], "no:\n\tnot yet\n");
    let patch = json!({"spec": {"decision": "Revoked", "notes": "abused"}});
    accepted(
        "with a revocation",
        space.admin.merge(PROPOSALS, "approved", patch).await,
    );
}

#[tokio::test]
async fn a_rejection_takes_no_final_file() {
    let space = Space::new().await;
    asked(&space, "demo-1").await;
    let patch = json!({"spec": {"decision": "Rejected", "finalFile": "a.example\n"}});
    refused(
        "rejected with a file",
        space.admin.merge(PROPOSALS, "demo-1", patch).await,
        "finalFile goes with an approval; leave it out of a rejection",
    );
}

#[tokio::test]
async fn a_grants_end_may_be_moved_after_the_decision() {
    let space = Space::new().await;
    asked_and(&space, "demo-1", "Approved").await;
    for time in [
        json!("2030-01-01T00:00:00Z"),
        json!("2031-01-01T00:00:00+02:00"),
        Value::Null,
    ] {
        let patch = json!({"spec": {"expiresAt": time}});
        accepted(
            "expiresAt",
            space.admin.merge(PROPOSALS, "demo-1", patch).await,
        );
    }
    let patch = json!({"spec": {"expiresAt": "tomorrow"}});
    let answer = space.admin.merge(PROPOSALS, "demo-1", patch).await;
    refused(
        "not a time",
        answer,
        "spec.expiresAt in body must be of type date-time",
    );
}

const FINAL: &str = "finalFile can't be changed after the decision, unless it could not be applied";

#[tokio::test]
async fn the_final_file_is_frozen_unless_it_could_not_be_applied() {
    let space = Space::new().await;
    asked(&space, "demo-1").await;
    let patch = json!({"spec": {"decision": "Approved", "finalFile": "a.example\n"}});
    accepted(
        "approved",
        space.admin.merge(PROPOSALS, "demo-1", patch).await,
    );
    let correct = |file: Value| json!({"spec": {"finalFile": file}});
    let try_to = async |file: Value| space.admin.merge(PROPOSALS, "demo-1", correct(file)).await;

    refused(
        "before any status",
        try_to(json!("b.example\n")).await,
        FINAL,
    );
    refused("taken away", try_to(Value::Null).await, FINAL);
    applied_false(&space, "demo-1", "Waiting").await;
    refused("another reason", try_to(json!("b.example\n")).await, FINAL);
    applied_false(&space, "demo-1", "InvalidFinalFile").await;
    let stored = accepted("corrected", try_to(json!("b.example\n")).await);
    assert_eq!(stored["spec"]["finalFile"], "b.example\n");
    let patch = json!({"spec": {"finalFile": "c.example\n", "notes": "and more"}});
    let answer = space.admin.merge(PROPOSALS, "demo-1", patch).await;
    refused(
        "notes with it",
        answer,
        "notes can't be changed after the decision",
    );
}

#[tokio::test]
async fn only_who_approved_corrects_the_final_file() {
    let space = Space::new().await;
    let (alice, bob) = (space.reviewer("alice").await, space.reviewer("bob").await);
    asked(&space, "demo-1").await;
    let patch = json!({"spec": {"decision": "Approved", "finalFile": "a b\n"}});
    accepted(
        "alice approves",
        alice.requests.merge(PROPOSALS, "demo-1", patch).await,
    );
    applied_false(&space, "demo-1", "InvalidFinalFile").await;
    let patch = json!({"spec": {"finalFile": "evil.example\n"}});
    let answer = bob.requests.merge(PROPOSALS, "demo-1", patch.clone()).await;
    refused(
        "bob corrects it",
        answer,
        "only who approved may correct finalFile",
    );
    accepted(
        "alice corrects it",
        alice.requests.merge(PROPOSALS, "demo-1", patch).await,
    );
    decide(&bob.requests, "demo-1", "Revoked").await;
}

/// Everything as large as its bounds allow, of the character that takes the most room in etcd.
#[tokio::test]
async fn the_largest_proposal_fits_into_etcd() {
    let space = Space::new().await;
    // Six bytes each when stored. 96,000 of them and two files that need no escapes use the files' room up.
    let dear = |count: usize| "<".repeat(count);
    let question = with(
        crate::proposals::question("demo", "demo-1"),
        &[
            ("/spec/bottle", json!("b".repeat(48))),
            ("/spec/bottleUID", json!(dear(64))),
            ("/spec/justification", json!(dear(8192))),
            ("/spec/proposedFile", json!(dear(48_300))),
            ("/spec/baseFile", json!(dear(48_300))),
        ],
    );
    accepted(
        "the question",
        space.admin.create(PROPOSALS, &question).await,
    );
    let patch = json!({"spec": {"decision": "Approved", "notes": dear(8192)}});
    accepted(
        "the decision",
        space.admin.merge(PROPOSALS, "demo-1", patch).await,
    );
    let patch = json!({"spec": {"finalFile": dear(1000)}});
    let answer = space.admin.merge(PROPOSALS, "demo-1", patch).await;
    refused(
        "a byte more of files",
        answer,
        "the files are too large together",
    );

    let condition = |kind: usize| {
        json!({
            "type": format!("{kind}{}", "<".repeat(63)),
            "status": "Unknown",
            "reason": dear(128),
            "message": dear(4096),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": i64::MAX,
        })
    };
    let diff = |bytes: usize| vec![dear(1000); bytes / 1000];
    let status = |diff: Vec<String>| {
        json!({
            "apiVersion": "bot-bottle.dev/v1alpha1",
            "kind": "Proposal",
            "metadata": {"name": "demo-1"},
            "status": {
                "phase": "Conflicted",
                "summary": dear(512),
                "change": vec![dear(300); 64],
                "diff": diff,
                "warnings": vec![dear(512); 32],
                "conditions": (0..6).map(condition).collect::<Vec<_>>(),
                "appliedSequence": i64::MAX,
                "reason": dear(128),
                "message": dear(4096),
                "appliedAt": "2026-01-01T00:00:00Z",
                "enforcedAt": "2026-01-01T00:00:00Z",
                "closedAt": "2026-01-01T00:00:00Z",
                "sidecar": {"asked": i64::MAX, "answered": i64::MAX},
            },
        })
    };
    let operator = space.operator().await.requests;
    let write = async |diff| {
        operator
            .patch(PROPOSALS, "demo-1/status", Patch::Apply, &status(diff))
            .await
    };
    accepted("the status", write(diff(67_000)).await);
    refused(
        "a longer diff",
        write(diff(68_000)).await,
        "the lines of diff may have at most 67000 bytes together",
    );
    decide(&space.admin, "demo-1", "Revoked").await;
}
