//! The Kubernetes store against a fake API server: which requests it makes, and what it makes of the answers.
//! Rules of the real one (CEL, admission, RBAC) are the tier `apiserver`'s matter.

use super::bench::{PATIENCE, hosts};
use super::fake_api::{BASE, start};
use bot_bottle::config::Files;
use bot_bottle::config::decisions::{Answer, Decided, Decisions};
use bot_bottle::supervise::call::{Desk, Ended, Settings};
use bot_bottle::supervise::report::BottleStatus;
use bot_bottle::supervise::store::{Proposal, Put, Store, StoreError};
use bot_bottle::supervise::tools;
use bot_bottle::supervise::view::View;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

fn view(allowlist: &str, decisions: Vec<Decided>) -> Arc<View> {
    let files = Files {
        allowlist: allowlist.to_owned(),
        ..Files::default()
    };
    let mut view = View::new(Some(files), "h".to_owned()).with_decisions(Decisions {
        decisions,
        ..Decisions::default()
    });
    view.enforced = true;
    Arc::new(view)
}

fn proposal() -> Proposal {
    let question =
        tools::validate(&hosts("b.example", "docs"), &view("a.example", vec![])).unwrap();
    Proposal {
        name: "demo-1".to_owned(),
        question,
        base: "a.example".to_owned(),
    }
}

#[tokio::test]
async fn a_proposal_is_created_with_the_request_part_only() {
    let (api, store) = start().await;
    assert!(matches!(
        store.put(&proposal(), true).await,
        Ok(Put::New(_))
    ));
    let requests = api.requests.lock().unwrap().clone();
    assert_eq!(requests[0].0, "POST /proposals");
    assert_eq!(
        requests[0].1,
        json!({
            "apiVersion": "bot-bottle.dev/v1alpha1",
            "kind": "Proposal",
            "metadata": {"name": "demo-1", "labels": {"bot-bottle.dev/bottle": "demo"}},
            "spec": {
                "bottle": "demo",
                "bottleUID": "uid-1",
                "tool": "pipelock-block",
                "proposedFile": "b.example",
                "baseFile": "a.example",
                "justification": "docs",
            },
        })
    );
}

#[tokio::test]
async fn one_that_is_there_is_read_by_a_patch_that_changes_nothing() {
    let (api, store) = start().await;
    store.put(&proposal(), true).await.unwrap();
    let Ok(Put::Exists(standing)) = store.put(&proposal(), true).await else {
        panic!()
    };
    assert_eq!(
        (standing.asked, standing.answered, standing.ended),
        (1, 0, false)
    );
    assert!(!standing.base_changed);
    assert_eq!(
        api.seen(),
        [
            "POST /proposals",
            "POST /proposals",
            "PATCH /proposals/demo-1/status"
        ]
    );
    assert_eq!(api.requests.lock().unwrap()[2].1, json!({}));
}

#[tokio::test]
async fn looking_creates_nothing() {
    let (api, store) = start().await;
    assert!(matches!(
        store.put(&proposal(), false).await,
        Ok(Put::Absent)
    ));
    assert_eq!(api.seen(), ["PATCH /proposals/demo-1/status"]);
}

#[tokio::test]
async fn asking_again_holds_on_to_the_version_it_saw() {
    let (api, store) = start().await;
    store.put(&proposal(), true).await.unwrap();
    store.answered("demo-1", 1).await.unwrap();
    let Ok(Put::Exists(standing)) = store.put(&proposal(), true).await else {
        panic!()
    };
    assert_eq!((standing.asked, standing.answered), (1, 1));
    assert_eq!(
        store.ask_again(&proposal(), &standing).await.unwrap(),
        Some(2)
    );
    assert_eq!(api.asked_and_answered("demo-1"), (json!(2), json!(1)));
    // Changed by now: nothing is asked on an old picture.
    assert_eq!(store.ask_again(&proposal(), &standing).await.unwrap(), None);
}

#[tokio::test]
async fn an_answered_conflict_expiry_or_failure_has_ended() {
    for phase in ["Conflicted", "Expired", "Failed", "Rejected", "Revoked"] {
        let (api, store) = start().await;
        store.put(&proposal(), true).await.unwrap();
        for (answered, ended) in [(0, false), (1, phase != "Rejected" && phase != "Revoked")] {
            api.set_status(
                "demo-1",
                &json!({"phase": phase, "sidecar": {"asked": 1, "answered": answered}}),
            );
            let Ok(Put::Exists(standing)) = store.put(&proposal(), true).await else {
                panic!()
            };
            assert_eq!(standing.ended, ended, "{phase} {answered}");
        }
    }
}

#[tokio::test]
async fn refusals_are_told_and_failures_are_tried_again() {
    let (api, store) = start().await;
    for (code, message, expected) in [
        (403, "exceeded quota: proposals", "limit"),
        (403, "another bottle's", "refused"),
        (422, "spec.justification: Too long", "unfit"),
        (413, "Request entity too large", "unfit"),
        (400, "the body can't be decoded", "unfit"),
        (500, "etcdserver: request is too large", "unfit"),
        (404, "no such namespace", "refused"),
        (401, "token expired", "failed"),
        (500, "etcd", "failed"),
    ] {
        *api.instead.lock().unwrap() = vec![(code, message)];
        let error = store.put(&proposal(), true).await.unwrap_err();
        let kind = match &error {
            StoreError::Limit(words) => words.contains(message).then_some("limit"),
            StoreError::Refused { reason, .. } => (reason == message).then_some("refused"),
            StoreError::Unfit { reason, .. } => (reason == message).then_some("unfit"),
            StoreError::Failed { .. } => Some("failed"),
        };
        assert_eq!(kind, Some(expected), "{code} {error}");
    }
}

#[tokio::test]
async fn a_deleted_proposal_needs_no_answer_and_the_bottles_status_is_merged() {
    let (api, store) = start().await;
    store.answered("demo-1", 1).await.unwrap();
    api.objects.lock().unwrap().insert(
        format!("{BASE}/bottles/demo"),
        json!({"metadata": {"name": "demo"}}),
    );
    store
        .merge(&json!({"enforcedHash": "h", "lagging": null}))
        .await
        .unwrap();
    let objects = api.objects.lock().unwrap();
    assert_eq!(
        objects[&format!("{BASE}/bottles/demo")]["status"],
        json!({"sidecar": {"enforcedHash": "h"}})
    );
}

/// The blocked call over it: create, decide, answer, ask again.
#[tokio::test]
async fn a_call_goes_all_the_way_twice() {
    let (api, store) = start().await;
    let (sender, receiver) = watch::channel(view("a.example", vec![]));
    let settings = Settings {
        bottle: "demo".to_owned(),
        bottle_uid: "uid-1".to_owned(),
        grace: Duration::ZERO,
    };
    let desk = Arc::new(Desk::new(Arc::new(store), receiver, settings));
    for asked in 1..=2 {
        let question = tools::validate(&hosts("b.example", "docs"), &desk.view()).unwrap();
        let mut waiting = desk.begin(question).unwrap();
        let name = waiting.proposal.name.clone();
        let calling = Arc::clone(&desk);
        let call = tokio::spawn(async move { calling.wait(&mut waiting).await });
        let path = format!("{BASE}/proposals/{name}");
        let asked_now = async {
            loop {
                let objects = api.objects.lock().unwrap().get(&path).cloned();
                if objects.is_some_and(|object| {
                    object["status"]["sidecar"]["asked"].as_i64().unwrap_or(1) == asked
                }) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked_now)
            .await
            .expect("it was never asked");
        let decided = Decided {
            uid: String::new(),
            proposal: name.clone(),
            asked,
            status: Answer::Rejected,
            notes: "no".to_owned(),
            final_file: None,
        };
        sender.send(view("a.example", vec![decided])).unwrap();
        let Ended {
            outcome, closes, ..
        } = call.await.unwrap();
        assert_eq!(outcome.unwrap()["isError"], true);
        let (closed, number) = closes.unwrap();
        desk.close(&closed, number).await;
        assert_eq!(api.asked_and_answered(&name).1, json!(asked));
        sender.send(view("a.example", vec![])).unwrap();
    }
}
