//! The queue on a real directory.

use super::*;
use crate::config::Files;
use crate::config::decisions::Answer;
use crate::supervise::tools;
use crate::supervise::view::View;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

const LIMITS: Limits = Limits {
    pending: 2,
    hour: 3,
};

fn open(root: &TempDir) -> Queue {
    Queue::open(root.path(), "demo", LIMITS).unwrap()
}

fn proposal(name: &str) -> Proposal {
    let params = json!({"name": "pipelock-block", "arguments": {"allowlist": "a.example\nb.example\n", "justification": "docs"}});
    let files = Files {
        allowlist: "a.example\n".to_owned(),
        ..Files::default()
    };
    let view = View::new(Some(files), String::new());
    let question = tools::validate(&params, &view).unwrap();
    Proposal {
        name: name.to_owned(),
        question,
        base: view.file(tools::Tool::PipelockBlock).to_owned(),
    }
}

fn decide(root: &TempDir, name: &str, text: &str) {
    let draft = root.path().join("by-hand");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, root.path().join(format!("{name}.decision.json"))).unwrap();
}

fn names(root: &TempDir, below: &str) -> Vec<String> {
    let entries = fs::read_dir(root.path().join(below)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_proposal_is_one_readable_file() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(
        open(&root).put(&proposal("demo-1"), true).await,
        Ok(Put::New(_))
    ));
    assert_eq!(names(&root, ""), ["archive", "demo-1.json"]);
    let text = fs::read_to_string(root.path().join("demo-1.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["tool"], "pipelock-block");
    assert_eq!(value["proposedFile"], "a.example\nb.example\n");
    assert_eq!(value["baseFile"], "a.example\n");
    assert_eq!(
        value["diff"],
        json!(["@@ -1 +1,2 @@", " a.example", "+b.example"])
    );
}

#[tokio::test]
async fn the_same_proposal_is_found_again_by_the_next_process() {
    let root = tempfile::tempdir().unwrap();
    open(&root).put(&proposal("demo-1"), true).await.unwrap();
    let Ok(Put::Exists(standing)) = open(&root).put(&proposal("demo-1"), true).await else {
        panic!()
    };
    assert_eq!(
        (standing.asked, standing.answered, standing.decision),
        (1, 0, None)
    );
}

#[tokio::test]
async fn limits_refuse_new_proposals_only() {
    let root = tempfile::tempdir().unwrap();
    let queue = open(&root);
    queue.put(&proposal("demo-1"), true).await.unwrap();
    queue.put(&proposal("demo-2"), true).await.unwrap();
    let refused = |result: Result<Put, StoreError>| match result {
        Err(StoreError::Limit(words)) => words,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(queue.put(&proposal("demo-3"), true).await),
        PENDING_LIMIT
    );
    assert!(matches!(
        queue.put(&proposal("demo-1"), true).await,
        Ok(Put::Exists(_))
    ));
    decide(&root, "demo-1", r#"{"status": "rejected"}"#);
    queue.put(&proposal("demo-3"), true).await.unwrap();
    queue.answered("demo-1", 1).await.unwrap();
    decide(&root, "demo-2", r#"{"status": "rejected"}"#);
    assert_eq!(
        refused(queue.put(&proposal("demo-4"), true).await),
        HOUR_LIMIT
    );
    // A restart forgets nothing.
    assert_eq!(
        refused(open(&root).put(&proposal("demo-4"), true).await),
        HOUR_LIMIT
    );
}

#[tokio::test]
async fn a_decision_is_seen_and_both_files_are_archived_once_answered() {
    let root = tempfile::tempdir().unwrap();
    let queue = open(&root);
    queue.put(&proposal("demo-1"), true).await.unwrap();
    let mut decisions = queue.watch().unwrap();
    decide(
        &root,
        "demo-1",
        r#"{"status": "approved", "notes": "fine"}"#,
    );
    let seen = decisions
        .wait_for(|decisions| decisions.contains_key("demo-1"))
        .await
        .unwrap()["demo-1"]
        .clone();
    assert_eq!(
        (seen.status, seen.notes.as_str(), seen.asked),
        (Answer::Approved, "fine", 1)
    );
    queue.answered("demo-1", 1).await.unwrap();
    assert_eq!(names(&root, ""), ["archive"]);
    assert_eq!(
        names(&root, "archive"),
        ["demo-1.decision.json", "demo-1.json"]
    );
    let Ok(Put::Exists(standing)) = queue.put(&proposal("demo-1"), true).await else {
        panic!()
    };
    assert_eq!(standing.decision.unwrap().status, Answer::Approved);
}

#[tokio::test]
async fn a_revocation_replaces_an_archived_approval_wherever_it_is_written() {
    for below in ["", "archive"] {
        let root = tempfile::tempdir().unwrap();
        let queue = open(&root);
        queue.put(&proposal("demo-1"), true).await.unwrap();
        decide(&root, "demo-1", r#"{"status": "approved"}"#);
        queue.answered("demo-1", 1).await.unwrap();
        let revocation = r#"{"status": "revoked", "notes": "enough"}"#;
        fs::write(
            root.path().join(below).join("demo-1.decision.json"),
            revocation,
        )
        .unwrap();
        let Ok(Put::Exists(standing)) = queue.put(&proposal("demo-1"), true).await else {
            panic!()
        };
        let decided = standing.decision.unwrap();
        assert_eq!(
            (decided.status, decided.notes.as_str()),
            (Answer::Rejected, "the grant was revoked: enough")
        );
    }
}

#[tokio::test]
async fn a_decision_that_cannot_be_read_waits_to_be_corrected() {
    let root = tempfile::tempdir().unwrap();
    let queue = open(&root);
    queue.put(&proposal("demo-1"), true).await.unwrap();
    let mut decisions = queue.watch().unwrap();
    for broken in [
        "{\"status\": ",
        r#"{"status": "modified"}"#,
        r#"{"status": "approved"}"#,
    ] {
        decide(&root, "demo-1", broken);
    }
    decisions
        .wait_for(|decisions| decisions.contains_key("demo-1"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stop_between_the_two_moves_to_the_archive_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let queue = open(&root);
    queue.put(&proposal("demo-1"), true).await.unwrap();
    decide(&root, "demo-1", r#"{"status": "rejected", "notes": "no"}"#);
    fs::rename(
        root.path().join("demo-1.json"),
        root.path().join("archive/demo-1.json"),
    )
    .unwrap();
    let queue = open(&root);
    let Ok(Put::Exists(standing)) = queue.put(&proposal("demo-1"), true).await else {
        panic!()
    };
    assert_eq!(standing.decision.unwrap().notes, "no");
    assert!(queue.watch().unwrap().borrow().is_empty());
    assert_eq!(
        names(&root, "archive"),
        ["demo-1.decision.json", "demo-1.json"]
    );
}

#[tokio::test]
async fn one_answered_without_a_decision_is_open_again_when_it_is_asked_again() {
    let root = tempfile::tempdir().unwrap();
    let queue = open(&root);
    queue.put(&proposal("demo-1"), true).await.unwrap();
    queue.answered("demo-1", 1).await.unwrap();
    let Ok(Put::Exists(standing)) = queue.put(&proposal("demo-1"), true).await else {
        panic!()
    };
    assert_eq!((standing.answered, standing.decision), (0, None));
    assert_eq!(names(&root, ""), ["archive", "demo-1.json"]);
}

#[tokio::test]
async fn after_a_conflict_the_base_of_the_old_question_is_told() {
    let root = tempfile::tempdir().unwrap();
    let queue = open(&root);
    queue.put(&proposal("demo-1"), true).await.unwrap();
    decide(&root, "demo-1", r#"{"status": "conflicted"}"#);
    queue.answered("demo-1", 1).await.unwrap();
    let Ok(Put::Exists(standing)) = queue.put(&proposal("demo-1"), true).await else {
        panic!()
    };
    assert!(standing.ended && !standing.base_changed);
    let mut later = proposal("demo-1");
    later.base = "c.example\n".to_owned();
    let Ok(Put::Exists(standing)) = queue.put(&later, true).await else {
        panic!()
    };
    assert!(standing.base_changed);
}

#[test]
fn drafts_of_a_crash_are_removed() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(".demo-1.draft"), "half").unwrap();
    open(&root);
    assert_eq!(names(&root, ""), ["archive"]);
}
