//! A real cluster, used as its users use it: by kubectl, and by what runs in the agent's container.

mod bottle;
mod call;
mod namespace;

pub use bottle::{Bottle, bottle_yaml};
pub use call::Call;
pub use namespace::Namespace;

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
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

/// Its name, as the scripts of tests/cluster take it.
pub fn cluster_name() -> String {
    let state = state();
    let directory = state.file_name().unwrap().to_str().unwrap();
    directory.trim_start_matches("cluster-").to_owned()
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
/// A number that no other test of this run has.
pub fn number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A kubeconfig of this cluster whose user is known by `token`; the caller removes the file.
pub fn kubeconfig_with(token: &str) -> PathBuf {
    let number = number();
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
    let program = repository().join("tests/cluster/enter");
    let cluster = cluster_name();
    let arguments = ["--name", &cluster, "sh", "-c", script];
    run(program.to_str().unwrap(), arguments, "")
}
