//! The API server or its store goes away and comes back: bottles don't need it, and no decision is lost.

use super::{
    Question, Work, in_order, machine, take_away,
    work::{container, inside},
};
use crate::{
    kill::{Operator, Stopped, operators_kubeconfig},
    support::{Namespace, state},
};
use std::{thread, time::Duration};

/// Operator and kubelet begin their watches again after pauses of up to half a minute each.
const AFTERWARDS: Duration = Duration::from_secs(180);

const DECLARED: &[&str] = &["api.example.com"];

/// How long the API server is away.
fn away() -> Duration {
    let seconds = std::env::var("BOT_BOTTLE_AWAY_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(60))
}

#[test]
#[ignore = "a minute without an API server"]
fn bottles_work_on_without_an_api_server_and_what_was_decided_before_is_applied_after() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let work = Work::start(&bottle);
    let container = container(&bottle);
    let decided = Question::ask(&bottle, "files.example.com");
    let approved = decided.proposal();
    let open = Question::ask(&bottle, "second.example.com");
    let undecided = open.proposal();
    decided.decide(&approved, "Approved");
    let api_server = take_away("kube-apiserver");

    // The wall stands as it stood, and what needs no person is answered as ever.
    let look = "curl -sk -m 10 https://api.example.com/; curl -sk -m 10 -o /dev/null -w %{http_connect} https://closed.example.com/";
    let said = inside(&container, look);
    assert!(
        said.contains("hello from api.example.com") && said.ends_with("403"),
        "{said}"
    );
    let current = "cat /etc/claude-bottle/current-config/allowlist";
    let said = inside(
        &container,
        &format!("python3 /tmp/call.py pipelock-block \"$({current})\" why 2>/dev/null"),
    );
    assert!(said.contains("status: approved"), "{said}");
    // A question that nobody can be shown yet: the call waits.
    let late = Question::ask_past_the_api(&bottle, &container, "git.example.com");
    thread::sleep(away());
    api_server.back();

    assert!(
        decided
            .answer_within(AFTERWARDS)
            .contains("status: approved")
    );
    bottle.reaches("files.example.com");
    assert!(open.waits());
    open.decide(&undecided, "Rejected");
    assert!(open.answer_within(AFTERWARDS).contains("status: rejected"));
    let asked = late.proposal();
    late.decide(&asked, "Approved");
    assert!(late.answer_within(AFTERWARDS).contains("status: approved"));
    let trails = in_order(&bottle, DECLARED);
    assert_eq!(trails.len(), 3, "{trails:?}");
    work.was_never_disturbed(60);
}

#[test]
fn a_decision_outlives_the_end_of_etcd() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let work = Work::start(&bottle);
    let call = Question::ask(&bottle, "files.example.com");
    let proposal = call.proposal();
    call.decide(&proposal, "Approved");
    let etcd = take_away("etcd");
    thread::sleep(Duration::from_secs(4));
    etcd.back();
    assert!(call.answer_within(AFTERWARDS).contains("status: approved"));
    bottle.reaches("files.example.com");
    // And all goes on.
    let second = Question::ask(&bottle, "second.example.com");
    let asked = second.proposal();
    second.decide(&asked, "Approved");
    assert!(
        second
            .answer_within(AFTERWARDS)
            .contains("status: approved")
    );
    in_order(&bottle, DECLARED);
    work.was_never_disturbed(10);
}

/// What happened while an operator was not looking is gone from the API server's memory and from etcd's: its watches
/// are answered 410, and it reads everything anew.
#[test]
#[ignore = "takes the operator's and the API server's place for a minute"]
fn an_operator_whose_watches_have_expired_reads_everything_anew() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let _stopped = Stopped::new();
    let kubeconfig = operators_kubeconfig();
    let log = state().join("log/operator-under-test.log");
    let before = std::fs::read_to_string(&log).unwrap_or_default().len();
    let operator = Operator::start_with(&kubeconfig, "", &[]);
    let work = Work::start(&bottle);
    let calls =
        ["files.example.com", "second.example.com"].map(|host| Question::ask(&bottle, host));
    let [approved, rejected] = [calls[0].proposal(), calls[1].proposal()];
    operator.signal("STOP");
    calls[0].decide(&approved, "Approved");
    calls[1].decide(&rejected, "Rejected");
    let api_server = take_away("kube-apiserver");
    compact();
    api_server.back();
    operator.signal("CONT");
    assert!(
        calls[0]
            .answer_within(AFTERWARDS)
            .contains("status: approved")
    );
    assert!(
        calls[1]
            .answer_within(AFTERWARDS)
            .contains("status: rejected")
    );
    in_order(&bottle, DECLARED);
    work.was_never_disturbed(10);
    let said = std::fs::read_to_string(&log).unwrap();
    let said = &said[before..];
    assert!(
        said.contains("too old resource version") || said.contains("410"),
        "nothing had expired: {said}"
    );
    std::fs::remove_file(kubeconfig).unwrap();
}

/// Lets etcd forget every revision but the last.
fn compact() {
    let etcd = "http://127.0.0.1:2379/v3";
    let said = machine(&format!(
        "now=$(curl -s -X POST -d '{{}}' {etcd}/maintenance/status | grep -o '\"revision\":\"[0-9]*\"' | grep -o '[0-9]*'); \
         curl -s -X POST -d \"{{\\\"revision\\\": \\\"$now\\\", \\\"physical\\\": true}}\" {etcd}/kv/compaction"
    ))
    .good();
    assert!(said.contains("revision"), "{said}");
}
