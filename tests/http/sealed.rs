//! A bottle's agent container without a container: a locked network namespace, a home, the real `seal`.

use crate::netns::{World, text};
use bot_bottle::names::uid;
use bot_bottle::prepare::lock::{Lock, ruleset};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The agent's uid.
pub const AGENT: i64 = uid::AGENT_DEFAULT;

/// The container.
pub struct Sealed {
    pub world: World,
    dir: TempDir,
}

impl Sealed {
    /// Behind the lock.
    pub fn new() -> Self {
        let sealed = Self::unlocked();
        sealed.world.inside.nft(&ruleset(&Lock::default()));
        sealed
    }

    /// Without a lock.
    pub fn unlocked() -> Self {
        let sealed = Self {
            world: World::new(),
            dir: TempDir::new().unwrap(),
        };
        fs::set_permissions(sealed.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["home", "image", "out"] {
            fs::create_dir(sealed.path(name)).unwrap();
            sealed.own(name);
        }
        // Where it was built, the agent's uid may not look.
        fs::copy(env!("CARGO_BIN_EXE_seal"), sealed.path("seal")).unwrap();
        fs::write(sealed.path("why"), "").unwrap();
        sealed.own("why");
        sealed
    }

    /// A path in the container's part of the file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Gives a path to the agent.
    pub fn own(&self, name: &str) {
        let id = Some(u32::try_from(AGENT).unwrap());
        std::os::unix::fs::lchown(self.path(name), id, id).unwrap();
        if !self.path(name).is_symlink() {
            chown(self.path(name), id, id).unwrap();
        }
    }

    /// A file of the agent, its directories too.
    pub fn put(&self, name: &str, content: &str) {
        let mut below = PathBuf::new();
        for part in Path::new(name).parent().unwrap() {
            below.push(part);
            if !self.path(below.to_str().unwrap()).exists() {
                fs::create_dir(self.path(below.to_str().unwrap())).unwrap();
                self.own(below.to_str().unwrap());
            }
        }
        fs::write(self.path(name), content).unwrap();
        self.own(name);
    }

    /// A file's content.
    pub fn get(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A JSON file's content.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.get(name)).unwrap()
    }

    /// `seal` with instructions that differ from the plainest ones in `extra`.
    pub fn seal(&self, extra: &Value) -> Command {
        let mut command = self.world.inside.command_as(AGENT, "env");
        command.arg(self.path("seal")).args(self.arguments(extra));
        command.current_dir(self.path("out"));
        command
    }

    /// Writes the instructions; the flags that name them.
    pub fn arguments(&self, extra: &Value) -> Vec<String> {
        let mut instructions = json!({
            "start": ["true"], "home": self.path("home"), "imageHome": self.path("image"),
            "sidecars": [], "wall": ["10.77.0.1:80"], "maxRestarts": 3,
        });
        for (key, value) in extra.as_object().unwrap() {
            instructions[key] = value.clone();
        }
        fs::write(self.path("seal.json"), instructions.to_string()).unwrap();
        [
            "--instructions",
            self.path("seal.json").to_str().unwrap(),
            "--termination-log",
            self.path("why").to_str().unwrap(),
            "--patience",
            "20",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Runs `seal` to its end.
    pub fn run(&self, extra: &Value) -> (i32, String) {
        code(&self.seal(extra).output().unwrap())
    }

    /// Runs `seal` with a line of shell as the agent.
    pub fn sh(&self, script: &str) -> (i32, String) {
        self.run(&json!({"start": ["sh", "-c", script]}))
    }
}

/// Exit code and what was said.
pub fn code(output: &Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), text(output))
}
