//! Questions that wait: limits that no restart resets, life times, a sidecar that lags, what can't be applied.

use crate::support::{Bottle, Namespace, PATIENCE, eventually, in_machine};
use std::time::Duration;

/// Beyond the 30 s after which a sidecar that lags is named.
const LAGGING: Duration = Duration::from_secs(60);

/// Sends a question and goes away: what it asks stays.
fn ask_and_leave(bottle: &Bottle<'_>, host: &str) -> String {
    let script = format!(
        r#"
import json, sys, urllib.request
file = open("/etc/claude-bottle/current-config/allowlist").read() + "{host}\n"
body = json.dumps({{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {{"name": "pipelock-block",
    "arguments": {{"allowlist": file, "justification": "{host} is needed"}}}}}}).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
try:
    print(opener.open(urllib.request.Request("http://supervise:9100/", body), timeout=1).read().decode())
except TimeoutError:
    print("left")
"#
    );
    bottle.python(&script, &[]).all()
}

fn condition(bottle: &Bottle<'_>, type_: &str) -> String {
    let path = format!(".status.conditions[?(@.type==\"{type_}\")]");
    bottle.namespace.field(&bottle.object(), &path)
}

#[test]
fn the_reviewers_limit_outlives_the_sidecar() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    for number in 0..20 {
        let said = ask_and_leave(&bottle, &format!("h{number}.example.com"));
        assert!(said.contains("left"), "{said}");
    }
    eventually("twenty questions wait", PATIENCE, || {
        let pending = namespace.field(&bottle.object(), ".status.pendingProposals");
        if pending == "20" {
            Ok(())
        } else {
            Err(pending)
        }
    });
    let refused = |when: &str| {
        let said = ask_and_leave(&bottle, "one-more.example.com");
        assert!(
            said.contains("-32602") && said.contains("too many proposals of this bottle wait"),
            "{when}: {said}"
        );
    };
    refused("by the sidecar that took the others");
    in_machine("pkill -KILL -u 61001 -f mcp").good();
    bottle.sidecar_is_back();
    refused("by its successor");
    let count = || namespace.kubectl(["get", "proposals", "-o", "name"]).good();
    assert_eq!(count().lines().count(), 20);
    // A decision makes room.
    let one = count().lines().next().unwrap().to_owned();
    let one = one.replace(".bot-bottle.dev", "");
    namespace
        .edit(&one, "s/decision: Pending/decision: Rejected/")
        .good();
    eventually("there is room again", PATIENCE, || {
        let said = ask_and_leave(&bottle, "one-more.example.com");
        if said.contains("left") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

#[test]
fn a_question_that_nobody_decides_expires_and_is_removed_when_its_time_is_over() {
    let namespace = Namespace::new();
    let more = "  proposals: {pendingTTL: 3s, retention: 6s}\n";
    let bottle = namespace.bottle_with("demo", &["api.example.com"], more);
    let answer = bottle.ask_for("files.example.com").answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("nobody decided within 3s"),
        "{answer}"
    );
    eventually("the closed proposal is removed", PATIENCE, || {
        let said = namespace.kubectl(["get", "proposals", "-o", "name"]).out;
        if said.is_empty() { Ok(()) } else { Err(said) }
    });
}

#[test]
fn a_sidecar_that_lags_is_named_and_nothing_is_answered_before_it_enforces() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let mut call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    in_machine("pkill -STOP -u 61002").good();
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    eventually("the condition names the sidecar", LAGGING, || {
        let enforced = condition(&bottle, "ConfigEnforced");
        if enforced.contains("SidecarLags") && enforced.contains("egress does not enforce") {
            Ok(())
        } else {
            Err(enforced)
        }
    });
    assert!(call.waits(), "answered before it was enforced");
    assert_eq!(namespace.field(&proposal, ".status.phase"), "Applying");
    in_machine("pkill -CONT -u 61002").good();
    assert!(call.answer().contains("status: approved"));
    bottle.phase_is(&proposal, "Enforced");
    bottle.reaches("files.example.com");
}

#[test]
fn a_dockerfile_that_can_not_be_built_here_is_never_called_enforced() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.call(
        "capability-block",
        "FROM bot-bottle/agent-example:dev\nCOPY . /\n",
        "jq is missing",
    );
    let proposal = bottle.pending();
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    let answer = call.answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("line 2: COPY takes a file"),
        "{answer}"
    );
    bottle.phase_is(&proposal, "Failed");
}
