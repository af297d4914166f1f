//! A state directory, a bottle in it, and a hand inside: the agent is a shell that does what the test writes down.

use crate::web;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A bound against hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Runs each `N.job` of the workspace, and writes `N.out` when it has ended.
const HAND: &str = r#"cd /bottle/workspace; while :; do for job in *.job; do [ -e "$job" ] || continue; name=${job%.job}; mv "$job" "$name.run"; ( bash "$name.run" > "$name.part" 2>&1; echo "exit $?" >> "$name.part"; mv "$name.part" "$name.out" ) & done; sleep 0.02; done"#;

/// Calls a tool as a client without event stream does: until it is decided.
const CALL: &str = r#"import json, sys, urllib.request
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "pipelock-block", "arguments": {"allowlist": sys.argv[1], "justification": sys.argv[2]}}}).encode()
while True:
    request = urllib.request.Request("http://supervise:9100/", body, {"content-type": "application/json", "accept": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    text = answer["result"]["content"][0]["text"] if "result" in answer else json.dumps(answer["error"])
    if not text.startswith("status: pending"):
        print(text)
        break
"#;

/// One state directory with one bottle.
pub struct World {
    pub place: TempDir,
    pub web: SocketAddr,
    jobs: AtomicU32,
}

impl World {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            place: tempfile::tempdir().unwrap(),
            web: web::start(),
            jobs: AtomicU32::new(0),
        }
    }

    /// With a bottle `blue` that runs and whose hand answers.
    pub fn running() -> Self {
        let world = Self::new();
        world.apply("");
        assert!(world.inside("true").contains("exit 0"));
        world
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

    pub fn try_apply(&self, more: &str, flags: &[&str]) -> Output {
        let file = self.place.path().join("bottle.yaml");
        let manifest = format!(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {{name: blue}}\nspec:\n  agent:\n    kind: custom\n    command: [bash, -c, {}]\n  \
             allowlist: [open.example.com]\n  egress: {{allowInternal: [127.0.0.0/8]}}\n{more}",
            serde_json::to_string(HAND).unwrap()
        );
        fs::write(&file, manifest).unwrap();
        let hosts = ["open", "a", "b", "never"]
            .map(|host| format!("--resolve={host}.example.com={}", self.web));
        let mut command = self.command(&["apply"]);
        command
            .arg("-f")
            .arg(file)
            .args(hosts)
            .args(flags)
            .output()
            .unwrap()
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
            .stdin(Stdio::null());
        command
    }

    /// What a verb prints; it must succeed.
    pub fn verb(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a line of shell prints inside the bottle, and its exit code as the last line.
    pub fn inside(&self, script: &str) -> String {
        self.await_job(self.begin(script), PATIENCE)
    }

    /// Starts a line of shell inside.
    pub fn begin(&self, script: &str) -> PathBuf {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        let workspace = self.bottle().join("workspace");
        fs::create_dir_all(&workspace).unwrap();
        let draft = workspace.join(format!("{number}.draft"));
        fs::write(&draft, script).unwrap();
        fs::rename(&draft, workspace.join(format!("{number}.job"))).unwrap();
        workspace.join(format!("{number}.out"))
    }

    pub fn await_job(&self, out: impl AsRef<Path>, patience: Duration) -> String {
        let found = within(patience, || fs::read_to_string(&out).ok());
        found.unwrap_or_else(|| panic!("no answer from inside: {}", self.logs()))
    }

    /// Starts asking for this list.
    pub fn ask(&self, allowlist: &str, why: &str) -> PathBuf {
        let workspace = self.bottle().join("workspace");
        fs::create_dir_all(&workspace).unwrap();
        fs::write(workspace.join("call.py"), CALL).unwrap();
        self.begin(&format!(
            "/usr/bin/python3 call.py $'{}' '{why}'",
            allowlist.replace('\n', "\\n")
        ))
    }

    /// The HTTP status of a page, as the agent sees it.
    pub fn fetch(&self, host: &str) -> String {
        let answer = self.inside(&format!(
            "curl -s -o /dev/null -w '%{{http_code}}' http://{host}/"
        ));
        answer
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches("exit 0")
            .to_owned()
    }

    /// The first proposal in this phase, with that justification.
    pub fn proposal(&self, why: &str, phase: &str) -> String {
        let found = within(PATIENCE, || {
            let text = self.verb(&["proposals", "-o", "json"]);
            let list: serde_json::Value = serde_json::from_str(&text).unwrap();
            let items = list["items"].as_array().unwrap().clone();
            let one = items.into_iter().find(|one| {
                one["spec"]["justification"] == why && one["status"]["phase"] == phase
            })?;
            Some(one["metadata"]["name"].as_str().unwrap().to_owned())
        });
        found.unwrap_or_else(|| {
            panic!(
                "no proposal {why:?} is {phase}: {}",
                self.verb(&["proposals", "-o", "yaml"])
            )
        })
    }

    pub fn keeper(&self) -> Option<i32> {
        processes(&self.state(), "local\0keep").first().copied()
    }

    pub fn logs(&self) -> String {
        ["keeper", "agent", "events"]
            .map(|name| {
                fs::read_to_string(self.bottle().join("log").join(name)).unwrap_or_default()
            })
            .join("\n---\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
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

/// Asks until there is an answer, or the time is over.
pub fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > until {
            return None;
        }
        sleep(PAUSE);
    }
}

/// Both outputs.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
