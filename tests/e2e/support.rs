//! A real cluster, used as its users use it: by kubectl, and by what runs in the agent's container.

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What one command said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The output of a command that must succeed.
    #[track_caller]
    pub fn good(self) -> String {
        assert!(self.ok, "{}", self.all());
        self.out
    }

    /// What a command that must fail said.
    #[track_caller]
    pub fn bad(self) -> String {
        assert!(!self.ok, "succeeded: {}", self.all());
        self.all()
    }
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory of the cluster that tests/run started.
pub fn state() -> PathBuf {
    let directory = std::env::var_os("BOT_BOTTLE_STATE_DIR").map(PathBuf::from);
    directory.expect("BOT_BOTTLE_STATE_DIR: run these tests by tests/run cluster")
}

pub fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
    input: &str,
) -> Said {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Said::of(&output)
}

/// Tries until `check` gives a value; the last complaint otherwise.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    loop {
        match check() {
            Ok(value) => return value,
            Err(last) if began.elapsed() > limit => panic!("{what}: {last}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// The usual patience: a pod's start takes a few seconds, more while the machine compiles.
pub const PATIENCE: Duration = Duration::from_secs(40);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A namespace of one test, gone at its end.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new() -> Self {
        let name = format!(
            "e2e-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        run("kubectl", ["create", "namespace", &name], "").good();
        Self { name }
    }

    pub fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        self.kubectl_with(arguments, "")
    }

    pub fn kubectl_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Said {
        let mut all = vec![
            OsStr::new("-n").to_owned(),
            OsStr::new(&self.name).to_owned(),
        ];
        all.extend(arguments.into_iter().map(|one| one.as_ref().to_owned()));
        run("kubectl", all, input)
    }

    pub fn apply(&self, yaml: &str) -> Said {
        self.kubectl_with(["apply", "-f", "-"], yaml)
    }

    /// One field, by JSONPath.
    pub fn field(&self, object: &str, path: &str) -> String {
        let path = format!("jsonpath={{{path}}}");
        self.kubectl(["get", object, "-o", &path]).out
    }

    /// `kubectl edit` with sed as the editor.
    pub fn edit(&self, object: &str, sed: &str) -> Said {
        let output = Command::new("kubectl")
            .args(["-n", &self.name, "edit", object])
            .env("KUBE_EDITOR", format!("sed -i -e '{sed}'"))
            .output()
            .unwrap();
        Said::of(&output)
    }

    /// Applies the Bottle `name` with this allowlist and waits until it is Ready.
    pub fn bottle(&self, name: &str, allowlist: &[&str]) -> Bottle<'_> {
        self.bottle_with(name, allowlist, "")
    }

    /// The same, with more lines of its spec.
    pub fn bottle_with(&self, name: &str, allowlist: &[&str], more: &str) -> Bottle<'_> {
        self.apply(&(bottle_yaml(name, allowlist) + more)).good();
        let bottle = Bottle {
            namespace: self,
            name: name.to_owned(),
        };
        bottle.ready();
        bottle
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if thread::panicking() {
            let about = self
                .kubectl(["get", "bottles,proposals,pods", "-o", "wide"])
                .all();
            let events = self
                .kubectl(["get", "events", "--sort-by=.lastTimestamp"])
                .all();
            eprintln!("{about}\n{events}");
        }
        let _ = run(
            "kubectl",
            ["delete", "namespace", &self.name, "--wait=false"],
            "",
        );
    }
}

pub fn bottle_yaml(name: &str, allowlist: &[&str]) -> String {
    format!(
        "apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {{name: {name}}}
spec:
  agent:
    kind: claude
    image: bot-bottle/agent-example:dev
    command: [sleep, infinity]
  allowlist: [{}]
",
        allowlist.join(", ")
    )
}

/// A bottle of one test.
pub struct Bottle<'a> {
    pub namespace: &'a Namespace,
    pub name: String,
}

impl Bottle<'_> {
    pub fn object(&self) -> String {
        format!("bottle/{}", self.name)
    }

    pub fn pod(&self) -> String {
        format!("{}-bottle", self.name)
    }

    #[track_caller]
    pub fn ready(&self) {
        eventually("the bottle becomes Ready", PATIENCE, || {
            let path = ".status.conditions[?(@.type==\"Ready\")]";
            let ready = self.namespace.field(&self.object(), path);
            if ready.contains("\"status\":\"True\"") {
                Ok(())
            } else {
                Err(ready)
            }
        });
        // The agent itself starts when the seal has seen the sidecars.
        eventually("the agent starts", PATIENCE, || {
            let processes = self.exec(["sh", "-c", "cat /proc/[0-9]*/comm"]).all();
            if processes.contains("sleep") {
                Ok(())
            } else {
                Err(processes)
            }
        });
    }

    /// Runs a command in the agent's container, as the agent's user.
    pub fn exec<S: AsRef<OsStr>>(&self, command: impl IntoIterator<Item = S>) -> Said {
        self.exec_with(command, "")
    }

    pub fn exec_with<S: AsRef<OsStr>>(
        &self,
        command: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Said {
        let pod = self.pod();
        let mut all: Vec<_> = ["exec", "-i", &pod, "-c", "agent", "--"]
            .iter()
            .map(|one| OsStr::new(one).to_owned())
            .collect();
        all.extend(command.into_iter().map(|one| one.as_ref().to_owned()));
        self.namespace.kubectl_with(all, input)
    }

    pub fn shell(&self, script: &str) -> Said {
        self.exec(["sh", "-c", script])
    }

    pub fn python(&self, script: &str, arguments: &[&str]) -> Said {
        let mut command = vec!["python3", "-"];
        command.extend(arguments);
        self.exec_with(command, script)
    }

    /// Body and, at the end, `<status of the answer>/<status of CONNECT>` of a GET through the proxy.
    pub fn get(&self, url: &str) -> String {
        self.exec([
            "curl",
            "-sk",
            "-m",
            "10",
            "-w",
            " %{http_code}/%{http_connect}",
            url,
        ])
        .out
    }

    #[track_caller]
    pub fn reaches(&self, host: &str) {
        let body = self.get(&format!("https://{host}/"));
        assert!(
            body.contains(&format!("hello from {host}")),
            "{host} should answer: {body}"
        );
    }

    #[track_caller]
    pub fn does_not_reach(&self, host: &str) {
        let said = self.get(&format!("https://{host}/"));
        assert!(
            said.ends_with("000/403"),
            "{host} should be refused: {said}"
        );
    }

    /// Waits until a host that was open is refused.
    #[track_caller]
    pub fn closes(&self, host: &str) {
        eventually(&format!("{host} is closed"), PATIENCE, || {
            let said = self.get(&format!("https://{host}/"));
            if said.ends_with("000/403") {
                Ok(())
            } else {
                Err(said)
            }
        });
    }

    /// The file in force, as the agent sees it.
    pub fn allowlist(&self) -> String {
        self.shell("cat /etc/claude-bottle/current-config/allowlist")
            .good()
    }

    /// Calls a tool with the official SDK's client, in the agent's container, and goes on.
    pub fn call(&self, tool: &str, file: &str, justification: &str) -> Call {
        let script = std::fs::read_to_string(repository().join("tests/e2e/call.py")).unwrap();
        let child = Command::new("kubectl")
            .args([
                "-n",
                &self.namespace.name,
                "exec",
                "-i",
                &self.pod(),
                "-c",
                "agent",
                "--",
            ])
            .args(["python3", "-c", &script, tool, file, justification])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Call { child: Some(child) }
    }

    /// Asks for one more host than is in force.
    pub fn ask_for(&self, host: &str) -> Call {
        self.call(
            "pipelock-block",
            &format!("{}{host}\n", self.allowlist()),
            &format!("{host} is needed"),
        )
    }

    /// The name of the one Proposal that is pending.
    #[track_caller]
    pub fn pending(&self) -> String {
        eventually("a proposal is pending", PATIENCE, || {
            let template = "{range .items[?(@.status.phase==\"Pending\")]}{.metadata.name} {end}";
            let said = self
                .namespace
                .kubectl(["get", "proposals", "-o", &format!("jsonpath={template}")])
                .all();
            match said.split_whitespace().collect::<Vec<_>>()[..] {
                [one] => Ok(format!("proposal/{one}")),
                _ => Err(said),
            }
        })
    }

    #[track_caller]
    pub fn phase_is(&self, proposal: &str, phase: &str) {
        eventually(&format!("{proposal} becomes {phase}"), PATIENCE, || {
            let now = self.namespace.field(proposal, ".status.phase");
            if now == phase { Ok(()) } else { Err(now) }
        });
    }
}

/// A tool call that waits in the agent's container.
pub struct Call {
    child: Option<Child>,
}

impl Call {
    /// Whether it has not been answered yet.
    pub fn waits(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// The answer's text.
    #[track_caller]
    pub fn answer(mut self) -> String {
        let began = Instant::now();
        while self.waits() {
            assert!(began.elapsed() < PATIENCE, "the call is not answered");
            thread::sleep(Duration::from_millis(20));
        }
        let said = Said::of(&self.child.take().unwrap().wait_with_output().unwrap());
        said.good()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A kubeconfig of this cluster whose user is known by `token`; the caller removes the file.
pub fn kubeconfig_with(token: &str) -> PathBuf {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("kubeconfig-{}-{number}", std::process::id()));
    let view = ["config", "view", "--raw", "--minify", "--flatten"];
    std::fs::write(&path, run("kubectl", view, "").good()).unwrap();
    let token = format!("--token={}", token.trim());
    for change in [
        ["set-credentials", "bearer", &token],
        ["set-context", "--current", "--user=bearer"],
    ] {
        let mut all = vec!["--kubeconfig", path.to_str().unwrap(), "config"];
        all.extend(change);
        run("kubectl", all, "").good();
    }
    path
}

/// Runs a script where the cluster's node runs.
pub fn in_machine(script: &str) -> Said {
    let state = state();
    let directory = state.file_name().unwrap().to_str().unwrap();
    let cluster = directory.trim_start_matches("cluster-");
    let program = repository().join("tests/cluster/enter");
    run(
        program.to_str().unwrap(),
        ["--name", cluster, "sh", "-c", script],
        "",
    )
}
