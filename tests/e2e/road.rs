//! The road: refused, asked, decided, enforced, answered.

use crate::support::{Namespace, PATIENCE, bottle_yaml, eventually};
use std::time::{Duration, SystemTime};

const APPROVE: &str = "s/decision: Pending/decision: Approved/";

#[test]
fn an_approval_by_kubectl_edit_opens_one_host_and_answers_the_call() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    // The agent reads its settings, and the official SDK's client finds the tools.
    let settings = bottle.shell("cat ~/.claude.json").good();
    assert!(settings.contains("http://supervise:9100/"), "{settings}");
    let tools = bottle.call("tools", "", "").answer();
    assert_eq!(
        tools.trim(),
        "capability-block cred-proxy-block pipelock-block"
    );
    bottle.reaches("api.example.com");
    // The refusal says what to call.
    let refusal = bottle
        .shell("curl -s -m 10 http://files.example.com/")
        .good();
    assert!(
        refusal.contains("pipelock-block") && refusal.contains("files.example.com"),
        "{refusal}"
    );
    bottle.does_not_reach("files.example.com");

    let mut call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    let list = namespace.kubectl(["get", "proposals"]).good();
    assert!(
        list.contains("+files.example.com") && list.contains("pipelock-block"),
        "{list}"
    );
    let described = namespace.kubectl(["describe", &proposal]).good();
    for part in [
        "files.example.com is needed",
        "+files.example.com",
        "kubectl edit proposal",
        "ProposalPending",
    ] {
        assert!(described.contains(part), "{part}: {described}");
    }
    bottle.does_not_reach("files.example.com");
    assert!(call.waits());

    namespace.edit(&proposal, APPROVE).good();
    let answer = call.answer();
    assert!(
        answer.contains("status: approved") && answer.contains("isError: False"),
        "{answer}"
    );
    // Answered means enforced: the very next request goes through.
    bottle.reaches("files.example.com");
    bottle.does_not_reach("closed.example.com");
    bottle.phase_is(&proposal, "Enforced");
    assert!(!namespace.field(&proposal, ".spec.decidedBy").is_empty());
    assert!(bottle.allowlist().contains("files.example.com"));
}

#[test]
fn a_rejection_reaches_the_agent_with_its_notes_and_again_when_it_asks_again() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace
        .edit(
            &proposal,
            "s/decision: Pending/decision: Rejected/; s/notes: \"\"/notes: use the mirror/",
        )
        .good();
    let answer = call.answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("notes: use the mirror"),
        "{answer}"
    );
    assert!(answer.contains("isError: True"), "{answer}");
    bottle.does_not_reach("files.example.com");
    let again = bottle.ask_for("files.example.com").answer();
    assert!(
        again.contains("status: rejected") && again.contains("use the mirror"),
        "{again}"
    );
    assert_eq!(
        namespace
            .kubectl(["get", "proposals", "-o", "name"])
            .good()
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_reviewers_own_file_is_what_is_applied() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for(".example.org");
    let proposal = bottle.pending();
    let patch =
        r#"{"spec":{"decision":"Approved","finalFile":"api.example.com\nsecond.example.com\n"}}"#;
    namespace
        .kubectl(["patch", &proposal, "--type=merge", "-p", patch])
        .good();
    let answer = call.answer();
    assert!(answer.contains("status: modified"), "{answer}");
    assert!(
        answer.contains("api.example.com\nsecond.example.com"),
        "{answer}"
    );
    bottle.reaches("second.example.com");
    assert!(!bottle.allowlist().contains("example.org"));
}

#[test]
fn two_questions_at_once_are_decided_apart() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let mut first = bottle.ask_for("files.example.com");
    let one = bottle.pending();
    let second = bottle.ask_for("second.example.com");
    let other = eventually("the second question arrives", PATIENCE, || {
        let all = namespace.kubectl(["get", "proposals", "-o", "name"]).out;
        let name = all
            .lines()
            .map(|line| line.replace("proposal.bot-bottle.dev/", "proposal/"))
            .find(|name| *name != one);
        name.ok_or(all.clone())
    });
    bottle.phase_is(&other, "Pending");
    namespace.edit(&other, APPROVE).good();
    assert!(second.answer().contains("status: approved"));
    assert!(first.waits());
    bottle.reaches("second.example.com");
    bottle.does_not_reach("files.example.com");
    namespace.edit(&one, APPROVE).good();
    assert!(first.answer().contains("status: approved"));
    bottle.reaches("files.example.com");
    bottle.reaches("second.example.com");
}

/// A tunnel that ticks once a second; how long it lived shows in its output.
const TICKS: &str =
    "curl -skN -m 60 https://files.example.com/ticks > /tmp/ticks 2>&1; echo ended >> /tmp/ticks";

#[test]
fn a_revoked_grant_closes_the_host_and_cuts_the_open_tunnel() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace.edit(&proposal, APPROVE).good();
    call.answer();
    bottle.phase_is(&proposal, "Enforced");
    bottle
        .shell(&format!(
            "({TICKS}) >/dev/null 2>&1 & sleep 2; grep -vc ended /tmp/ticks"
        ))
        .good();
    namespace
        .edit(&proposal, "s/decision: Approved/decision: Revoked/")
        .good();
    eventually("the tunnel is cut", Duration::from_secs(20), || {
        let ticks = bottle.shell("cat /tmp/ticks").all();
        if ticks.contains("ended") {
            Ok(())
        } else {
            Err(ticks)
        }
    });
    bottle.does_not_reach("files.example.com");
    bottle.reaches("api.example.com");
    bottle.phase_is(&proposal, "Revoked");
    assert!(!namespace.field(&proposal, ".spec.revokedBy").is_empty());
    assert!(
        !namespace.field(&proposal, ".spec.decidedBy").is_empty(),
        "the approver stays on record"
    );
    let again = bottle.ask_for("files.example.com").answer();
    assert!(
        again.contains("status: rejected") && again.contains("revoked"),
        "{again}"
    );
}

#[test]
fn a_deleted_grant_closes_the_host() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace.edit(&proposal, APPROVE).good();
    call.answer();
    namespace.kubectl(["delete", &proposal]).good();
    bottle.closes("files.example.com");
}

#[test]
fn a_grant_with_an_end_closes_by_itself() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    let end = SystemTime::now() + Duration::from_secs(6);
    let end = k8s_openapi::jiff::Timestamp::try_from(end)
        .unwrap()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let patch = format!(r#"{{"spec":{{"decision":"Approved","expiresAt":"{end}"}}}}"#);
    namespace
        .kubectl(["patch", &proposal, "--type=merge", "-p", &patch])
        .good();
    assert!(call.answer().contains("status: approved"));
    bottle.phase_is(&proposal, "Expired");
    bottle.closes("files.example.com");
}

#[test]
fn a_tunnel_carries_a_hundred_megabytes_each_way_and_loses_nothing() {
    const BYTES: &str = "104857600";
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["files.example.com"]);
    let down = bottle
        .shell(&format!(
            "curl -sk 'https://files.example.com/bytes?n={BYTES}' | wc -c"
        ))
        .good();
    assert_eq!(down.trim(), BYTES);
    let up = format!(
        "head -c {BYTES} /dev/zero | curl -sk -T - -X POST https://files.example.com/count"
    );
    assert_eq!(bottle.shell(&up).good().trim(), BYTES);
    // Closed at once, before the other side has read: what was sent still arrives.
    let plain =
        format!("head -c {BYTES} /dev/zero | curl -s -T - -X POST http://files.example.com/count");
    assert_eq!(bottle.shell(&plain).good().trim(), BYTES);
}

#[test]
fn the_second_of_two_editors_is_told_not_lost() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    // While this editor is open, somebody else rejects.
    let reject = format!(
        "kubectl -n {} patch {proposal} --type=merge -p \"{{\\\"spec\\\":{{\\\"decision\\\":\\\"Rejected\\\"}}}}\" >/dev/null; sed -i -e \"{APPROVE}\"",
        namespace.name
    );
    let script = std::env::temp_dir().join(format!("editor-{}", namespace.name));
    std::fs::write(&script, format!("{reject} \"$1\"\n")).unwrap();
    let said = crate::support::run(
        "env",
        [
            &format!("KUBE_EDITOR=sh {}", script.display()),
            "kubectl",
            "-n",
            &namespace.name,
            "edit",
            &proposal,
        ],
        "",
    );
    std::fs::remove_file(&script).unwrap();
    // kubectl keeps what was typed, with the API server's words above it.
    let message = said.bad();
    let kept = message
        .split('"')
        .find(|part| part.contains("kubectl-edit"))
        .unwrap();
    let kept_text = std::fs::read_to_string(kept).unwrap();
    std::fs::remove_file(kept).unwrap();
    assert!(
        kept_text.contains("a pending Proposal becomes Approved or Rejected"),
        "{message} {kept_text}"
    );
    assert!(call.answer().contains("status: rejected"));
    assert_eq!(namespace.field(&proposal, ".spec.decision"), "Rejected");
}

#[test]
fn kubectl_edit_shows_diff_and_file_as_readable_blocks() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let _call = bottle.call(
        "pipelock-block",
        "api.example.com  \n\tfiles.example.com\t \n# why: builds \n",
        "trailing blanks",
    );
    let proposal = bottle.pending();
    let shown = namespace.kubectl(["get", &proposal, "-o", "yaml"]).good();
    assert!(shown.contains("proposedFile: |"), "{shown}");
    assert!(shown.contains("baseFile: |"), "{shown}");
    assert!(shown.contains("- +files.example.com"), "{shown}");
}

#[test]
fn applying_the_same_bottle_again_changes_nothing_and_a_declared_host_can_be_taken_away() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com", "second.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace.edit(&proposal, APPROVE).good();
    call.answer();
    let said = namespace
        .apply(&bottle_yaml(
            "demo",
            &["api.example.com", "second.example.com"],
        ))
        .good();
    assert!(said.contains("unchanged"), "{said}");
    bottle.reaches("files.example.com");
    namespace
        .apply(&bottle_yaml("demo", &["api.example.com"]))
        .good();
    bottle.closes("second.example.com");
    bottle.reaches("files.example.com");
}

#[test]
fn image_and_command_change_as_the_design_says() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let uid = namespace.field("pod/demo-bottle", ".metadata.uid");
    let yaml = bottle_yaml("demo", &["api.example.com"]);
    namespace
        .apply(&yaml.replace("command: [sleep, infinity]", "command: [sleep, \"100000\"]"))
        .good();
    eventually("the pod is replaced", PATIENCE, || {
        let now = namespace.field("pod/demo-bottle", ".metadata.uid");
        if !now.is_empty() && now != uid {
            Ok(())
        } else {
            Err(now)
        }
    });
    bottle.ready();
    assert!(
        bottle
            .shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
            .all()
            .contains("sleep 100000")
    );
}

#[test]
fn an_image_and_resources_change_in_place_while_the_sidecars_stay() {
    let namespace = Namespace::new();
    // A command that both images have.
    let yaml = bottle_yaml("demo", &["api.example.com"]).replace(
        "[sleep, infinity]",
        "[sh, -c, \"busybox sleep 100000 || sleep 100000\"]",
    );
    namespace.apply(&yaml).good();
    let bottle = crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    };
    bottle.ready();
    let uid = namespace.field("pod/demo-bottle", ".metadata.uid");
    bottle
        .shell("echo kept > /bottle/home/note; echo kept > /bottle/workspace/note")
        .good();
    let changed = yaml.replace("agent-example:dev", "tiny:dev").replace(
        "kind: claude",
        "kind: claude\n    resources: {requests: {cpu: 20m}, limits: {memory: 256Mi}}",
    );
    namespace.apply(&changed).good();
    eventually("the agent runs in the new image", PATIENCE, || {
        let said = bottle.shell(
            "busybox cat /bottle/home/note /bottle/workspace/note; busybox test ! -e /usr/bin/python3 && echo tiny",
        );
        if said.out == "kept\nkept\ntiny\n" {
            Ok(())
        } else {
            Err(said.all())
        }
    });
    eventually("the bottle is Ready again", PATIENCE, || {
        let ready = namespace.field(
            "bottle/demo",
            ".status.conditions[?(@.type==\"Ready\")].status",
        );
        if ready == "True" { Ok(()) } else { Err(ready) }
    });
    assert_eq!(namespace.field("pod/demo-bottle", ".metadata.uid"), uid);
    let statuses = ".status.containerStatuses[?(@.name==\"supervise\")].restartCount";
    assert_eq!(namespace.field("pod/demo-bottle", statuses), "0");
    eventually("the memory limit is in force", PATIENCE, || {
        let path = ".status.containerStatuses[?(@.name==\"agent\")].resources.limits";
        let limits = namespace.field("pod/demo-bottle", path);
        if limits.contains("256Mi") {
            Ok(())
        } else {
            Err(limits)
        }
    });
    let path = ".spec.containers[?(@.name==\"agent\")].resources.requests.cpu";
    assert_eq!(namespace.field("pod/demo-bottle", path), "20m");
}

#[test]
fn a_bottle_that_may_not_ask_has_no_server_and_no_settings_entry() {
    let namespace = Namespace::new();
    let yaml =
        bottle_yaml("demo", &["api.example.com"]).replace("spec:", "spec:\n  supervise: false");
    namespace.apply(&yaml).good();
    let bottle = crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    };
    bottle.ready();
    bottle.reaches("api.example.com");
    bottle.does_not_reach("files.example.com");
    let asked = bottle.shell("curl -s -m 3 http://supervise:9100/health");
    assert!(!asked.ok, "{}", asked.all());
    let settings = bottle.shell("cat ~/.claude.json 2>/dev/null; true").good();
    assert!(!settings.contains("supervise:9100"), "{settings}");
}
