//! A state directory, a bottle in it, and a hand inside: the agent is a shell that does what the test writes down.

use crate::scenarios::{HOSTS, Later, manifest};
pub use crate::scenarios::{PATIENCE, Place, within};
use crate::web;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// What runs the bottle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Sandbox,
    /// With the daemon that tests/run started.
    Docker,
}

/// One state directory with one bottle.
pub struct World {
    pub place: TempDir,
    pub web: SocketAddr,
    /// What the names of its containers begin with.
    pub containers: OnceLock<String>,
    pub runtime: Runtime,
    jobs: AtomicU32,
}

impl World {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::of(Runtime::Sandbox)
    }

    /// Nothing yet, for this runtime.
    pub fn of(runtime: Runtime) -> Self {
        let world = Self {
            place: tempfile::tempdir().unwrap(),
            web: web::start(address(runtime)),
            containers: OnceLock::new(),
            runtime,
            jobs: AtomicU32::new(0),
        };
        fs::create_dir_all(world.workspace()).unwrap();
        if runtime == Runtime::Docker {
            // The agent's uid.
            std::os::unix::fs::chown(world.workspace(), Some(1000), Some(1000)).unwrap();
        }
        world
    }

    /// With a bottle `blue` that runs and whose hand answers.
    pub fn running() -> Self {
        Self::running_in(Runtime::Sandbox, "")
    }

    /// The same in this runtime, with more in the spec.
    pub fn running_in(runtime: Runtime, more: &str) -> Self {
        Self::running_from(runtime, &manifest(more))
    }

    /// The same from this file.
    pub fn running_from(runtime: Runtime, text: &str) -> Self {
        let world = Self::of(runtime);
        world.apply_file(text);
        assert!(world.inside("true").contains("exit 0"));
        world
    }

    /// The directory that is the agent's workspace.
    pub fn workspace(&self) -> PathBuf {
        match self.runtime {
            Runtime::Sandbox => self.bottle().join("workspace"),
            Runtime::Docker => self.place.path().join("workspace"),
        }
    }

    /// An address of this machine that the bottle's proxies reach.
    pub fn address(&self) -> Ipv4Addr {
        address(self.runtime)
    }

    pub fn state(&self) -> PathBuf {
        self.place.path().join("state")
    }

    /// The bottle's directory.
    pub fn bottle(&self) -> PathBuf {
        self.state().join("garden/blue")
    }

    /// Applies the Bottle; `more` stands in its spec.
    pub fn apply(&self, more: &str) {
        let output = self.try_apply(more, &[]);
        assert!(output.status.success(), "{}", text(&output));
    }

    /// Applies a file of this text; what was said.
    pub fn apply_file(&self, manifests: &str) -> String {
        let output = self.try_apply_file(manifests, &[]);
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }

    pub fn try_apply(&self, more: &str, flags: &[&str]) -> Output {
        self.try_apply_file(&manifest(more), flags)
    }

    pub fn try_apply_file(&self, manifests: &str, flags: &[&str]) -> Output {
        let file = self.place.path().join("bottle.yaml");
        fs::write(&file, manifests).unwrap();
        let hosts = HOSTS.map(|host| format!("--resolve={host}={}", self.web));
        let mut command = self.command(&["apply"]);
        command
            .arg("-f")
            .arg(file)
            .args(hosts)
            .args(self.flags())
            .args(flags)
            .output()
            .unwrap()
    }

    fn flags(&self) -> Vec<String> {
        match self.runtime {
            Runtime::Sandbox => vec!["--host-programs".into()],
            Runtime::Docker => vec![
                "--runtime=docker".into(),
                format!("--workspace={}", self.workspace().display()),
            ],
        }
    }

    /// `bottle` with this world's state.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bottle"));
        command
            .args(words)
            .args(["--local", "-n", "garden", "--state"])
            .arg(self.state());
        command
            .env_remove("KUBECONFIG")
            .env("HOME", self.place.path())
            .env("BOTTLE_SUPERVISE_IMAGE", "bot-bottle/supervise:dev")
            .stdin(Stdio::null());
        command
    }

    /// Starts a line of shell inside; where its output will be.
    pub fn job(&self, script: &str) -> PathBuf {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        let workspace = self.workspace();
        // A bottle that was deleted took its own along.
        fs::create_dir_all(&workspace).unwrap();
        let draft = workspace.join(format!("{number}.draft"));
        fs::write(&draft, script).unwrap();
        fs::rename(&draft, workspace.join(format!("{number}.job"))).unwrap();
        workspace.join(format!("{number}.out"))
    }

    pub fn keeper(&self) -> Option<i32> {
        processes(&self.state(), "local\0keep").first().copied()
    }

    /// The data of the bottle's ConfigMap.
    pub fn config_map(&self) -> serde_json::Map<String, serde_json::Value> {
        let text = fs::read_to_string(self.bottle().join("config-map.yaml")).unwrap();
        let object: serde_json::Value = bot_bottle::yaml::from_str(&text).unwrap();
        object["data"].as_object().unwrap().clone()
    }

    pub fn logs(&self) -> String {
        logs(&self.bottle())
    }
}

impl Place for World {
    fn new() -> Self {
        Self::running()
    }

    fn verb(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn begin(&self, script: &str) -> Later {
        let (out, bottle) = (self.job(script), self.bottle());
        Box::new(move || {
            let found = within(PATIENCE, || fs::read_to_string(&out).ok());
            found.unwrap_or_else(|| panic!("no answer from inside: {}", logs(&bottle)))
        })
    }
}

/// The same in Docker.
pub struct Docker(pub World);

impl Place for Docker {
    fn new() -> Self {
        Self(World::running_in(Runtime::Docker, ""))
    }

    fn verb(&self, words: &[&str]) -> String {
        self.0.verb(words)
    }

    fn begin(&self, script: &str) -> Later {
        self.0.begin(script)
    }
}

fn address(runtime: Runtime) -> Ipv4Addr {
    match runtime {
        Runtime::Sandbox => Ipv4Addr::LOCALHOST,
        Runtime::Docker => gateway(),
    }
}

/// This machine's address on the bridge of the daemon's containers.
pub fn gateway() -> Ipv4Addr {
    let text = std::env::var_os("BOT_BOTTLE_DOCKER_GATEWAY");
    let text = text.expect("BOT_BOTTLE_DOCKER_GATEWAY: run these tests by tests/run docker");
    let text = text.into_string().unwrap();
    text.trim().parse().unwrap()
}

fn logs(bottle: &Path) -> String {
    ["keeper", "agent", "events"]
        .map(|name| fs::read_to_string(bottle.join("log").join(name)).unwrap_or_default())
        .join("\n---\n")
}

impl Drop for World {
    fn drop(&mut self) {
        if self.runtime == Runtime::Docker {
            let _ = self.command(&["delete", "blue"]).output();
        }
        for pid in processes(&self.state(), "") {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
        }
    }
}

/// Processes whose command line names `place` and holds `what`.
pub fn processes(place: &Path, what: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line =
                String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).ok()?).into_owned();
            (line.contains(place.to_str()?)
                && line.contains(what)
                && u32::try_from(pid).ok()? != std::process::id())
            .then_some(pid)
        })
        .collect()
}

/// Both outputs.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
