//! The node goes: drained, without its kubelet, or for good. One real node is all that there is here, so what it lost
//! comes back on the same one.

use super::{
    Question, Work,
    check::at_rest,
    in_order, take_away,
    work::{container, decide, inside},
};
use crate::support::{Namespace, PATIENCE, cluster_name, eventually, run};
use std::{thread, time::Duration};

const DECLARED: &[&str] = &["api.example.com"];

/// Lets the node take pods again, whatever becomes of the test.
struct Drained;

impl Drained {
    fn of(bottle: &str) -> Self {
        let selector = format!("--pod-selector=bot-bottle.dev/bottle={bottle}");
        let node = cluster_name();
        let drain = [
            "drain",
            &node,
            &selector,
            "--delete-emptydir-data",
            "--timeout=90s",
        ];
        let drained = Self;
        run("kubectl", drain, "").good();
        drained
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        run("kubectl", ["uncordon", &cluster_name()], "").good();
    }
}

#[test]
fn a_drained_node_ends_the_pod_and_what_is_decided_meanwhile_holds_in_the_next() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("drained", DECLARED);
    let call = Question::ask(&bottle, "files.example.com");
    let proposal = call.proposal();
    let before = namespace.field("pod/drained-bottle", ".metadata.uid");
    let drained = Drained::of("drained");
    decide(&bottle, &proposal, "Approved");
    bottle.phase_is(&proposal, "Applying");
    eventually("another pod waits for a node", PATIENCE, || {
        let uid = namespace.field("pod/drained-bottle", ".metadata.uid");
        let phase = namespace.field("pod/drained-bottle", ".status.phase");
        if uid != before && phase == "Pending" {
            Ok(())
        } else {
            Err(format!("{uid} {phase}"))
        }
    });
    eventually("the Bottle says why", PATIENCE, || {
        let said = namespace.field("bottle/drained", ".status.conditions");
        if said.contains("Unschedulable") {
            Ok(())
        } else {
            Err(said)
        }
    });
    drop(drained);
    bottle.ready();
    // The agent's side of the call ended with its pod; asked again it is answered at once.
    let again = Question::ask(&bottle, "files.example.com");
    assert!(again.answer().contains("status: approved"));
    bottle.reaches("files.example.com");
    bottle.does_not_reach("closed.example.com");
    // A call that finds its file in force is answered without a look at the question that was lost.
    let trails = at_rest(&bottle, DECLARED, false);
    assert_eq!((trails.len(), trails[0].sequence), (1, Some(1)));
}

#[test]
#[ignore = "a minute without a kubelet"]
fn without_a_kubelet_agents_work_on_and_nothing_is_called_enforced_that_is_not() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let work = Work::start(&bottle);
    let container = container(&bottle);
    let call = Question::ask(&bottle, "files.example.com");
    let proposal = call.proposal();
    let kubelet = take_away("kubelet");
    call.decide(&proposal, "Approved");
    bottle.phase_is(&proposal, "Applying");
    thread::sleep(Duration::from_secs(60));
    assert_eq!(namespace.field(&proposal, ".status.phase"), "Applying");
    let answers = "cat /tmp/answer-*; curl -sk -m 10 https://api.example.com/; curl -sk -m 10 -o /dev/null -w %{http_connect} https://files.example.com/";
    let said = inside(&container, answers);
    assert!(
        said.contains("hello from api.example.com") && said.ends_with("403"),
        "{said}"
    );
    assert!(
        !said.contains("status:"),
        "answered before it is enforced: {said}"
    );
    kubelet.back();
    assert!(
        call.answer_within(PATIENCE * 2)
            .contains("status: approved")
    );
    bottle.reaches("files.example.com");
    in_order(&bottle, DECLARED);
    work.was_never_disturbed(60);
}

#[test]
#[ignore = "the control plane takes minutes to believe that a node is gone"]
fn a_node_that_is_lost_and_removed_gives_its_bottles_back() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let call = Question::ask(&bottle, "files.example.com");
    let proposal = call.proposal();
    let old = namespace.field("pod/demo-bottle", ".metadata.uid");
    let kubelet = take_away("kubelet");
    run("kubectl", ["delete", "node", &cluster_name()], "").good();
    decide(&bottle, &proposal, "Approved");
    // The operator removes no pod by force: its node might still run it. The control plane does, as the node is gone.
    eventually("another pod is made", PATIENCE * 6, || {
        let uid = namespace.field("pod/demo-bottle", ".metadata.uid");
        if !uid.is_empty() && uid != old {
            Ok(())
        } else {
            Err(uid)
        }
    });
    kubelet.back();
    eventually("the node is back", PATIENCE * 2, || {
        let wait = [
            "wait",
            "--for=condition=Ready",
            &format!("node/{}", cluster_name()),
            "--timeout=5s",
        ];
        let said = run("kubectl", wait, "");
        if said.ok { Ok(()) } else { Err(said.all()) }
    });
    bottle.ready();
    let again = Question::ask(&bottle, "files.example.com");
    assert!(again.answer().contains("status: approved"));
    bottle.reaches("files.example.com");
    // A call that finds its file in force is answered without a look at the question that was lost.
    let trails = at_rest(&bottle, DECLARED, false);
    assert_eq!((trails.len(), trails[0].sequence), (1, Some(1)));
    // The operators ran on that node, too.
    run(
        "kubectl",
        [
            "-n",
            crate::kill::SYSTEM,
            "rollout",
            "status",
            "deployment/bottle-operator",
            "--timeout=120s",
        ],
        "",
    )
    .good();
}
