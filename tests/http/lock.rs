//! The lock in a real network namespace. Each refusal has its control: the same attempt without the lock gets through.

use crate::attempt::{SERVE, TRY, refused};
use crate::netns::{Served, World};
use bot_bottle::names::{port, uid};
use bot_bottle::prepare::lock::{Lock, ruleset};

const AGENT: i64 = uid::AGENT_DEFAULT;

fn rules() -> String {
    ruleset(&Lock {
        api: vec![
            "10.77.0.1:6443".parse().unwrap(),
            "[fd77::1]:6443".parse().unwrap(),
        ],
    })
}

fn everyone_else(world: &World) -> Served {
    world.outside.serve(
        0,
        SERVE,
        &[
            "tcp:0.0.0.0:80",
            "tcp:0.0.0.0:6443",
            "tcp::::80",
            "tcp::::6443",
            "udp:0.0.0.0:53",
            "udp::::53",
        ],
    )
}

impl World {
    fn lock(&self) {
        self.inside.nft(&rules());
        // What the control has learnt must be learnt again through the lock.
        self.inside.sh("ip neigh flush all; ip -6 neigh flush all");
        self.outside.sh("ip neigh flush all; ip -6 neigh flush all");
    }
}

#[test]
fn nobody_but_the_right_uid_gets_out() {
    let world = World::new();
    let _servers = everyone_else(&world);
    let _resolver = world
        .inside
        .serve(0, SERVE, &["udp:127.0.0.11:53", "tcp:127.0.0.11:80"]);
    let shut = [
        (AGENT, "tcp 10.77.0.1 80"),
        (AGENT, "tcp 10.77.0.1 6443"),
        (AGENT, "tcp fd77::1 80"),
        (AGENT, "udp 10.77.0.1 53"),
        (AGENT, "udp fd77::1 53"),
        (AGENT, "icmp 10.77.0.1 0"),
        (AGENT, "icmp fd77::1 0"),
        (AGENT, "udp 127.0.0.11 53"),
        (AGENT, "tcp 127.0.0.11 80"),
        (AGENT, "tcp 10.77.0.1 80 8888"),
        (0, "tcp 10.77.0.1 80"),
        (0, "udp 10.77.0.1 53"),
        (uid::SUPERVISE, "tcp 10.77.0.1 80"),
        (uid::SUPERVISE, "tcp 10.77.0.3 6443"),
        (uid::SUPERVISE, "tcp fd77::1 80"),
        (uid::SUPERVISE, "udp 10.77.0.1 53"),
        (uid::EGRESS, "icmp 10.77.0.1 0"),
        (uid::EGRESS, "udp 127.0.0.11 53"),
    ];
    let open = [
        (uid::EGRESS, "tcp 10.77.0.1 80"),
        (uid::EGRESS, "tcp fd77::1 80"),
        (uid::EGRESS, "udp 10.77.0.1 53"),
        (uid::EGRESS, "udp fd77::1 53"),
        (uid::CRED_PROXY, "tcp 10.77.0.1 80"),
        (uid::CRED_PROXY, "udp fd77::1 53"),
        (uid::SUPERVISE, "tcp 10.77.0.1 6443"),
        (uid::SUPERVISE, "tcp fd77::1 6443"),
    ];
    for (uid, attempt) in shut.iter().chain(&open) {
        assert_eq!(
            world.attempt(*uid, attempt),
            "ok",
            "control: {uid} {attempt}"
        );
    }
    assert_eq!(world.attempt_as_root("raw 10.77.0.1 0"), "ok", "control");
    world.lock();
    for (uid, attempt) in open {
        assert_eq!(world.attempt(uid, attempt), "ok", "{uid} {attempt}");
    }
    let none = world.begin_to_count();
    for (uid, attempt) in shut {
        let outcome = world.attempt(uid, attempt);
        // The kernel keeps an IPv6 ping's refusal to itself.
        let silent = attempt.starts_with("icmp fd") && outcome == "timeout";
        assert!(refused(&outcome) || silent, "{uid} {attempt}: {outcome}");
    }
    // Raw sockets: the agent can't have one, and root's are no way out either.
    assert_eq!(world.attempt(AGENT, "raw 10.77.0.1 0"), "EPERM");
    let outcome = world.attempt_as_root("raw 10.77.0.1 0");
    assert!(refused(&outcome), "root's raw socket: {outcome}");
    assert_eq!(world.counted(), none, "something got out");
    assert_eq!(world.attempt(uid::EGRESS, "udp 10.77.0.1 53"), "ok");
    assert_ne!(world.counted(), none, "control");
}

#[test]
fn a_port_that_a_proxy_has_just_used_is_no_way_out_for_the_agent() {
    let world = World::new();
    let _servers = everyone_else(&world);
    // Control: a mark that is enough for every packet is inherited.
    let marked = "tcp flags & (fin | syn | rst | ack) != syn ct state established ct mark 1 accept";
    world
        .inside
        .nft(&rules().replace(marked, "ct mark 1 accept"));
    for uid in [uid::EGRESS, AGENT] {
        assert_eq!(world.attempt(uid, "udp 10.77.0.1 53 39999"), "ok");
    }
    world.lock();
    for attempt in ["udp 10.77.0.1 53 40000", "tcp 10.77.0.1 80 40001"] {
        assert_eq!(world.attempt(uid::EGRESS, attempt), "ok", "{attempt}");
        let outcome = world.attempt(AGENT, attempt);
        assert!(refused(&outcome), "{attempt}: {outcome}");
    }
}

#[test]
fn the_agent_reaches_its_own_loopback_servers_and_the_sidecars() {
    let world = World::new();
    world.lock();
    let _own = world.inside.serve(
        AGENT,
        SERVE,
        &["tcp:127.0.0.1:3000", "tcp:::1:3000", "udp:127.0.0.1:3001"],
    );
    let _egress = world
        .inside
        .serve(uid::EGRESS, SERVE, &["tcp:127.0.0.1:8888"]);
    let _cred_proxy = world
        .inside
        .serve(uid::CRED_PROXY, SERVE, &["tcp:127.0.0.1:9099"]);
    let _supervise = world
        .inside
        .serve(uid::SUPERVISE, SERVE, &["tcp:127.0.0.1:9100"]);
    for attempt in [
        "tcp 127.0.0.1 3000",
        "tcp ::1 3000",
        "udp 127.0.0.1 3001",
        "tcp 127.0.0.1 8888",
        "tcp 127.0.0.1 9099",
        "tcp 127.0.0.1 9100",
    ] {
        assert_eq!(world.attempt(AGENT, attempt), "ok", "{attempt}");
    }
    // A closed port still answers like one.
    assert_eq!(world.attempt(AGENT, "tcp 127.0.0.1 3999"), "ECONNREFUSED");
}

#[test]
fn nobody_answers_in_a_sidecars_place() {
    let world = World::new();
    let impostor = [
        format!("tcp:127.0.0.1:{}", port::EGRESS),
        format!("tcp:::1:{}", port::SUPERVISE),
    ];
    let impostor: Vec<&str> = impostor.iter().map(String::as_str).collect();
    let _impostor = world.inside.serve(AGENT, SERVE, &impostor);
    assert_eq!(world.attempt(AGENT, "tcp 127.0.0.1 8888"), "ok", "control");
    assert_eq!(world.attempt(AGENT, "tcp ::1 9100"), "ok", "control");
    world.lock();
    for attempt in ["tcp 127.0.0.1 8888", "tcp ::1 9100"] {
        for uid in [AGENT, uid::CRED_PROXY] {
            let outcome = world.attempt(uid, attempt);
            assert_ne!(outcome, "ok", "{uid} {attempt}");
        }
    }
}

#[test]
fn nobody_outside_reaches_a_listener_in_the_pod() {
    let world = World::new();
    let _own = world.inside.serve(
        AGENT,
        SERVE,
        &["tcp:0.0.0.0:3000", "udp:0.0.0.0:3001", "tcp::::3002"],
    );
    let knocks = [
        "tcp 10.77.0.2 3000",
        "udp 10.77.0.2 3001",
        "tcp fd77::2 3002",
    ];
    let knock = |attempt: &str| {
        let arguments: Vec<&str> = attempt.split(' ').collect();
        world.outside.python(0, TRY, &arguments)
    };
    for attempt in knocks {
        assert_eq!(knock(attempt), "ok", "control: {attempt}");
    }
    world.lock();
    for attempt in knocks {
        assert_eq!(knock(attempt), "timeout", "{attempt}");
    }
}

/// Reads slowly, prints how much has come; a stream that is silent for three seconds has been lost.
const SLOW_READER: &str = r"
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
s.bind(('0.0.0.0', 5000)); s.listen(4)
print('ready', flush=True)
c, _ = s.accept()
c.settimeout(3)
total = 0
try:
    while True:
        part = c.recv(65536)
        if not part: break
        total += len(part)
        time.sleep(0.002)
except OSError: pass
print(total, flush=True)
";
/// Writes 5 MB and is gone.
const WRITER: &str = r"
import socket
s = socket.create_connection(('10.77.0.1', 5000))
s.sendall(b'x' * 5000000)
";

/// How much of 5 MB arrives when its writer closes at once.
fn arrived(rules: &str) -> u64 {
    let world = World::new();
    world.inside.nft(rules);
    let mut reader = world.outside.serve(0, SLOW_READER, &[]);
    world.inside.python(uid::EGRESS, WRITER, &[]);
    reader.line().parse().unwrap()
}

#[test]
fn what_a_closed_socket_still_had_to_send_arrives() {
    let by_owner_alone: Vec<String> = rules()
        .lines()
        .filter(|line| !line.contains("(fin | syn | rst | ack) != syn"))
        .map(str::to_owned)
        .collect();
    assert!(arrived(&by_owner_alone.join("\n")) < 5_000_000, "control");
    assert_eq!(arrived(&rules()), 5_000_000);
}
