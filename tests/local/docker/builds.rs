//! An approved Dockerfile, built by the daemon: its road, its failures, and what a step of it tries.

use super::{agent_id, container, docker};
use crate::scenarios::{NEVER, OPEN, Place as _, manifest, within};
use crate::web::PAGE;
use crate::world::{PATIENCE, Runtime, World, gateway, text};
use nix::sys::signal::{SIGKILL, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const BASE: &str = "FROM bot-bottle/agent-example:dev\nUSER root\n";

/// The base with these lines, as the agent's uid.
fn with(lines: &str) -> String {
    format!("{BASE}{lines}\nUSER 1000:1000\n")
}

fn asks(world: &World, file: &str, why: &str) -> String {
    drop(world.ask("capability-block", file, why));
    world.proposal(why, "Pending")
}

/// The agent asks, a person approves, and the agent has its answer.
fn answer(world: &World, file: &str, why: &str) -> String {
    let call = world.ask("capability-block", file, why);
    world.verb(&["approve", &world.proposal(why, "Pending")]);
    call()
}

/// Ids of the containers that stay.
fn others(world: &World) -> Vec<String> {
    ["prepare", "supervise", "cred-proxy", "egress"]
        .map(|role| {
            docker(&[
                "inspect",
                "-f",
                "{{.Id}} {{.State.Pid}}",
                &container(world, role),
            ])
        })
        .to_vec()
}

/// The image's id; empty while the container is being replaced.
fn image(world: &World) -> String {
    let name = container(world, "agent");
    let words = ["inspect", "-f", "{{.Image}}", &name];
    let output = Command::new("docker").args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn log(world: &World) -> String {
    world.verb(&["logs", "blue", "--build"])
}

#[test]
fn an_approved_dockerfile_is_built_and_the_agent_goes_on_in_it() {
    let world = World::running_in(Runtime::Docker, "");
    let declared = image(&world);
    let before = others(&world);
    world.inside("echo kept > ~/mark");
    let file = with("RUN curl -fsS http://api.example.com/ -o /usr/local/share/tool");
    let asked = asks(&world, &file, "a tool");
    world.verb(&["approve", &asked]);
    world.proposal("a tool", "Enforced");
    let seen = world
        .inside("cat ~/mark /usr/local/share/tool /etc/claude-bottle/current-config/Dockerfile");
    assert!(
        seen.contains("kept\n") && seen.contains(PAGE) && seen.contains(&file),
        "{seen}"
    );
    assert_eq!(
        others(&world),
        before,
        "only the agent's container is another"
    );
    let built = image(&world);
    assert_ne!(built, declared);
    let again = world.ask("capability-block", &file, "a tool")();
    assert!(again.starts_with("status: approved"), "{again}");
    assert!(log(&world).contains("/usr/local/share/tool"));

    world.verb(&["revoke", &asked]);
    let back = within(PATIENCE, || (image(&world) == declared).then_some(()));
    assert!(back.is_some(), "{}", world.logs());
    let seen = world.inside("cat ~/mark; ls /usr/local/share/tool");
    assert!(seen.contains("kept") && seen.contains("exit 2"), "{seen}");

    // The same file is not built again.
    fs::remove_file(world.bottle().join("log/build")).unwrap();
    world.verb(&["approve", &asks(&world, &file, "a tool after all")]);
    world.proposal("a tool after all", "Enforced");
    assert_eq!(image(&world), built);
    assert!(!world.bottle().join("log/build").exists());
    assert_eq!(others(&world), before);
}

#[test]
fn a_bottle_with_only_a_dockerfile_starts_in_what_is_built_from_it_and_goes_on_in_an_edited_one() {
    let world = World::of(Runtime::Docker);
    let apply = |file: &str| {
        let text = manifest("").replace("    image: bot-bottle/agent-example:dev\n", "");
        let file = serde_json::to_string(file).unwrap();
        world.apply_file(&format!("{text}  dockerfile: {file}\n"));
    };
    let file = with("RUN curl -fsS http://api.example.com/ -o /usr/local/share/tool");
    apply(&file);
    let seen = world.inside(
        "echo kept > ~/mark; cat /usr/local/share/tool /etc/claude-bottle/current-config/Dockerfile",
    );
    assert!(seen.contains(PAGE) && seen.contains(&file), "{seen}");
    let (before, first) = (others(&world), image(&world));
    apply(&with("RUN echo more > /more"));
    let edited = within(PATIENCE, || {
        let now = image(&world);
        (!now.is_empty() && now != first).then_some(now)
    });
    let edited = edited.unwrap_or_else(|| panic!("{}", world.logs()));
    let seen = world.inside("cat ~/mark /more");
    assert!(seen.starts_with("kept\nmore\n"), "{seen}");
    assert_eq!(others(&world), before);
    apply(&with("RUN echo the last words; exit 3"));
    let said = within(PATIENCE, || {
        let text = fs::read_to_string(world.bottle().join("bottle.yaml")).ok()?;
        text.contains("non-zero code: 3").then_some(())
    });
    assert!(said.is_some(), "{}", world.logs());
    assert_eq!(image(&world), edited);
}

#[test]
fn what_can_not_be_built_or_run_leaves_the_agent_as_it_is() {
    let world = World::running_in(Runtime::Docker, "");
    container(&world, "agent");
    let agent = agent_id(&world);
    let said = answer(&world, &with("RUN echo the last words; exit 3"), "fails");
    assert!(said.starts_with("status: rejected"), "{said}");
    assert!(
        said.contains("the last words") && said.contains("non-zero code: 3"),
        "{said}"
    );
    let said = answer(
        &world,
        &with("RUN rm -f /bin/bash /usr/bin/bash"),
        "no shell",
    );
    assert!(
        said.starts_with("status: rejected") && said.contains("bash"),
        "{said}"
    );
    assert_eq!(agent_id(&world), agent, "the same agent works on");

    // This one is found, and ends at once: its old image is back.
    let declared = image(&world);
    let broken = with(
        "RUN printf '#!/bin/sh\\nexit 7\\n' > /new && chmod 755 /new && mv /new /usr/bin/bash",
    );
    world.verb(&["approve", &asks(&world, &broken, "broken")]);
    world.proposal("broken", "Failed");
    let back = within(PATIENCE, || (image(&world) == declared).then_some(()));
    assert!(back.is_some(), "{}", world.logs());
    let said = world.ask("capability-block", &broken, "broken")();
    assert!(
        said.starts_with("status: rejected") && said.contains("ended with 7"),
        "{said}"
    );
}

/// What a step tries, as root and as others: each line says what got out.
const TRIES: &str = r#"
import os, socket, struct, sys
target = ("@HOST@", int("@PORT@"))
def tcp():
    s = socket.socket(); s.settimeout(2); s.connect(target)
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.sendto(b"?", target); s.recv(1)
def raw():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(1)
    s.sendto(b"\x08\x00\xf7\xff\x00\x00\x00\x00", (target[0], 0)); s.recv(64)
def mark():
    s = socket.socket(); s.settimeout(2); s.setsockopt(socket.SOL_SOCKET, 36, 0x000b0771); s.connect(target)
def frame():
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    assert names
def vsock():
    socket.socket(40, socket.SOCK_STREAM)
def resolver():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.sendto(b"?", ("127.0.0.11", 53)); s.recv(1)
def around():
    s = socket.socket(); s.settimeout(2); s.connect(("127.0.0.1", 8888))
    s.sendall(b"CONNECT @HOST@:@PORT@ HTTP/1.1\r\nHost: @HOST@:@PORT@\r\n\r\n")
    assert b" 200 " in s.recv(4096).split(b"\r\n")[0]
def answers_in_its_place():
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind(("127.0.0.1", 8888)); s.listen()
for uid in (0, 65534, 1000, 61001, 61002, 61003):
    if os.fork() == 0:
        os.setuid(uid)
        for attempt in (tcp, udp, raw, mark, frame, vsock, resolver, around, answers_in_its_place):
            try:
                attempt()
                print("OPEN", uid, attempt.__name__, flush=True)
            except (OSError, AssertionError) as error:
                print("shut", uid, attempt.__name__, error, flush=True)
        os._exit(0)
    os.wait()
"#;

#[test]
fn a_step_of_any_uid_gets_nowhere_but_through_the_proxy() {
    let world = World::running_in(Runtime::Docker, "");
    let service = TcpListener::bind((gateway(), 0)).unwrap();
    let port = service.local_addr().unwrap().port();
    let script = TRIES
        .replace("@HOST@", &gateway().to_string())
        .replace("@PORT@", &port.to_string());
    let control = format!(
        "import socket\nsocket.create_connection((\"{}\",{port}),3)\nprint('open')",
        gateway()
    );
    let control = [
        "run",
        "--rm",
        "bot-bottle/agent-example:dev",
        "python3",
        "-c",
        &control,
    ];
    assert_eq!(
        docker(&control).trim(),
        "open",
        "the control failed: the test shows nothing"
    );
    let hex = bot_bottle::config::hex(script.as_bytes());
    let file = with(&format!(
        "RUN python3 -c 'exec(bytes.fromhex(\"{hex}\"))'\n\
         RUN curl -fsS http://{OPEN}/ && curl -s -o /dev/null -w 'closed %{{http_code}}\\n' http://{NEVER}/\n\
         RUN exit 9"
    ));
    let said = answer(&world, &file, "hostile");
    assert!(said.contains("code: 9"), "{said}");
    let log = log(&world);
    assert!(
        log.contains(PAGE.trim()) && log.contains("closed 403"),
        "{log}"
    );
    assert_eq!(
        log.lines().filter(|line| line.starts_with("shut ")).count(),
        6 * 9,
        "{log}"
    );
    assert!(!log.contains("OPEN "), "{log}");
}

#[test]
fn what_the_daemon_would_fetch_itself_is_never_asked_for() {
    let world = World::running_in(Runtime::Docker, "");
    let service = TcpListener::bind((gateway(), 0)).unwrap();
    let address = service.local_addr().unwrap();
    let visits = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&visits);
    std::thread::spawn(move || {
        for _ in service.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    for (lines, why) in [
        (format!("ADD http://{address}/x /x"), "add"),
        (format!("ONBUILD ADD http://{address}/x /x"), "onbuild"),
    ] {
        let said = answer(&world, &with(&lines), why);
        assert!(said.starts_with("status: rejected"), "{why}: {said}");
    }
    // Somebody else's image that would have it fetched; its name is one that the allowlist lets be pulled.
    let base = format!("{OPEN}/onbuild:{}", std::process::id());
    let made = docker(&["create", "bot-bottle/agent-example:dev"]);
    let change = format!("ONBUILD ADD http://{address}/x /x");
    docker(&["commit", "--change", &change, made.trim(), &base]);
    docker(&["rm", made.trim()]);
    let said = answer(&world, &format!("FROM {base}\nRUN true\n"), "their onbuild");
    docker(&["rmi", &base]);
    assert!(said.contains("has ONBUILD instructions"), "{said}");
    // Whoever took the comment for the end of RUN would fetch: what the daemon is given has no comment.
    let hidden = format!("RUN true \\\n  # hidden from some\nADD http://{address}/x /x");
    world.verb(&["approve", &asks(&world, &with(&hidden), "hidden")]);
    world.proposal("hidden", "Enforced");
    assert!(log(&world).contains("RUN true ADD "), "{}", log(&world));
    assert_eq!(visits.load(Ordering::Relaxed), 0, "the daemon was there");
}

#[test]
fn a_keeper_that_is_killed_in_the_midst_of_a_build_builds_on() {
    let world = World::running_in(Runtime::Docker, "");
    let before = others(&world);
    let asked = asks(
        &world,
        &with("RUN sleep 4; echo brought > /brought"),
        "midst",
    );
    world.verb(&["approve", &asked]);
    let begun = within(PATIENCE, || {
        let log = fs::read_to_string(world.bottle().join("log/build")).ok()?;
        log.contains("sleep 4").then_some(())
    });
    assert!(begun.is_some(), "{}", world.logs());
    kill(Pid::from_raw(world.keeper().unwrap()), SIGKILL).unwrap();
    within(PATIENCE, || world.keeper().is_none().then_some(()));
    world.apply("");
    world.proposal("midst", "Enforced");
    assert!(world.inside("cat /brought").starts_with("brought"));
    assert_eq!(others(&world), before);
}

#[test]
fn nothing_of_a_build_is_left_when_its_bottle_is_deleted() {
    let world = World::running_in(Runtime::Docker, "");
    world.verb(&["approve", &asks(&world, &with("RUN true"), "short")]);
    world.proposal("short", "Enforced");
    let built = image(&world);
    let place = [
        "inspect",
        "-f",
        "{{index .Config.Labels \"bot-bottle.dev/place\"}}",
    ];
    let id = docker(&[&place[..], &[&container(&world, "agent")]].concat());
    world.verb(&["delete", "blue"]);
    let helper = format!("label=bot-bottle.dev/helper-of={}", id.trim());
    assert_eq!(docker(&["ps", "-aq", "--filter", &helper]), "");
    let output = Command::new("docker")
        .args(["image", "inspect", &built])
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", text(&output));
}
