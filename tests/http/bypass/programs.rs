//! The programs around the agent: the proxies, ours or ones that check nothing, and everybody else.

use crate::netns::Served;
use crate::sealed::Sealed;
use bot_bottle::names::uid;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};

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
const NAIVE: &str = concat!(include_str!("resolve.py"), include_str!("naive.py"));
const NAIVE_CRED: &str = concat!(include_str!("resolve.py"), include_str!("naive_cred.py"));
/// What cred-proxy holds, by the name TOKEN.
pub const SECRET: &str = "value-that-no-agent-sees";
/// Path and upstream. Nobody listens at the last one.
const ROUTES: &[(&str, &str)] = &[
    ("/x/", "good.example/v1/"),
    ("/named/", "inside.example/"),
    ("/metadata/", "meta.example/"),
    ("/literal/", "10.96.0.1/"),
    ("/linklocal/", "169.254.169.254/"),
    ("/itself/", "loop.example/"),
    ("/six/", "mapped.example/"),
    ("/translated/", "nat64.example/"),
    ("/renamed/", "alias.example/"),
    ("/down/", "good.example:9/"),
];
/// Ends a program of the test with it.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A proxy, ours or one that checks nothing.
pub enum Proxy {
    Real(Running),
    Naive(Served),
}

impl Proxy {
    /// Its process.
    pub fn id(&self) -> u32 {
        match self {
            Self::Real(running) => running.0.id(),
            Self::Naive(served) => served.id(),
        }
    }
}

/// Our two proxies.
pub fn real(bottle: &Sealed) -> [Proxy; 2] {
    let secrets = bottle.path("secrets");
    let secrets = ["--secrets", secrets.to_str().unwrap()];
    [
        Proxy::Real(role(bottle, uid::EGRESS, "egress", &[])),
        Proxy::Real(role(bottle, uid::CRED_PROXY, "cred-proxy", &secrets)),
    ]
}

/// Two that check nothing.
pub fn naive(bottle: &Sealed) -> [Proxy; 2] {
    let routes: Vec<String> = ROUTES
        .iter()
        .map(|(path, upstream)| format!("{path}={upstream}"))
        .collect();
    let routes = routes.iter().map(String::as_str);
    let arguments: Vec<&str> = [SECRET].into_iter().chain(routes).collect();
    let inside = &bottle.world.inside;
    [
        Proxy::Naive(inside.serve(uid::EGRESS, NAIVE, &[])),
        Proxy::Naive(inside.serve(uid::CRED_PROXY, NAIVE_CRED, &arguments)),
    ]
}

/// Everybody else, in both namespaces.
pub fn recorders(bottle: &Sealed) -> [Served; 2] {
    let world = &bottle.world;
    world.outside.sh(ADDRESSES);
    let ports = ["22,25,80,443,6443,8443,8888", "80,443"];
    [
        world.outside.serve(0, RECORDER, &[ports[0], "outside"]),
        world
            .inside
            .serve(uid::SUPERVISE, RECORDER, &[ports[1], "inside"]),
    ]
}

/// The files of both proxies; the secret is readable for cred-proxy alone.
pub fn configure(bottle: &Sealed) {
    let mut allowlist = String::from("good.example\n.sub.example\nport.example:8443\n");
    for name in INTERNAL {
        let _ = writeln!(allowlist, "{name}.example");
    }
    let routes: Vec<_> = ROUTES
        .iter()
        .map(|(path, upstream)| {
            json!({
                "path": path, "upstream": format!("http://{upstream}"), "plain": true,
                "auth": {"scheme": "Bearer", "secret": "TOKEN"},
            })
        })
        .collect();
    let routes = json!({"routes": routes}).to_string();
    for (name, text) in [
        ("config/allowlist", allowlist.as_str()),
        ("config/egress.json", "{}"),
        ("config/routes.json", &routes),
        ("config/Dockerfile", ""),
        ("secrets/TOKEN", SECRET),
    ] {
        bottle.put(name, text);
    }
    let secret = bottle.path("secrets/TOKEN");
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o400)).unwrap();
    give(&secret, uid::CRED_PROXY);
}

fn give(path: &Path, uid: i64) {
    let id = Some(u32::try_from(uid).unwrap());
    std::os::unix::fs::chown(path, id, id).unwrap();
}

/// A real proxy, as its own uid, once it serves.
fn role(bottle: &Sealed, uid: i64, role: &str, more: &[&str]) -> Running {
    let program = bottle.path("supervise");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_supervise"), &program).unwrap();
    }
    let state = bottle.path(&format!("{role}-state"));
    fs::create_dir(&state).unwrap();
    give(&state, uid);
    let child = bottle
        .world
        .inside
        .command_as(uid, program.to_str().unwrap())
        .args([role, "--nameserver", "10.77.0.1", "--config"])
        .arg(bottle.path("config"))
        .arg("--state")
        .arg(&state)
        .args(more)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    for _ in 0..1000 {
        if state.join(format!("{role}.hash")).exists() {
            return running;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{role} does not serve");
}
