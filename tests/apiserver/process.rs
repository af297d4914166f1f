//! The operator as a process of its own, with the chart's account and role, in one namespace.

use crate::support::{cluster::Space, eventually, person::Person};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A running operator; it ends when this is dropped.
pub struct Operator {
    /// As it calls itself in the Lease and in Events.
    pub identity: &'static str,
    child: Child,
    health: SocketAddr,
    log: tempfile::NamedTempFile,
    _account: Person,
}

impl Operator {
    /// Starts one that looks after `space` only. `failpoints` stop it on its way.
    pub async fn start(
        space: &Space,
        identity: &'static str,
        arguments: &[&str],
        failpoints: &str,
    ) -> Self {
        let account = space.operator().await;
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let health = free.local_addr().expect("it has an address");
        drop(free);
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let child = Command::new(env!("CARGO_BIN_EXE_operator"))
            .arg("run")
            .args(["--health", &health.to_string()])
            .args(["--namespace", &space.namespace, "--identity", identity])
            .args(arguments)
            .env("KUBECONFIG", account.kubeconfig())
            .env("FAILPOINTS", failpoints)
            .env(
                "RUST_LOG",
                "debug,hyper=info,tower=info,kube=info,rustls=info",
            )
            .stderr(log.reopen().expect("the log can be opened"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the operator can be started");
        Self {
            identity,
            child,
            health,
            log,
            _account: account,
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it runs");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the operator ends", PATIENCE, async || {
            child.try_wait().expect("a child can be waited for")
        })
        .await
    }

    /// What one of its pages says; nothing while it does not answer.
    pub fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.health).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Waits until `/readyz` says `role`.
    pub async fn is(&self, role: &str) {
        eventually(
            &format!("{} is {role}", self.identity),
            PATIENCE,
            async || {
                let answer = self.page("/readyz")?;
                (answer.starts_with("HTTP/1.1 200") && answer.contains(role)).then_some(())
            },
        )
        .await;
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(6000);
            eprintln!(
                "--- {}: {}",
                self.identity,
                log.get(start..).unwrap_or(&log)
            );
        }
    }
}
