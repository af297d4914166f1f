//! Kills: the operator at every point between a decision and its answer, the sidecar, the kubelet. Applied exactly
//! once, answered once, nothing lost.

use crate::support::{Namespace, PATIENCE, eventually, in_machine, kubeconfig_with, run, state};
use std::{
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub const SYSTEM: &str = "bot-bottle-system";

/// Takes the installed operator away while a test runs its own.
pub struct Stopped;

impl Stopped {
    pub fn new() -> Self {
        scale(0);
        eventually("the installed operator ends", PATIENCE, || {
            let pods = run("kubectl", ["-n", SYSTEM, "get", "pods", "-o", "name"], "").out;
            if pods.trim().is_empty() {
                Ok(())
            } else {
                Err(pods)
            }
        });
        Self
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        scale(1);
    }
}

fn scale(replicas: u8) {
    let replicas = format!("--replicas={replicas}");
    run(
        "kubectl",
        ["-n", SYSTEM, "scale", "deployment", "--all", &replicas],
        "",
    )
    .good();
}

/// The operator as a process here, with the chart's account and role.
pub struct Operator {
    child: Child,
}

impl Operator {
    fn start(kubeconfig: &PathBuf, failpoints: &str) -> Self {
        Self::start_with(kubeconfig, failpoints, &[])
    }

    pub fn start_with(kubeconfig: &PathBuf, failpoints: &str, more: &[&str]) -> Self {
        let program =
            PathBuf::from(std::env::var_os("BOT_BOTTLE_BIN_DIR").unwrap()).join("operator");
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(state().join("log/operator-under-test.log"))
            .unwrap();
        let child = Command::new(program)
            .args(["run", "--health", "127.0.0.1:0"])
            .args(more)
            .env("KUBECONFIG", kubeconfig)
            .env("FAILPOINTS", failpoints)
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        run("kill", [format!("-{name}"), id], "").good();
    }

    /// Waits until the failpoint has killed it.
    #[track_caller]
    fn dies_at(self, point: &str) {
        self.dies_within(point, PATIENCE);
    }

    /// The same, when it takes longer.
    #[track_caller]
    pub fn dies_within(mut self, point: &str, limit: Duration) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                began.elapsed() < limit,
                "{point} is never reached; was the operator built with failpoints?"
            );
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.signal(), Some(9), "{point}: {status}");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn operators_kubeconfig() -> PathBuf {
    let create = ["-n", SYSTEM, "create", "token", "bottle-operator"];
    kubeconfig_with(&run("kubectl", create, "").good())
}

#[test]
fn an_operator_killed_anywhere_applies_once_and_answers_once() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let _stopped = Stopped::new();
    let kubeconfig = operators_kubeconfig();
    let actions = [
        "proposal-status",
        "apply-config-map",
        "touch",
        "bottle-status",
        "notify",
    ];
    let points = actions
        .iter()
        .flat_map(|action| [format!("before-{action}"), format!("after-{action}")]);
    for (number, point) in (1..).zip(points) {
        let host = format!("h{number}.example.com");
        let asking = Operator::start(&kubeconfig, "");
        let call = bottle.ask_for(&host);
        let proposal = bottle.pending();
        drop(asking);
        let killed = Operator::start(&kubeconfig, &format!("{point}=return"));
        namespace
            .edit(&proposal, "s/decision: Pending/decision: Approved/")
            .good();
        killed.dies_at(&point);
        let again = Operator::start(&kubeconfig, "");
        let answer = call.answer();
        assert!(answer.contains("status: approved"), "{point}: {answer}");
        bottle.phase_is(&proposal, "Enforced");
        assert_eq!(
            namespace.field(&proposal, ".status.appliedSequence"),
            number.to_string(),
            "{point}"
        );
        assert_eq!(bottle.allowlist().matches(&host).count(), 1, "{point}");
        eventually("the question is closed", PATIENCE, || {
            let sidecar = namespace.field(&proposal, ".status.sidecar");
            if sidecar.contains("\"answered\":1") {
                Ok(())
            } else {
                Err(sidecar)
            }
        });
        drop(again);
    }
    std::fs::remove_file(kubeconfig).unwrap();
}

#[test]
fn a_question_outlives_its_sidecar() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    in_machine("pkill -KILL -u 61001 -f mcp").good();
    drop(call);
    bottle.sidecar_is_back();
    // The same question re-attaches to the same proposal.
    let again = bottle.ask_for("files.example.com");
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    let answer = again.answer();
    assert!(answer.contains("status: approved"), "{answer}");
    assert_eq!(
        namespace
            .kubectl(["get", "proposals", "-o", "name"])
            .good()
            .lines()
            .count(),
        1
    );
    bottle.reaches("files.example.com");
}

#[test]
fn a_decision_that_falls_while_nobody_listens_is_answered_when_asked_again() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    drop(call);
    bottle.shell("pkill -f [c]all_tool; true").good();
    namespace
        .edit(
            &proposal,
            "s/decision: Pending/decision: Rejected/; s/notes: \"\"/notes: not today/",
        )
        .good();
    bottle.phase_is(&proposal, "Rejected");
    let answer = bottle.ask_for("files.example.com").answer();
    assert!(
        answer.contains("status: rejected") && answer.contains("not today"),
        "{answer}"
    );
}

#[test]
fn a_question_and_its_answer_outlive_a_restart_of_the_kubelet() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let mut call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    in_machine(
        "bash -c 'pid=$(pidof kubelet); mapfile -d \"\" -t args < /proc/$pid/cmdline; kill -KILL $pid; \
         setsid nohup \"${args[@]}\" >/dev/null 2>&1 < /dev/null & sleep 1'",
    )
    .good();
    eventually("the kubelet serves exec again", PATIENCE, || {
        let said = bottle.shell("echo here");
        if said.ok { Ok(()) } else { Err(said.all()) }
    });
    // The exec session went with the kubelet; the agent's call inside the container did not.
    if !call.waits() {
        call = bottle.ask_for("files.example.com");
    }
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    bottle.phase_is(&proposal, "Enforced");
    if !call.waits() {
        call = bottle.ask_for("files.example.com");
    }
    assert!(call.answer().contains("status: approved"));
    bottle.reaches("files.example.com");
}
