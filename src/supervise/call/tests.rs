//! The blocked call over a fake store: no cluster, no files, no clock but a paused one.

mod bench;

use crate::config::decisions::Answer;
use crate::supervise::store::StoreError;
use bench::{bench, decided, settle, text, view};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_file_that_means_the_one_in_force_is_approved_and_nothing_is_asked() {
    let bench = bench(Duration::ZERO);
    let answer = bench
        .desk
        .at_once(&bench.question("# x\nA.example", "why"))
        .unwrap();
    assert!(
        answer["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("already in force")
    );
    assert!(
        bench
            .desk
            .at_once(&bench.question("b.example", "why"))
            .is_none()
    );
}

#[tokio::test]
async fn an_approval_is_answered_only_when_it_is_enforced() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show(
        "b.example",
        vec![decided(&name, 1, Answer::Approved)],
        false,
    );
    settle().await;
    assert!(!call.is_finished());
    bench.show("b.example", vec![decided(&name, 1, Answer::Approved)], true);
    assert_eq!(bench.finish(call).await, "status: approved\nnotes: words");
    assert_eq!(bench.kept(&name).answered, 1);
}

#[tokio::test]
async fn a_rejection_waits_for_no_proxy_and_is_an_error_result() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show(
        "a.example",
        vec![decided(&name, 1, Answer::Rejected)],
        false,
    );
    let ended = call.await.unwrap();
    assert_eq!(ended.outcome.unwrap()["isError"], true);
}

#[tokio::test]
async fn the_same_question_attaches_and_every_caller_is_answered() {
    let bench = bench(Duration::ZERO);
    let (first, name) = bench.ask("b.example", "why").await;
    let (second, same) = bench.ask("b.example", "why").await;
    let (_other, different) = bench.ask("b.example", "another reason").await;
    assert_eq!(name, same);
    assert_ne!(name, different);
    bench.show("b.example", vec![decided(&name, 1, Answer::Approved)], true);
    assert!(bench.finish(first).await.starts_with("status: approved"));
    // The operator takes the decision away as soon as one is answered.
    bench.show("b.example", vec![], true);
    assert!(bench.finish(second).await.starts_with("status: approved"));
}

#[tokio::test]
async fn a_caller_that_attached_just_before_the_answer_is_answered_too() {
    let bench = bench(Duration::ZERO);
    let (first, name) = bench.ask("b.example", "why").await;
    bench.show("a.example", vec![decided(&name, 1, Answer::Rejected)], true);
    let ended = first.await.unwrap();
    bench.show("a.example", vec![], true);
    // Not closed yet, so the store still says: asked once, answered never.
    let (late, _) = bench.ask("b.example", "why").await;
    assert!(bench.finish(late).await.starts_with("status: rejected"));
    assert!(text(&ended).starts_with("status: rejected"));
}

#[tokio::test]
async fn an_answered_question_asked_again_gets_its_decision_again() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show("a.example", vec![decided(&name, 1, Answer::Rejected)], true);
    bench.finish(call).await;
    bench.show("a.example", vec![], true);
    let (again, same) = bench.ask("b.example", "why").await;
    assert_eq!((name.as_str(), bench.kept(&name).asked), (same.as_str(), 2));
    assert!(
        !again.is_finished(),
        "the old answer is no answer to the new question"
    );
    bench.show("a.example", vec![decided(&name, 2, Answer::Rejected)], true);
    assert!(bench.finish(again).await.starts_with("status: rejected"));
}

#[tokio::test]
async fn after_a_conflict_a_changed_base_makes_a_new_question_and_an_unchanged_one_does_not() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show(
        "a.example\n",
        vec![decided(&name, 1, Answer::Rejected)],
        true,
    );
    bench.finish(call).await;
    bench
        .desk
        .store
        .kept
        .lock()
        .unwrap()
        .get_mut(&name)
        .unwrap()
        .ended = true;
    bench.show("a.example\n", vec![], true);
    let (_unchanged, _) = bench.ask("b.example", "why").await;
    assert_eq!(bench.kept(&name).asked, 2);
    bench.desk.close(&name, 2).await;
    bench.show("c.example\n", vec![], true);
    let (_changed, _) = bench.ask("b.example", "why").await;
    assert_eq!(bench.kept(&name).asked, 2);
    let kept = bench.desk.store.kept.lock().unwrap();
    let new = kept.iter().find(|(other, _)| **other != name).unwrap().1;
    assert_eq!((new.base.as_str(), new.asked), ("c.example\n", 1));
}

#[tokio::test]
async fn a_call_ends_when_its_file_comes_into_force_by_another_way() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show("b.example", vec![], false);
    settle().await;
    assert!(!call.is_finished(), "not before it is enforced");
    bench.show("b.example", vec![], true);
    let text = bench.finish(call).await;
    assert!(
        text.starts_with("status: approved") && text.contains("by another way"),
        "{text}"
    );
    assert_eq!(bench.kept(&name).answered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_in_force_waits_a_moment_for_the_decision_that_belongs_to_it() {
    let bench = bench(Duration::from_secs(3));
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show("b.example", vec![], true);
    settle().await;
    bench.show("b.example", vec![decided(&name, 1, Answer::Approved)], true);
    assert!(bench.finish(call).await.contains("notes: words"));
    let (call, _) = bench.ask("c.example", "why").await;
    bench.show("c.example", vec![], true);
    assert!(bench.finish(call).await.contains("by another way"));
}

#[tokio::test]
async fn a_file_that_is_about_to_be_enforced_is_waited_for_and_not_asked() {
    let bench = bench(Duration::ZERO);
    bench.show("b.example", vec![], false);
    let (call, _) = bench.ask("b.example", "why").await;
    assert!(!call.is_finished() && bench.desk.store.kept.lock().unwrap().is_empty());
    bench.show("b.example", vec![], true);
    assert!(bench.finish(call).await.contains("already in force"));
}

#[tokio::test]
async fn a_limit_refuses_new_questions_and_lets_old_ones_attach() {
    for (pending_left, hour_left, words) in [
        (0, 9, "Wait for one of them"),
        (9, 0, "into fewer proposals, and call again later"),
    ] {
        let bench = bench(Duration::ZERO);
        let (_call, _) = bench.ask("b.example", "why").await;
        let mut limited = (*view("a.example", vec![], true)).clone();
        limited.limits = Some(crate::config::decisions::Limits {
            pending_left,
            hour_left,
        });
        bench.view.send(Arc::new(limited)).unwrap();
        let (again, _) = bench.ask("b.example", "why").await;
        assert!(!again.is_finished());
        let (new, _) = bench.ask("c.example", "why").await;
        let text = bench.finish(new).await;
        assert!(
            text.starts_with("-32602: too many") && text.contains(words),
            "{text}"
        );
        let counts = bench.desk.tally().now();
        assert_eq!((counts.questions, counts.attached), (1, 1));
        assert_eq!(counts.refusals["limit"], 1);
    }
}

#[tokio::test]
async fn a_question_under_a_new_name_is_shown_by_that_name() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show("a.example", vec![decided(&name, 1, Answer::Rejected)], true);
    bench.finish(call).await;
    bench
        .desk
        .store
        .kept
        .lock()
        .unwrap()
        .get_mut(&name)
        .unwrap()
        .ended = true;
    bench.show("c.example", vec![], true);
    let question = bench.question("b.example", "why");
    let mut waiting = bench.desk.begin(question).unwrap();
    let shown = Arc::clone(&waiting.name);
    let desk = Arc::clone(&bench.desk);
    tokio::spawn(async move { desk.wait(&mut waiting).await });
    settle().await;
    let shown = shown.lock().unwrap().clone();
    assert_ne!(shown, name);
    assert!(bench.desk.store.kept.lock().unwrap().contains_key(&shown));
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_is_tried_again_and_a_refusing_one_is_not() {
    let bench = bench(Duration::ZERO);
    let failed = || StoreError::Failed {
        operation: "creating the proposal",
        source: "no route".into(),
    };
    bench
        .desk
        .store
        .fail
        .lock()
        .unwrap()
        .extend([failed(), failed(), failed()]);
    let (call, name) = bench.ask("b.example", "why").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    bench.show("b.example", vec![decided(&name, 1, Answer::Approved)], true);
    assert!(bench.finish(call).await.starts_with("status: approved"));
    let operation = "creating the proposal";
    let reason = || "too long".to_owned();
    let unfit = StoreError::Unfit {
        operation,
        reason: reason(),
    };
    let refused = StoreError::Refused {
        operation,
        reason: reason(),
    };
    for (error, code, advice) in [
        (unfit, "-32602", "Correct what it names, and call again"),
        (refused, "-32603", "tell the person"),
    ] {
        bench.desk.store.fail.lock().unwrap().push(error);
        let (call, _) = bench.ask("c.example", "why").await;
        let text = bench.finish(call).await;
        assert!(
            text.starts_with(code)
                && text.contains("creating the proposal was refused: too long")
                && text.contains(advice),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_deleted_proposal_asked_again_is_not_answered_by_its_old_decision() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    bench.show("b.example", vec![decided(&name, 1, Answer::Approved)], true);
    bench.finish(call).await;
    bench.desk.store.kept.lock().unwrap().clear();
    bench.show("a.example", vec![], true);
    let (call, _) = bench.ask("b.example", "why").await;
    assert!(!call.is_finished());
}

#[tokio::test]
async fn a_call_whose_proposal_is_deleted_is_told_so_and_the_others_wait_on() {
    let bench = bench(Duration::ZERO);
    let (call, name) = bench.ask("b.example", "why").await;
    let (other, _) = bench.ask("c.example", "why").await;
    bench.show_deleted(&["uid-7"]);
    settle().await;
    assert!(!call.is_finished());
    bench.show_deleted(&["uid-7", "uid-1"]);
    settle().await;
    assert!(!other.is_finished());
    let ended = call.await.unwrap();
    assert_eq!(ended.closes, None);
    let text = text(&ended);
    assert!(
        text.starts_with("status: rejected") && text.contains("deleted"),
        "{text}"
    );
    // Asked again it is another one, with another uid.
    bench.desk.store.kept.lock().unwrap().remove(&name);
    bench.ask("d.example", "why").await;
    let (again, _) = bench.ask("b.example", "why").await;
    settle().await;
    assert!(!again.is_finished());
}
