//! Real agent programs by `bottle run`: refused, asks, a person approves in another terminal, goes on. The model is a
//! stand-in (tests/agents/model.py), which says what key it was shown. The programs come from npm (tests/agents/install).

use crate::world::{PATIENCE, Runtime, World, gateway, text, within};
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

const WANTED: &str = "files.example.com";
const MODEL: &str = "model.example.com";
const KEY: &str = "real-key-of-the-model-4711";

/// The stand-in, which is the wanted host, too.
struct Model {
    server: Child,
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Model {
    fn start(address: Ipv4Addr) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/model.py");
        let mut server = Command::new("python3")
            .arg(script)
            .arg(format!("{address}:0"))
            .env("SCHEME", "http")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let port = first.rsplit(' ').next().unwrap().parse().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                hears.lock().unwrap().push(line);
            }
        });
        Self { server, port, said }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where a kind's program was installed.
fn program(kind: &str) -> PathBuf {
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/install");
    let done = Command::new(install).arg(kind).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let cache = env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| env::home_dir().unwrap().join(".cache"), PathBuf::from);
    cache
        .join("bot-bottle/agents")
        .join(kind)
        .join("bin")
        .join(kind)
}

#[track_caller]
fn goes_round(runtime: Runtime, flags: &[&str], arguments: &[&str]) {
    let world = World::of(runtime);
    let address = match runtime {
        Runtime::Sandbox => Ipv4Addr::LOCALHOST,
        Runtime::Docker => gateway(),
    };
    let model = Model::start(address);
    let directory = world.place.path().join("project");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(1000), Some(1000)).unwrap();
    let led = |host| format!("--resolve={host}={address}:{}", model.port);
    let mut run = world.command(&[
        "run",
        "--name=blue",
        "--model=m-1",
        "--model-key-from=MODEL_KEY",
    ]);
    run.arg(format!("--model-upstream=http://{MODEL}"))
        .args([led(MODEL), led(WANTED)])
        .arg(format!("--allow-internal={address}/32"))
        .args(flags)
        .arg("--")
        .args(arguments)
        .current_dir(&directory)
        .env("MODEL_KEY", KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    let question = within(PATIENCE * 2, || {
        let said = world
            .command(&["proposals", "-o", "name"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.lines().next().map(ToOwned::to_owned)
    });
    let Some(question) = question else {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(run.id().cast_signed()),
            nix::sys::signal::SIGTERM,
        );
        panic!(
            "nothing was asked: {}\n{}",
            text(&run.wait_with_output().unwrap()),
            world.logs()
        );
    };
    let question = question.rsplit('/').next().unwrap().to_owned();
    let kept = world.state().join("garden/.secrets/bottle-run-blue/key");
    assert_eq!(fs::read_to_string(&kept).unwrap(), KEY);
    let approved = world.command(&["approve", &question]).output().unwrap();
    assert!(approved.status.success(), "{}", text(&approved));
    let output = run.wait_with_output().unwrap();
    let said = text(&output);
    assert!(
        output.status.success() && said.contains(&format!("DONE: {WANTED} answered")),
        "{said}"
    );
    assert!(!kept.exists() && !said.contains(KEY), "{said}");
    let asked = model.said.lock().unwrap();
    let asked: Vec<_> = asked
        .iter()
        .filter(|line| line.starts_with("model "))
        .collect();
    let real =
        |line: &&&String| line.ends_with(&format!("={KEY}")) || line.ends_with(&format!(" {KEY}"));
    assert!(asked.len() >= 4, "{asked:?}");
    assert_eq!(asked.iter().find(|line| !real(line)), None);
}

#[track_caller]
fn in_the_sandbox(kind: &str, arguments: &[&str]) {
    let program = program(kind);
    let node = fs::canonicalize(program.with_file_name("node")).unwrap();
    let readable = format!("--readable={}", node.parent().unwrap().display());
    let program = program.to_str().unwrap().to_owned();
    let arguments: Vec<_> = [program.as_str()]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    goes_round(Runtime::Sandbox, &[&readable], &arguments);
}

#[test]
#[ignore = "installs its program from npm"]
fn claude_goes_round_in_the_sandbox() {
    in_the_sandbox(
        "claude",
        &["-p", "--dangerously-skip-permissions", "fetch the file"],
    );
}

#[test]
#[ignore = "installs its program from npm"]
fn codex_goes_round_in_the_sandbox() {
    let arguments = [
        "exec",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "fetch the file",
    ];
    in_the_sandbox("codex", &arguments);
}

#[track_caller]
fn in_docker(kind: &str, arguments: &[&str]) {
    let image = format!("--image=bot-bottle/agent-{kind}:dev");
    let arguments: Vec<_> = [kind]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    goes_round(Runtime::Docker, &["--runtime=docker", &image], &arguments);
}

#[test]
#[ignore = "installs its program from npm"]
fn claude_goes_round_in_docker() {
    in_docker(
        "claude",
        &["-p", "--dangerously-skip-permissions", "fetch the file"],
    );
}

#[test]
#[ignore = "installs its program from npm"]
fn codex_goes_round_in_docker() {
    let arguments = [
        "exec",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "fetch the file",
    ];
    in_docker("codex", &arguments);
}
