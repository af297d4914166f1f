//! SIGKILL of everything at random moments: what was written stays, nothing is applied twice, a question has its answer.

use crate::scenarios::question;
use crate::world::{PATIENCE, Place as _, Runtime, World, processes, text, within};
use nix::sys::signal::{SIGKILL, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A sequence that looks random and is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What was there when the power went: of the bottle, and with the runtime docker the daemon, its containerd and shims,
/// and all that runs in containers. Then the daemon is started again.
fn cut(world: &World) {
    let mut roots = vec![world.state()];
    if world.runtime == Runtime::Docker {
        roots.push(daemon().join(""));
    }
    kill_everything(&roots);
    if world.runtime == Runtime::Docker {
        start_daemon();
    }
}

/// What is inside a sandbox or a container ends with its first process, but a moment later, and names no directory of
/// ours: in that moment it would take the next job away and never answer it. So each one is known before, and waited for.
fn kill_everything(roots: &[PathBuf]) {
    let named = || roots.iter().flat_map(|root| processes(root, ""));
    let mut all = Vec::new();
    for _ in 0..3 {
        let found = with_children(named().collect());
        for pid in &found {
            let _ = kill(Pid::from_raw(*pid), SIGKILL);
        }
        all.extend(found);
    }
    let gone = within(PATIENCE, || {
        // One that has ended and was not asked for its code yet has no program any more.
        let runs = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        (!named().any(|pid| runs(&pid)) && !all.iter().any(runs)).then_some(())
    });
    assert!(gone.is_some(), "something survives SIGKILL");
}

/// The state directory of the daemon that tests/run started.
pub fn daemon() -> PathBuf {
    let host = std::env::var_os("DOCKER_HOST").unwrap();
    let socket = host.into_string().unwrap();
    let socket = Path::new(socket.strip_prefix("unix://").unwrap()).to_owned();
    socket.parent().unwrap().to_owned()
}

/// The same script that started it.
pub fn start_daemon() {
    let state = daemon();
    let name = state.file_name().unwrap().to_str().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/up");
    let output = Command::new(script)
        .args(["--name", name.trim_start_matches("docker-"), "--no-images"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

fn with_children(mut pids: Vec<i32>) -> Vec<i32> {
    let mut next = 0;
    while let Some(pid) = pids.get(next).copied() {
        next += 1;
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            let new = children
                .split_whitespace()
                .filter_map(|one| one.parse().ok());
            let new: Vec<i32> = new.filter(|one| !pids.contains(one)).collect();
            pids.extend(new);
        }
    }
    pids
}

/// A class of the bottle, whose change restarts the agent: it says which round wrote it.
fn class(world: &World, round: &str) -> Command {
    let file = world.place.path().join(format!("class-{round}.yaml"));
    let spec = format!("{{agent: {{env: {{ROUND: {round:?}}}}}}}");
    let head = "apiVersion: bot-bottle.dev/v1alpha1\nkind: BottleClass\nmetadata: {name: small}\n";
    std::fs::write(&file, format!("{head}spec: {spec}\n")).unwrap();
    let mut command = world.command(&["apply", "-f", file.to_str().unwrap()]);
    command.stdout(std::process::Stdio::null());
    command
}

const OF_THE_CLASS: &str = "  class: small\n";

pub fn power_cuts(runtime: Runtime, times: u64, seed: u64) {
    let world = World::of(runtime);
    assert!(class(&world, "first").status().unwrap().success());
    world.apply(OF_THE_CLASS);
    assert!(world.inside("true").contains("exit 0"));
    let mut dice = Dice(seed);
    for round in 0..times {
        let why = format!("round {round}");
        let host = if round % 2 == 0 {
            "files.example.com"
        } else {
            "second.example.com"
        };
        let call = world.job(&question(
            "pipelock-block",
            &format!("api.example.com\n{host}\n"),
            &why,
        ));
        std::thread::sleep(Duration::from_millis(dice.roll(150)));
        // Perhaps there is a proposal by now, and perhaps a person was fast.
        let verdict = dice.roll(3);
        if verdict < 2
            && let Some(name) = pending(&world, &why)
        {
            let verb = if verdict == 0 { "approve" } else { "reject" };
            let _ = world.command(&[verb, &name]).output().unwrap();
            std::thread::sleep(Duration::from_millis(dice.roll(60)));
        }
        // Some have hardly begun to write then.
        let editing = class(&world, &round.to_string()).spawn();
        std::thread::sleep(Duration::from_millis(dice.roll(40)));
        cut(&world);
        let _ = editing.unwrap().wait();
        drop(call);
        check(&world);
        world.apply(OF_THE_CLASS);
        let of_class = class_round(&world);
        assert!(of_class == "first" || of_class.parse::<u64>().unwrap() <= round);
        let told = world.inside("echo $ROUND");
        assert_eq!(told.lines().next(), Some(&*of_class), "{why}");
        // Asked again, as an agent does whose call was lost.
        let call = world.job(&question(
            "pipelock-block",
            &format!("api.example.com\n{host}\n"),
            &why,
        ));
        let answer = within(PATIENCE, || {
            if let Some(name) = pending(&world, &why) {
                let _ = world.command(&["approve", &name]).output().unwrap();
            }
            std::fs::read_to_string(&call).ok()
        });
        let answer = answer.unwrap_or_else(|| panic!("{why}: no answer\n{}", world.logs()));
        assert!(answer.starts_with("status: "), "{why}: {answer}");
        let expected = if answer.starts_with("status: rejected") {
            None
        } else {
            Some("200")
        };
        if let Some(expected) = expected {
            assert_eq!(world.fetch(host), expected, "{why}");
        }
        for name in enforced(&world) {
            world.verb(&["revoke", &name]);
        }
        let shut = within(PATIENCE, || (world.fetch(host) == "403").then_some(()));
        assert!(shut.is_some(), "{why}: {host} stays open");
    }
    let proposals = objects(&world);
    assert_eq!(proposals.len() as u64, times);
}

/// Which round wrote the class that stands.
fn class_round(world: &World) -> String {
    let text = world.verb(&["get", "bottleclass", "small", "-o", "json"]);
    let class: serde_json::Value = serde_json::from_str(&text).unwrap();
    class["spec"]["agent"]["env"]["ROUND"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn objects(world: &World) -> Vec<serde_json::Value> {
    let text = world.verb(&["proposals", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    list["items"].as_array().unwrap().clone()
}

fn pending(world: &World, why: &str) -> Option<String> {
    let all = objects(world);
    let one = all
        .iter()
        .find(|one| one["spec"]["justification"] == why && one["status"]["phase"] == "Pending")?;
    Some(one["metadata"]["name"].as_str()?.to_owned())
}

fn enforced(world: &World) -> Vec<String> {
    let all = objects(world);
    let granted = all.iter().filter(|one| {
        one["spec"]["decision"] == "Approved" && one["status"]["phase"] != "Conflicted"
    });
    granted
        .map(|one| one["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Every object is whole, and no sequence was given twice.
fn check(world: &World) {
    let mut sequences: Vec<i64> = objects(world)
        .iter()
        .filter_map(|one| one["status"]["appliedSequence"].as_i64())
        .collect();
    let count = sequences.len();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), count, "a sequence was given twice");
    world.verb(&["get", "blue", "-o", "json"]);
}

#[test]
fn after_ten_power_cuts_everything_is_consistent() {
    power_cuts(Runtime::Sandbox, 10, 7);
}

/// In ten bottles: one may not ask more than thirty questions an hour.
#[test]
#[ignore = "tier long: a quarter of an hour"]
fn after_two_hundred_power_cuts_everything_is_consistent() {
    for seed in 0..10 {
        power_cuts(Runtime::Sandbox, 20, seed);
    }
}

#[test]
fn a_sandbox_ends_with_its_keeper() {
    let world = World::running();
    let keeper = world.keeper().unwrap();
    kill(Pid::from_raw(keeper), SIGKILL).unwrap();
    let gone = within(PATIENCE, || {
        processes(&world.state(), "").is_empty().then_some(())
    });
    assert!(gone.is_some());
    // A process that was killed lets go of its lock a moment after its name is gone.
    let told = within(PATIENCE, || {
        let output = world.verb(&["get", "-o", "wide"]);
        output.contains("NotRunning").then_some(())
    });
    assert!(told.is_some(), "{}", world.verb(&["get", "-o", "wide"]));
    world.apply("");
    assert!(world.inside("echo back").contains("back"));
}
