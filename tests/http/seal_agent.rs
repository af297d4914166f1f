//! `seal` around the agent: the wall, the sidecars, signals, exit codes, resuming, giving up.

use crate::sealed::{AGENT, Sealed, code};
use bot_bottle::names::uid;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

const SEAL_FAILED: i32 = 125;

fn wait_for(path: &Path) {
    for _ in 0..1000 {
        if path.exists() {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    assert!(path.exists(), "{} did not appear", path.display());
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

#[test]
fn without_a_wall_there_is_no_agent() {
    let bottle = Sealed::unlocked();
    let start = json!({"start": ["touch", "started"]});
    // The address refuses by itself, which is no lock: the datagram tells.
    let (exit, said) = bottle.run(&start);
    assert_eq!(exit, SEAL_FAILED, "{said}");
    assert!(
        said.contains("UDP attempt at 10.77.0.1:53 was sent"),
        "{said}"
    );
    let mut silent = start.clone();
    // On the link, and nobody there; what lies behind a router is silent or not as this machine forwards or not.
    silent["wall"] = json!(["10.77.0.99:443"]);
    let (exit, said) = bottle.run(&silent);
    assert_eq!(exit, SEAL_FAILED, "{said}");
    assert!(said.contains("the wall does not stand"), "{said}");
    assert!(bottle.get("why").contains("the wall does not stand"));
    assert!(!bottle.path("out/started").exists());
    assert!(!bottle.path("home/.bottle").exists(), "HOME was touched");
}

#[test]
fn an_attempt_that_tells_nothing_is_no_wall() {
    let bottle = Sealed::new();
    bottle.world.inside.sh("ip route del default");
    let (exit, said) = bottle.run(&json!({"wall": ["192.0.2.1:443"]}));
    assert_eq!(exit, SEAL_FAILED, "{said}");
    assert!(said.contains("can't be told"), "{said}");
    let (exit, said) = bottle.run(&json!({"wall": ["example.com:443"]}));
    assert_eq!(exit, SEAL_FAILED, "{said}");
}

const HEALTH: &str = r"
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    answered = 0
    def do_GET(self):
        Health.answered += 1
        self.send_response(503 if Health.answered < 4 or self.path != '/health' else 200)
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(('127.0.0.1', 9100), Health)
print('ready', flush=True)
server.serve_forever()
";

#[test]
fn the_agent_starts_when_its_sidecars_are_well() {
    let bottle = Sealed::new();
    let waits =
        json!({"start": ["touch", "started"], "sidecars": [{"name": "supervise", "port": 9100}]});
    let impatient = || {
        code(
            &bottle
                .seal(&waits)
                .args(["--patience", "1"])
                .output()
                .unwrap(),
        )
    };
    let (exit, said) = impatient();
    assert_eq!(exit, SEAL_FAILED, "{said}");
    assert!(said.contains("no answer from supervise"), "{said}");
    assert!(!bottle.path("out/started").exists());
    // An agent's own server is not the sidecar.
    let impostor = bottle.world.inside.serve(AGENT, HEALTH, &[]);
    let (exit, said) = impatient();
    assert_eq!(exit, SEAL_FAILED, "{said}");
    drop(impostor);
    let seal = bottle.seal(&waits).stderr(Stdio::piped()).spawn().unwrap();
    let _supervise = bottle.world.inside.serve(uid::SUPERVISE, HEALTH, &[]);
    let (exit, said) = code(&seal.wait_with_output().unwrap());
    assert_eq!(exit, 0, "{said}");
    assert!(bottle.path("out/started").exists());
}

#[test]
fn exit_codes_are_passed_on() {
    let bottle = Sealed::new();
    assert_eq!(bottle.sh("exit 0").0, 0);
    assert_eq!(bottle.sh("exit 7").0, 7);
    assert_eq!(bottle.sh("kill -KILL $$").0, 137);
    let (exit, said) = bottle.run(&json!({"start": ["no-such-agent"], "maxRestarts": 9}));
    assert_eq!(exit, 127);
    assert!(
        said.contains("no-such-agent: no such program in the agent's image"),
        "{said}"
    );
    assert!(bottle.get("why").contains("no-such-agent"));
    let (exit, said) = bottle.run(&json!({"start": ["/etc/passwd"], "maxRestarts": 9}));
    assert_eq!(exit, 126, "{said}");
}

#[test]
fn signals_reach_the_agent_and_term_ends_in_143() {
    let bottle = Sealed::new();
    let script = "for s in INT HUP QUIT USR1 USR2 WINCH; do trap \"touch got-$s\" $s; done
                  trap 'touch got-TERM; exit 0' TERM
                  touch ready; while :; do sleep 0.02; done";
    let mut seal = bottle
        .seal(&json!({"start": ["sh", "-c", script]}))
        .spawn()
        .unwrap();
    wait_for(&bottle.path("out/ready"));
    for (sent, name) in [
        (Signal::SIGINT, "INT"),
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGQUIT, "QUIT"),
        (Signal::SIGUSR1, "USR1"),
        (Signal::SIGUSR2, "USR2"),
        (Signal::SIGWINCH, "WINCH"),
        (Signal::SIGTERM, "TERM"),
    ] {
        signal(&seal, sent);
        wait_for(&bottle.path(&format!("out/got-{name}")));
    }
    assert_eq!(seal.wait().unwrap().code(), Some(143));
    assert_eq!(bottle.get("home/.bottle/failures"), "0");
}

/// As the first process of a process namespace, as in a container.
fn as_first(bottle: &Sealed, script: &str) -> std::process::Command {
    let mut command = bottle.world.inside.command("unshare");
    command.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "/usr/bin/setpriv",
    ]);
    command.args(["--reuid", "1000", "--regid", "1000", "--clear-groups", "--"]);
    command
        .arg(bottle.path("seal"))
        .args(bottle.arguments(&json!({"start": ["sh", "-c", script]})));
    command.current_dir(bottle.path("out"));
    command
}

#[test]
fn orphans_of_the_agent_are_reaped() {
    let bottle = Sealed::new();
    let script = "(sh -c 'touch orphan; exit 3' & exit 0)
                  while ! test -e orphan; do sleep 0.02; done
                  for i in 1 2 3 4 5 6 7 8 9 10; do grep -qs '^State:.Z' /proc/[0-9]*/status || exit 0; sleep 0.1; done
                  exit 1";
    let (exit, said) = code(&as_first(&bottle, script).output().unwrap());
    assert_eq!(exit, 0, "{said}");
}

#[test]
fn the_first_process_can_be_stopped_before_the_agent_runs() {
    let bottle = Sealed::new();
    let mut command = as_first(&bottle, "true");
    bottle.arguments(&json!({"sidecars": [{"name": "never", "port": 9}]}));
    let mut unshare = command.spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let mut seal = String::new();
    for _ in 0..500 {
        seal = std::fs::read_to_string(&children)
            .unwrap()
            .trim()
            .to_owned();
        let name = std::fs::read_to_string(format!("/proc/{seal}/comm")).unwrap_or_default();
        // Its handlers are the first thing that it sets up.
        let status = std::fs::read_to_string(format!("/proc/{seal}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|c| u64::from_str_radix(c.trim(), 16).ok());
        if name.trim() == "seal" && caught.is_some_and(|c| c & (1 << 14) != 0) {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(seal.parse().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(unshare.wait().unwrap().code(), Some(143));
}

#[test]
fn the_third_failure_in_a_row_gives_up_with_the_real_code() {
    let bottle = Sealed::new();
    assert_eq!(bottle.sh("exit 3").0, 3);
    assert_eq!(bottle.sh("exit 3").0, 3);
    assert_eq!(bottle.sh("exit 0").0, 0);
    assert_eq!(bottle.sh("exit 3").0, 3);
    assert_eq!(bottle.sh("exit 3").0, 3);
    assert_eq!(bottle.get("why"), "");
    let (exit, said) = bottle.sh("exit 4");
    assert_eq!(exit, 0, "{said}");
    assert_eq!(bottle.json("why"), json!({"exitCode": 4, "failures": 3}));
    // Who starts it again means it.
    assert_eq!(bottle.sh("exit 3").0, 3);
    // A count that the agent has broken is no count.
    bottle.put("home/.bottle/failures", "many");
    assert_eq!(bottle.sh("exit 3").0, 3);
}

#[test]
fn a_conversation_is_resumed() {
    let bottle = Sealed::new();
    let both = json!({
        "start": ["touch", "fresh"], "resume": ["touch", "resumed"], "conversation": [".claude/projects"],
    });
    std::fs::create_dir_all(bottle.path("home/.claude/projects/-bottle")).unwrap();
    bottle.own("home/.claude");
    assert_eq!(bottle.run(&both).0, 0);
    assert!(bottle.path("out/fresh").exists());
    assert!(
        !bottle.path("out/resumed").exists(),
        "an empty directory is no conversation"
    );
    bottle.put("home/.claude/projects/-bottle/1.jsonl", "{}\n");
    assert_eq!(bottle.run(&both).0, 0);
    assert!(bottle.path("out/resumed").exists());
}

/// A person at a terminal: interrupts once, then types a word; prints what was on the screen and the exit code.
const PERSON: &str = r"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
screen = b''
def see(word=None):
    global screen
    while word is None or word not in screen:
        try: part = os.read(terminal, 1024)
        except OSError: return
        if not part: return
        screen += part
see(b'ready')
os.write(terminal, b'\x03')
see(b'interrupted')
os.write(terminal, b'word\n')
see()
print(screen.decode(), 'exit', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn at_a_terminal_a_key_reaches_the_agent_once() {
    let bottle = Sealed::new();
    let script = "trap 'echo interrupted' INT; echo ready
                  until read word; do :; done; echo \"said $word\"; exit 5";
    let mut arguments = vec![bottle.path("seal").display().to_string()];
    arguments.extend(bottle.arguments(&json!({"start": ["sh", "-c", script]})));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let screen = bottle.world.inside.python(AGENT, PERSON, &arguments);
    assert!(screen.contains("said word"), "{screen}");
    assert!(screen.ends_with("exit 5"), "{screen}");
    assert_eq!(screen.matches("interrupted").count(), 1, "{screen}");
}

#[test]
fn probe_tells_whether_a_command_exists() {
    let bottle = Sealed::unlocked();
    let probe = |command: &str| {
        let mut probe = bottle.world.inside.command_as(AGENT, "env");
        probe
            .arg(bottle.path("seal"))
            .args(["probe", "--command", command]);
        code(&probe.output().unwrap()).0
    };
    assert_eq!(probe("sh"), 0);
    assert_eq!(probe("/bin/sh"), 0);
    assert_eq!(probe("no-such-agent"), 1);
    assert_eq!(probe("/etc/passwd"), 1);
    assert_eq!(probe(""), 1);
}
