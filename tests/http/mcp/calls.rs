//! Blocked calls, decided by files.

use super::bench::{Bench, hosts, text_of};
use bot_bottle::supervise::Waits;
use bot_bottle::supervise::store::queue::Limits;
use serde_json::json;
use std::time::Duration;

fn short() -> Waits {
    Waits {
        plain: Duration::from_millis(20),
        ..Waits::default()
    }
}

const LIMITS: Limits = Limits {
    pending: 20,
    hour: 30,
};

#[tokio::test]
async fn a_call_blocks_until_the_decision_and_is_archived() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts("a.example\nb.example\n", "docs")));
    let name = bench.directories.proposals(1).await.remove(0);
    assert!(!call.is_finished());
    bench
        .directories
        .decide(&name, &json!({"status": "approved", "notes": "fine"}));
    assert_eq!(
        call.await.unwrap(),
        ("status: approved\nnotes: fine".to_owned(), false)
    );
    bench.directories.proposals(0).await;
    assert_eq!(
        bench.directories.archived(),
        [format!("{name}.decision.json"), format!("{name}.json")]
    );
}

#[tokio::test]
async fn a_rejection_is_an_error_result_and_is_given_again() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    let name = bench.directories.proposals(1).await.remove(0);
    bench
        .directories
        .decide(&name, &json!({"status": "rejected", "notes": "no"}));
    let rejection = ("status: rejected\nnotes: no".to_owned(), true);
    assert_eq!(call.await.unwrap(), rejection);
    bench.directories.proposals(0).await;
    assert_eq!(
        bench.client.ask(hosts("b.example", "docs")).await,
        rejection
    );
    bench.directories.proposals(0).await;
}

#[tokio::test]
async fn a_modified_file_follows_verbatim() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts(".b.example", "docs")));
    let name = bench.directories.proposals(1).await.remove(0);
    let final_file = "# narrower\nwww.b.example\n\n";
    bench.directories.decide(
        &name,
        &json!({"status": "modified", "finalFile": final_file}),
    );
    let (text, is_error) = call.await.unwrap();
    assert!(
        !is_error && text.starts_with("status: modified\n"),
        "{text}"
    );
    assert!(text.ends_with(&format!(":\n{final_file}")), "{text}");
}

#[tokio::test]
async fn a_file_in_force_is_approved_at_once_and_nothing_is_queued() {
    let bench = Bench::start("a.example\nb.example\n").await;
    let (text, is_error) = bench
        .client
        .ask(hosts("# mine\nB.example\na.example", "docs"))
        .await;
    assert!(
        text.starts_with("status: approved\nnotes: ")
            && text.contains("already in force")
            && !is_error,
        "{text}"
    );
    bench.directories.proposals(0).await;
}

#[tokio::test]
async fn without_a_stream_a_call_ends_as_pending_and_the_same_call_goes_on() {
    let bench = Bench::with("a.example\n", short(), LIMITS).await;
    let (text, is_error) = bench.client.ask(hosts("b.example", "docs")).await;
    let name = bench.directories.proposals(1).await.remove(0);
    assert!(
        text.starts_with("status: pending\n") && text.contains(&name) && !is_error,
        "{text}"
    );
    assert!(text.contains("again with the same arguments"), "{text}");
    bench.client.ask(hosts("b.example", "docs")).await;
    assert_eq!(bench.directories.proposals(1).await, [name.as_str()]);
    bench
        .directories
        .decide(&name, &json!({"status": "approved"}));
    while bench.client.ask(hosts("b.example", "docs")).await.0 != "status: approved" {}
}

#[tokio::test]
async fn another_justification_is_another_proposal() {
    let bench = Bench::with("a.example\n", short(), LIMITS).await;
    bench.client.ask(hosts("b.example", "docs")).await;
    bench.client.ask(hosts("b.example", "better reason")).await;
    bench.directories.proposals(2).await;
}

#[tokio::test]
async fn a_client_that_goes_away_loses_nothing() {
    let bench = Bench::start("a.example\n").await;
    let gone = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    let name = bench.directories.proposals(1).await.remove(0);
    gone.abort();
    let _ = gone.await;
    let again = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    bench
        .directories
        .decide(&name, &json!({"status": "approved", "notes": "late"}));
    assert_eq!(again.await.unwrap().0, "status: approved\nnotes: late");
}

#[tokio::test]
async fn a_file_that_comes_into_force_by_another_way_ends_the_call() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    bench.directories.proposals(1).await;
    bench.directories.write("allowlist", "b.example\n");
    let (text, is_error) = call.await.unwrap();
    assert!(
        text.starts_with("status: approved") && text.contains("another way") && !is_error,
        "{text}"
    );
}

#[tokio::test]
async fn a_revoked_grant_asked_again_is_a_rejection_that_says_so() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    let name = bench.directories.proposals(1).await.remove(0);
    bench
        .directories
        .decide(&name, &json!({"status": "approved"}));
    call.await.unwrap();
    bench.directories.proposals(0).await;
    bench
        .directories
        .decide(&name, &json!({"status": "revoked", "notes": "enough"}));
    let (text, is_error) = bench.client.ask(hosts("b.example", "docs")).await;
    assert_eq!(
        (text.as_str(), is_error),
        (
            "status: rejected\nnotes: the grant was revoked: enough",
            true
        )
    );
}

#[tokio::test]
async fn after_a_conflict_only_a_changed_file_in_force_makes_a_new_proposal() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    let name = bench.directories.proposals(1).await.remove(0);
    bench
        .directories
        .decide(&name, &json!({"status": "conflicted"}));
    let (text, is_error) = call.await.unwrap();
    assert!(
        text.contains("read the current file again") && is_error,
        "{text}"
    );
    bench.directories.proposals(0).await;
    assert!(bench.client.ask(hosts("b.example", "docs")).await.1);
    bench.directories.write("allowlist", "c.example\n");
    // Until the new file is seen, the old answer is right.
    let call = tokio::spawn({
        let client = bench.client;
        async move {
            loop {
                let (text, is_error) = client.ask(hosts("b.example", "docs")).await;
                if !is_error {
                    return text;
                }
            }
        }
    });
    let new = bench.directories.proposals(1).await.remove(0);
    assert_ne!(new, name);
    bench
        .directories
        .decide(&new, &json!({"status": "approved"}));
    assert_eq!(call.await.unwrap(), "status: approved");
}

#[tokio::test]
async fn limits_of_the_reviewer_refuse_new_proposals_with_what_to_do() {
    let bench = Bench::with(
        "a.example\n",
        short(),
        Limits {
            pending: 2,
            hour: 3,
        },
    )
    .await;
    for host in ["b.example", "c.example"] {
        bench.client.ask(hosts(host, "docs")).await;
    }
    let refused = bench
        .client
        .rpc("tools/call", hosts("d.example", "docs"))
        .await;
    assert_eq!(refused["error"]["code"], -32602);
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("too many proposals"),
        "{refused}"
    );
    assert!(
        text_of(
            &bench
                .client
                .rpc("tools/call", hosts("b.example", "docs"))
                .await
        )
        .0
        .starts_with("status: pending")
    );
}

#[tokio::test]
async fn current_files_are_read_as_resources() {
    let bench = Bench::start("a.example\n").await;
    let uri = "file:///etc/claude-bottle/current-config/allowlist";
    let read = bench
        .client
        .rpc("resources/read", json!({"uri": uri}))
        .await;
    assert_eq!(read["result"]["contents"][0]["text"], "a.example\n");
}

#[tokio::test]
async fn at_the_end_waiting_calls_are_told_to_call_again() {
    let bench = Bench::start("a.example\n").await;
    let call = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    bench.directories.proposals(1).await;
    bench.stop();
    assert!(call.await.unwrap().0.starts_with("status: pending"));
}
