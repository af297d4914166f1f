//! Programs that get their servers by a command of their own, and programs that end in the midst of a wait.

use super::{Agent, START, TASK, WANTED, images, namespace};
use crate::support::eventually;

const ASKED_ONCE: &str = "1";

#[track_caller]
fn gets_its_server_by_its_own_command(kind: &'static str) {
    images(&[kind]);
    let namespace = namespace();
    let agent = Agent::start(&namespace, kind, &format!("injection: exec\n    {TASK}"));
    let question = agent.question();
    agent.approve(&question);
    agent.is_done();
}

/// It is killed while it waits, goes on with its conversation, and has its answer: it does not begin anew, which would
/// mean a second refusal.
#[track_caller]
fn goes_on_where_it_was_killed(kind: &'static str) {
    images(&[kind]);
    let namespace = namespace();
    let agent = Agent::start(&namespace, kind, "prompt: fetch the file");
    let question = agent.question();
    let bottle = format!("bottle/{kind}");
    let refused = || {
        let path = format!(".status.sidecar.denials[?(@.host==\"{WANTED}\")].count");
        namespace.field(&bottle, &path)
    };
    eventually("the refusal is told", START, || {
        let count = refused();
        (count == ASKED_ONCE).then_some(()).ok_or(count)
    });
    let pod = format!("{kind}-bottle");
    // All but the first process of the container, which ends with its program; the shell is among them.
    let kill = ["exec", &pod, "-c", "agent", "--", "sh", "-c", "kill -9 -1"];
    namespace.kubectl(kill);
    eventually("it was started again", START, || {
        let path = ".status.containerStatuses[?(@.name==\"agent\")].restartCount";
        let count = namespace.field(&format!("pod/{pod}"), path);
        (count == "1").then_some(()).ok_or(count)
    });
    agent.approve(&question);
    agent.is_done();
    assert_eq!(refused(), ASKED_ONCE, "{}", agent.log());
}

#[test]
#[ignore = "installs its program from npm"]
fn claude_is_given_its_server_by_its_own_command() {
    gets_its_server_by_its_own_command("claude");
}

#[test]
#[ignore = "installs its program from npm"]
fn codex_is_given_its_server_by_its_own_command() {
    gets_its_server_by_its_own_command("codex");
}

#[test]
#[ignore = "installs its program from npm"]
fn gemini_is_given_its_server_by_its_own_command() {
    gets_its_server_by_its_own_command("gemini");
}

#[test]
#[ignore = "installs its program from npm"]
fn copilot_is_given_its_server_by_its_own_command() {
    gets_its_server_by_its_own_command("copilot");
}

#[test]
#[ignore = "installs its program from npm"]
fn droid_is_given_its_server_by_its_own_command() {
    gets_its_server_by_its_own_command("droid");
}

#[test]
fn a_real_program_is_given_its_server_by_its_own_command() {
    gets_its_server_by_its_own_command("qwen");
}

#[test]
#[ignore = "installs its program from npm"]
fn gemini_goes_on_where_it_was_killed() {
    goes_on_where_it_was_killed("gemini");
}

#[test]
#[ignore = "installs its program from npm"]
fn claude_goes_on_where_it_was_killed() {
    goes_on_where_it_was_killed("claude");
}

#[test]
#[ignore = "installs its program from npm"]
fn codex_goes_on_where_it_was_killed() {
    goes_on_where_it_was_killed("codex");
}
