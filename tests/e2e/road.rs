//! The road: refused, asked, decided, enforced, answered.

use crate::support::{Namespace, PATIENCE, eventually};
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
fn a_call_whose_question_is_deleted_is_told_so() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace.kubectl(["delete", &proposal]).good();
    let answer = call.answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("was deleted"),
        "{answer}"
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
