//! What becomes of an approved Dockerfile.

use super::place::{
    agent_runs, approved, ask, base, becomes, bottle, container, decide, image, log, message,
    signal, with,
};
use crate::support::{Bottle, Namespace, PATIENCE, eventually};
use std::thread::sleep;
use std::time::Duration;

/// A tool that holds what the build got through its proxy.
pub const GREET: &str = "RUN busybox wget -q -O /greeting http://files.example.com/ && \\\n  printf '#!/bin/sh\\nexec busybox cat /greeting\\n' > /bin/greet && busybox chmod 755 /bin/greet";

pub fn greets(bottle: &Bottle<'_>) -> bool {
    bottle
        .shell("greet")
        .all()
        .contains("hello from files.example.com")
}

#[test]
fn a_tool_is_built_in_and_the_agent_goes_on_where_it_was() {
    let namespace = Namespace::new();
    a_tool_is_built_in(&bottle(&namespace));
}

/// Whoever builds.
pub fn a_tool_is_built_in(bottle: &Bottle<'_>) {
    let namespace = bottle.namespace;
    bottle
        .shell("echo uncommitted > /bottle/workspace/file; echo talk > /bottle/home/talk")
        .good();
    assert!(!greets(bottle));
    let pod = namespace.field(&format!("pod/{}", bottle.pod()), ".metadata.uid");
    let file = with(GREET);
    let proposal = approved(bottle, &file);
    becomes(bottle, &proposal, "Enforced");
    agent_runs(bottle);
    assert!(greets(bottle));
    // The same pod, with all that was in it.
    assert_eq!(
        namespace.field(&format!("pod/{}", bottle.pod()), ".metadata.uid"),
        pod
    );
    let kept = bottle
        .shell("busybox cat /bottle/workspace/file /bottle/home/talk")
        .good();
    assert_eq!(kept, "uncommitted\ntalk\n");
    assert!(image(bottle).contains("@sha256:"), "{}", image(bottle));
    let shown = bottle
        .shell("busybox cat /etc/claude-bottle/current-config/Dockerfile")
        .good();
    assert_eq!(shown, file);
    let answer = ask(bottle, &file).answer();
    assert!(answer.contains("status: approved"), "{answer}");
    // One more on top of it; the one below goes, and takes it along.
    let proposal2 = approved(
        bottle,
        &file.replace(
            "USER 1000:1000",
            "RUN busybox touch /second\nUSER 1000:1000",
        ),
    );
    becomes(bottle, &proposal2, "Enforced");
    agent_runs(bottle);
    bottle.shell("busybox ls /second /greeting").good();
    decide(bottle, &proposal, r#"{"decision":"Revoked"}"#);
    becomes(bottle, &proposal2, "Conflicted");
    eventually("the declared image is back", PATIENCE, || {
        let now = image(bottle);
        if now == base() && !greets(bottle) {
            Ok(())
        } else {
            Err(now)
        }
    });
    agent_runs(bottle);
    assert_eq!(
        bottle.shell("busybox cat /bottle/workspace/file").good(),
        "uncommitted\n"
    );
}

#[test]
fn a_build_that_fails_leaves_the_agent_alone_and_tells_it_why() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let before = container(&bottle);
    let call = ask(
        &bottle,
        &with("RUN echo the package is not there >&2; exit 7"),
    );
    let proposal = bottle.pending();
    decide(&bottle, &proposal, r#"{"decision":"Approved"}"#);
    let answer = call.answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("the package is not there"),
        "{answer}"
    );
    assert_eq!(namespace.field(&proposal, ".status.reason"), "BuildFailed");
    assert!(log(&bottle, &proposal).contains("the package is not there"));
    assert_eq!(container(&bottle), before);
}

#[test]
#[ignore = "takes half a minute"]
fn an_image_that_can_not_be_run_gives_the_agent_its_old_one_back() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let before = container(&bottle);
    // Without the agent's command it is never run.
    let proposal = approved(&bottle, &with("RUN busybox rm /bin/busybox"));
    becomes(&bottle, &proposal, "Failed");
    assert!(
        message(&bottle, &proposal).contains("no such program"),
        "{}",
        message(&bottle, &proposal)
    );
    assert_eq!(container(&bottle), before);
    // With one that can't be executed, it is tried and taken back.
    let proposal = approved(
        &bottle,
        &with(
            "RUN printf 'no program' > /bin/other && busybox chmod 755 /bin/other && busybox mv /bin/other /bin/busybox",
        ),
    );
    becomes(&bottle, &proposal, "Failed");
    assert!(
        message(&bottle, &proposal).contains("has its old one back"),
        "{}",
        message(&bottle, &proposal)
    );
    agent_runs(&bottle);
    assert_eq!(image(&bottle), base());
}

#[test]
#[ignore = "takes half a minute"]
fn a_reviewers_own_dockerfile_is_what_is_built_and_a_rejection_builds_nothing() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let call = ask(&bottle, &with("RUN busybox touch /rejected"));
    let proposal = bottle.pending();
    decide(
        &bottle,
        &proposal,
        r#"{"decision":"Rejected","notes":"use what you have"}"#,
    );
    let answer = call.answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("use what you have"),
        "{answer}"
    );
    let asked = with("RUN busybox touch /asked");
    let _call = ask(&bottle, &asked);
    let proposal = bottle.pending();
    let own =
        serde_json::json!({"decision": "Approved", "finalFile": with("RUN busybox touch /own")});
    decide(&bottle, &proposal, &own.to_string());
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    bottle.shell("busybox ls /own").good();
    bottle.shell("busybox ls /asked").bad();
    let answer = ask(&bottle, &asked).answer();
    assert!(
        answer.contains("status: modified") && answer.contains("touch /own"),
        "{answer}"
    );
}

#[test]
#[ignore = "takes a minute"]
fn a_registry_that_is_away_holds_a_build_up_and_nothing_else() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let _call = ask(&bottle, &with("RUN busybox touch /later"));
    let proposal = bottle.pending();
    signal("registry", "STOP").good();
    decide(&bottle, &proposal, r#"{"decision":"Approved"}"#);
    sleep(Duration::from_secs(30));
    let phase = namespace.field(&proposal, ".status.phase");
    signal("registry", "CONT").good();
    assert_eq!(phase, "Applying");
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    bottle.shell("busybox ls /later").good();
}
