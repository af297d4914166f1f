//! What a person meets who is not root, on a machine that has less than ours: true words, and a demo that works.

use crate::world::text;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Nobody, as whom a test that is root can be.
const UID: u32 = 65_534;

/// Somebody with a home, and the program in a directory that is not theirs.
struct Person {
    place: TempDir,
}

impl Person {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let person = Self { place };
        let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        open(person.place.path());
        fs::create_dir(person.home()).unwrap();
        let built = Path::new(env!("CARGO_BIN_EXE_bottle"));
        if fs::hard_link(built, person.program()).is_err() {
            fs::copy(built, person.program()).unwrap();
        }
        open(&person.program());
        if nix::unistd::geteuid().is_root() {
            chown(person.home(), Some(UID), Some(UID)).unwrap();
        }
        person
    }

    fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    fn program(&self) -> PathBuf {
        self.place.path().join("bottle")
    }

    /// `bottle` as they run it: with nothing in the environment that is not theirs, where nothing can be written.
    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(self.program());
        if nix::unistd::geteuid().is_root() {
            let id = UID.to_string();
            command = Command::new(found("setpriv"));
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
            command.arg(self.program());
        }
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .envs(variables.iter().copied())
            .current_dir("/usr")
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The line of `bottle doctor` about one thing.
    fn finding(&self, name: &str, variables: &[(&str, &str)]) -> (bool, String) {
        let said = text(&self.run(&["doctor"], variables));
        let line = said.lines().find_map(|line| {
            let (word, rest) = line.split_once("    ")?;
            let found = rest.trim_start().strip_prefix(name)?;
            Some((word == "ok", found.trim_start().to_owned()))
        });
        line.unwrap_or_else(|| panic!("no line about {name}: {said}"))
    }
}

/// A program by its path: whoever is started without a PATH is still found.
fn found(name: &str) -> PathBuf {
    let search = std::env::var_os("PATH").unwrap();
    let all: Vec<PathBuf> = std::env::split_paths(&search).collect();
    let path = all.iter().map(|directory| directory.join(name));
    path.into_iter().find(|path| path.exists()).unwrap()
}

const NO_DAEMON: (&str, &str) = ("DOCKER_HOST", "unix:///nowhere/docker.sock");

#[test]
fn doctor_says_what_is_missing_and_what_to_do_about_it() {
    let person = Person::new();
    let output = person.run(&["doctor"], &[("PATH", "/nowhere"), NO_DAEMON]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "needs bubblewrap (bwrap), which is not on PATH: install it (apt-get install bubblewrap",
        "the daemon at /nowhere/docker.sock does not answer: is it running, and may you use its socket",
        "none is configured: no kubeconfig with a current context",
        "No agent can be isolated here: only `--runtime process` is left, which isolates nothing",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains('\x1b'), "{said}");
    let (state, path) = person.finding("state directory", &[NO_DAEMON]);
    let own = person.home().join(".local/state/bot-bottle");
    assert!(state && path == own.display().to_string(), "{path}");
}

#[test]
fn doctor_tells_a_home_that_can_not_be_written_and_a_daemon_of_others_from_what_works() {
    let person = Person::new();
    let (sandbox, said) = person.finding("sandbox", &[NO_DAEMON]);
    assert!(sandbox, "{said}");
    // As root everything may be written.
    if nix::unistd::geteuid().is_root() {
        let (state, said) = person.finding("state directory", &[("HOME", "/usr"), NO_DAEMON]);
        assert!(!state && said.contains("can't make /usr/.local"), "{said}");
    }
    let socket = person.place.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
    let host = format!("unix://{}", socket.display());
    if nix::unistd::geteuid().is_root() {
        let (docker, said) = person.finding("docker", &[("DOCKER_HOST", &host)]);
        assert!(
            !docker && said.contains("may you use its socket (group docker)?"),
            "{said}"
        );
        assert!(said.contains("ermission denied"), "{said}");
    }
}

#[test]
fn the_demo_works_for_anybody_and_leaves_nothing() {
    let person = Person::new();
    let output = person.run(&["demo", "--yes"], &[NO_DAEMON]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("The agent runs in a sandbox"), "{said}");
    assert!(
        !said.contains('\x1b') && said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    let left = |path: &Path| fs::read_dir(path).unwrap().count();
    assert_eq!(left(&person.home()), 0, "in the home");
    assert!(crate::world::processes(person.place.path(), "").is_empty());
    // Without bubblewrap it says that nothing is isolated, and why.
    let output = person.run(&["demo", "--yes"], &[("PATH", "/nowhere"), NO_DAEMON]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for part in ["NOTHING IS ISOLATED HERE", "bubblewrap"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn kubectl_finds_the_same_program_as_its_plugin() {
    let person = Person::new();
    let plugin = person.place.path().join("kubectl-bottle");
    std::os::unix::fs::symlink(person.program(), &plugin).unwrap();
    let mut command = Command::new(plugin);
    let output = command
        .args(["get", "--local"])
        .env("HOME", person.home())
        .output()
        .unwrap();
    assert!(text(&output).contains("no bottles in"), "{}", text(&output));
    let help = Command::new(person.place.path().join("kubectl-bottle"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(help.status.success());
}
