//! A bottle whose image comes from the cluster's registry, and what its agent, busybox and nothing else, can do.

use crate::kill::SYSTEM;
use crate::support::{Bottle, Call, Namespace, PATIENCE, Said, eventually, repository, run, state};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

/// A build, its push, the trial and the replacement; more while the machine compiles.
pub const BUILT: Duration = Duration::from_secs(90);

/// Host and port of the cluster's registry.
pub fn registry() -> String {
    at("registry")
}

/// What the cluster's own files say of an address.
pub fn at(name: &str) -> String {
    std::fs::read_to_string(state().join(name))
        .unwrap()
        .trim()
        .to_owned()
}

/// The image that all bottles here declare, pushed once.
pub fn base() -> String {
    static PUSHED: Once = Once::new();
    PUSHED.call_once(|| {
        let state = state();
        let cluster = state.file_name().unwrap().to_str().unwrap();
        let cluster = cluster.trim_start_matches("cluster-");
        let program = repository().join("tests/cluster/push");
        let words = ["--name", cluster, "hostile", "base/hostile:1"];
        run(program.to_str().unwrap(), words, "").good();
    });
    format!("{}/base/hostile:1", registry())
}

/// The Dockerfile in force, and these lines as root.
pub fn with(lines: &str) -> String {
    on(&base(), lines)
}

/// These lines as root, on an image.
pub fn on(base: &str, lines: &str) -> String {
    format!("FROM {base}\nUSER 0\n{lines}\nUSER 1000:1000\n")
}

/// A running bottle named demo.
pub fn bottle(namespace: &Namespace) -> Bottle<'_> {
    bottle_of(namespace, &base())
}

/// The same of an image.
pub fn bottle_of<'a>(namespace: &'a Namespace, image: &str) -> Bottle<'a> {
    let yaml = format!(
        "apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {{name: demo}}
spec:
  agent:
    kind: custom
    image: {image}
    command: [/bin/busybox, sleep, infinity]
  allowlist: [files.example.com]
"
    );
    namespace.apply(&yaml).good();
    let bottle = Bottle {
        namespace,
        name: "demo".into(),
    };
    agent_runs(&bottle);
    eventually("the agent's container is known", PATIENCE, || {
        if container(&bottle).is_empty() {
            Err(String::new())
        } else {
            Ok(())
        }
    });
    bottle
}

/// Waits until the agent itself runs.
#[track_caller]
pub fn agent_runs(bottle: &Bottle<'_>) {
    eventually("the agent runs", PATIENCE, || {
        let said = bottle.shell("busybox ps").all();
        if said.contains("sleep infinity") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

/// Asks for a Dockerfile by a plain HTTP request.
pub fn ask(bottle: &Bottle<'_>, file: &str) -> Call {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "capability-block", "arguments": {"dockerfile": file, "justification": "a tool is missing"},
    }});
    let script = "busybox wget -Y off -q -O - --header 'Content-Type: application/json' --post-data \"$0\" http://supervise:9100/";
    let child = Command::new("kubectl")
        .args([
            "-n",
            &bottle.namespace.name,
            "exec",
            &bottle.pod(),
            "-c",
            "agent",
            "--",
            "sh",
            "-c",
            script,
            &body.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Call::of(child)
}

/// Asks and has it approved; the Proposal. The call itself ends with the agent, or before.
pub fn approved(bottle: &Bottle<'_>, file: &str) -> String {
    let _call = ask(bottle, file);
    let proposal = bottle.pending();
    decide(bottle, &proposal, r#"{"decision":"Approved"}"#);
    proposal
}

pub fn decide(bottle: &Bottle<'_>, proposal: &str, spec: &str) {
    let patch = format!(r#"{{"spec":{spec}}}"#);
    bottle
        .namespace
        .kubectl(["patch", proposal, "--type=merge", "-p", &patch])
        .good();
}

/// Waits for a phase as long as a build may take.
#[track_caller]
pub fn becomes(bottle: &Bottle<'_>, proposal: &str, phase: &str) {
    eventually(&format!("{proposal} becomes {phase}"), BUILT, || {
        let now = bottle.namespace.field(proposal, ".status.phase");
        let message = bottle.namespace.field(proposal, ".status.message");
        if now == phase {
            Ok(())
        } else {
            Err(format!("{now}: {message}"))
        }
    });
}

pub fn message(bottle: &Bottle<'_>, proposal: &str) -> String {
    bottle.namespace.field(proposal, ".status.message")
}

/// What the build printed.
pub fn log(bottle: &Bottle<'_>, proposal: &str) -> String {
    let pod = bottle.namespace.field(proposal, ".status.build.pod");
    bottle
        .namespace
        .kubectl(["logs", &pod, "-c", "build"])
        .all()
}

/// The container that the agent runs in.
pub fn container(bottle: &Bottle<'_>) -> String {
    let path = ".status.containerStatuses[?(@.name==\"agent\")].containerID";
    bottle
        .namespace
        .field(&format!("pod/{}", bottle.pod()), path)
}

/// The image that the agent's container shall run.
pub fn image(bottle: &Bottle<'_>) -> String {
    let path = ".spec.containers[?(@.name==\"agent\")].image";
    bottle
        .namespace
        .field(&format!("pod/{}", bottle.pod()), path)
}

/// How the installed operator builds.
pub fn installed_builds() -> String {
    let path = "jsonpath={.data.builds\\.yaml}";
    let words = [
        "-n",
        SYSTEM,
        "get",
        "configmap",
        "bottle-operator-builtin",
        "-o",
        path,
    ];
    run("kubectl", words, "").good()
}

/// A process of the cluster's machine, by the file with its number.
pub fn signal(part: &str, signal: &str) -> Said {
    let pid = std::fs::read_to_string(state().join("pids").join(part)).unwrap();
    crate::support::in_machine(&format!(
        "kill -{signal} {}",
        pid.split_whitespace().next().unwrap()
    ))
}
