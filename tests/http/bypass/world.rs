//! The place where the attempts are made, walled or open.

use super::row::Row;
use crate::netns::{PYTHON, Served};
use crate::sealed::{AGENT, Sealed};
use bot_bottle::names::uid;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};

/// Listed names for which the DNS of the test has internal addresses.
const INTERNAL: &[&str] = &[
    "inside",
    "meta",
    "home",
    "company",
    "carrier",
    "pod",
    "bench",
    "relay",
    "loop",
    "loop6",
    "mapped-loop",
    "zero",
    "zero6",
    "ula",
    "site",
    "mapped",
    "nat64",
    "sixtofour",
    "teredo",
    "alias",
    "rebind",
    "rebind2",
];
/// Whom the world outside plays.
const ADDRESSES: &str = "ip link set lo up
for a in 203.0.113.10 203.0.113.66 169.254.169.254 10.96.0.1 192.168.0.1 172.16.0.1 100.64.0.1 198.18.0.1 192.88.99.1
do ip addr add $a/32 dev eth0; done
for a in 64:ff9b::a60:1 2002:a60:1::1 fd00::1 fec0::1 2001:0:a60:1::1; do ip addr add $a/128 dev eth0 nodad; done";
const RECORDER: &str = include_str!("recorder.py");
const NAIVE: &str = include_str!("naive.py");
const AGENT_PROGRAM: &str = include_str!("agent.py");
/// What is allowed: shows that the wall is one with a door.
const ALLOWED: [&str; 3] = [
    "get('http://good.example/' + M)",
    "tunnel('x.sub.example:443', *bytewise(tls(M, 'x.sub.example')))",
    "tunnel('port.example:8443', tls(M, 'port.example'))",
];

/// What came of one run.
pub struct Results {
    /// By row.
    pub outcomes: Vec<String>,
    /// Everything that arrived anywhere: where, and what.
    pub seen: Vec<(String, String)>,
    /// Whether [`ALLOWED`] got through.
    pub allowed_works: bool,
}

/// Ends a program of the test with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

enum Proxy {
    Real(Running),
    Naive(Served),
}

pub struct Place {
    // Ends before the world that it runs in.
    proxy: Proxy,
    _recorders: [Served; 2],
    bottle: Sealed,
}

impl Place {
    /// The lock, egress, and the agent under `seal`.
    pub fn walled() -> Self {
        Self::new(Sealed::new(), |bottle| Proxy::Real(egress(bottle)))
    }

    /// Nothing of it, and a proxy that checks nothing.
    pub fn open() -> Self {
        Self::new(Sealed::unlocked(), |bottle| {
            Proxy::Naive(bottle.world.inside.serve(uid::EGRESS, NAIVE, &[]))
        })
    }

    fn new(bottle: Sealed, proxy: impl FnOnce(&Sealed) -> Proxy) -> Self {
        let world = &bottle.world;
        world.outside.sh(ADDRESSES);
        let ports = ["22,25,80,443,6443,8443,8888", "80,443"];
        let recorders = [
            world.outside.serve(0, RECORDER, &[ports[0], "outside"]),
            world
                .inside
                .serve(uid::SUPERVISE, RECORDER, &[ports[1], "inside"]),
        ];
        Self {
            proxy: proxy(&bottle),
            _recorders: recorders,
            bottle,
        }
    }

    /// As the agent.
    pub fn run(&self, rows: &[Row]) -> Results {
        let program = self.program(rows);
        let output = match &self.proxy {
            Proxy::Real(_) => {
                let start: Vec<&str> = [PYTHON]
                    .into_iter()
                    .chain(program.iter().map(String::as_str))
                    .collect();
                self.bottle.run(&json!({"start": start})).1
            }
            Proxy::Naive(_) => output(
                self.bottle
                    .world
                    .inside
                    .command_as(AGENT, PYTHON)
                    .args(&program),
            ),
        };
        self.results(&output, rows)
    }

    /// As root with all capabilities, where that is the control.
    pub fn run_as_root(&self, rows: &[Row]) -> Results {
        let program = self.program(rows);
        let output = output(self.bottle.world.inside.command(PYTHON).args(&program));
        self.results(&output, rows)
    }

    fn program(&self, rows: &[Row]) -> Vec<String> {
        let attempts = rows.iter().map(|row| row.attempt).chain(ALLOWED);
        let numbered: Vec<_> = attempts.enumerate().collect();
        self.bottle.put("rows.json", &json!(numbered).to_string());
        let pid = match &self.proxy {
            Proxy::Real(running) => running.0.id(),
            Proxy::Naive(served) => served.id(),
        };
        let rows = self.bottle.path("rows.json").to_str().unwrap().to_owned();
        ["-I", "-S", "-c", AGENT_PROGRAM]
            .map(str::to_owned)
            .into_iter()
            .chain([rows, pid.to_string()])
            .collect()
    }

    fn results(&self, output: &str, rows: &[Row]) -> Results {
        let line = output
            .lines()
            .find_map(|line| line.strip_prefix("outcomes "));
        let line = line.unwrap_or_else(|| panic!("the agent did not end: {output}"));
        let mut outcomes: Vec<String> = serde_json::from_str(line).unwrap();
        let dump = "import socket
s = socket.create_connection(('127.0.0.1', 7))
while data := s.recv(65536): print(data.decode(), end='')";
        let mut seen: Vec<(String, String)> = Vec::new();
        for place in [&self.bottle.world.outside, &self.bottle.world.inside] {
            let dumped = place.python(0, dump, &[]);
            seen.extend(serde_json::from_str::<Vec<(String, String)>>(&dumped).unwrap());
        }
        let allowed_works = (rows.len()..outcomes.len()).all(|number| {
            let mark = format!("m{number}x");
            seen.iter().any(|(_, text)| text.contains(&mark))
        });
        outcomes.truncate(rows.len());
        Results {
            outcomes,
            seen,
            allowed_works,
        }
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (code, said) = crate::sealed::code(&output);
    assert_eq!(code, 0, "{:?}: {said}", output.status);
    said
}

/// The real proxy, as its own uid.
fn egress(bottle: &Sealed) -> Running {
    let program = bottle.path("supervise");
    fs::copy(env!("CARGO_BIN_EXE_supervise"), &program).unwrap();
    let mut allowlist = String::from("good.example\n.sub.example\nport.example:8443\n");
    for name in INTERNAL {
        let _ = writeln!(allowlist, "{name}.example");
    }
    for (name, text) in [
        ("config/allowlist", allowlist.as_str()),
        ("config/egress.json", "{}"),
        ("config/routes.json", "{\"routes\": []}"),
        ("config/Dockerfile", ""),
        ("state/none", ""),
    ] {
        bottle.put(name, text);
    }
    let id = Some(u32::try_from(uid::EGRESS).unwrap());
    std::os::unix::fs::chown(bottle.path("state"), id, id).unwrap();
    let child = bottle
        .world
        .inside
        .command_as(uid::EGRESS, program.to_str().unwrap())
        .args(["egress", "--nameserver", "10.77.0.1"])
        .arg("--config")
        .arg(bottle.path("config"))
        .arg("--state")
        .arg(bottle.path("state"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    for _ in 0..1000 {
        if bottle.path("state/egress.hash").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    running
}
