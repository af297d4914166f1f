//! At rest nothing is written; what a user or a node does is honoured.

use crate::support::{Namespace, PATIENCE, eventually, run};
use std::{thread, time::Duration};

/// Writes that the API server has answered for our group and for pods and config maps, by whoever.
fn writes() -> Vec<String> {
    let metrics = run("kubectl", ["get", "--raw", "/metrics"], "").good();
    let ours = [
        "\"bottles\"",
        "\"proposals\"",
        "\"pods\"",
        "\"configmaps\"",
        "\"events\"",
        "\"serviceaccounts\"",
        "\"rolebindings\"",
        "\"networkpolicies\"",
    ];
    let verbs = [
        "\"PUT\"",
        "\"POST\"",
        "\"PATCH\"",
        "\"APPLY\"",
        "\"DELETE\"",
    ];
    metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total"))
        .filter(|line| {
            ours.iter()
                .any(|one| line.contains(&format!("resource={one}")))
        })
        .filter(|line| {
            verbs
                .iter()
                .any(|one| line.contains(&format!("verb={one}")))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    call.answer();
    bottle.phase_is(&proposal, "Enforced");
    // One more question that stays open, and a call that waits on it.
    let mut waiting = bottle.ask_for("second.example.com");
    let _ = bottle.pending();
    thread::sleep(Duration::from_secs(20));
    let before = writes();
    thread::sleep(Duration::from_secs(60));
    assert_eq!(before, writes());
    assert!(waiting.waits());
}

#[test]
fn a_users_restart_annotation_restarts_once() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let uid = namespace.field("pod/demo-bottle", ".metadata.uid");
    namespace
        .kubectl([
            "annotate",
            "bottle",
            "demo",
            "kubectl.kubernetes.io/restartedAt=2026-01-01T00:00:00Z",
        ])
        .good();
    let new = eventually("the pod is replaced", PATIENCE, || {
        let now = namespace.field("pod/demo-bottle", ".metadata.uid");
        if !now.is_empty() && now != uid {
            Ok(now)
        } else {
            Err(now)
        }
    });
    bottle.ready();
    assert_eq!(namespace.field("pod/demo-bottle", ".metadata.uid"), new);
    assert!(
        namespace
            .field("pod/demo-bottle", ".metadata.annotations")
            .contains("2026-01-01T00:00:00Z")
    );
}

#[test]
fn what_a_namespace_has_once_goes_with_its_last_bottle() {
    let namespace = Namespace::new();
    let _one = namespace.bottle("demo", &["api.example.com"]);
    for object in [
        "serviceaccount/bottle-supervise",
        "rolebinding/bottle-supervise",
        "networkpolicy/bottles",
    ] {
        namespace.kubectl(["get", object]).good();
    }
    namespace.kubectl(["delete", "bottle", "demo"]).good();
    eventually("they are gone", PATIENCE, || {
        let left = namespace
            .kubectl([
                "get",
                "serviceaccount,rolebinding,networkpolicy",
                "-o",
                "name",
            ])
            .out;
        if left.contains("bottle") {
            Err(left)
        } else {
            Ok(())
        }
    });
}

#[test]
fn an_agent_that_fails_too_often_stays_down_with_its_code() {
    let namespace = Namespace::new();
    let yaml = crate::support::bottle_yaml("demo", &["api.example.com"]).replace(
        "command: [sleep, infinity]",
        "command: [sh, -c, \"exit 7\"]\n    maxRestarts: 1",
    );
    namespace.apply(&yaml).good();
    eventually("the phase is Failed", PATIENCE, || {
        let phase = namespace.field("bottle/demo", ".status.phase");
        let conditions = namespace.field("bottle/demo", ".status.conditions");
        if phase == "Failed" && conditions.contains('7') {
            Ok(())
        } else {
            Err(format!("{phase} {conditions}"))
        }
    });
}
