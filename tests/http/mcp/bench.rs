//! A server in this process, its directories, and a client that writes bytes.

use bot_bottle::config_directory;
use bot_bottle::supervise::call::{Desk, Settings};
use bot_bottle::supervise::feed::{self, Sources};
use bot_bottle::supervise::store::queue::{Limits, Queue};
use bot_bottle::supervise::{State, Waits, connections, server};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A bound against hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Config, state and queue of one bottle.
pub struct Directories {
    root: TempDir,
}

impl Directories {
    pub fn new(allowlist: &str) -> Self {
        let directories = Self {
            root: tempfile::tempdir().unwrap(),
        };
        for name in ["config", "state"] {
            fs::create_dir(directories.path(name)).unwrap();
        }
        directories.write("routes.json", r#"{"routes": []}"#);
        directories.write("Dockerfile", "FROM scratch\n");
        directories.write("egress.json", "{}");
        directories.write("allowlist", allowlist);
        directories
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Replaces a file of the config.
    pub fn write(&self, name: &str, text: &str) {
        replace(&self.path("config").join(name), text);
    }

    pub fn decide(&self, proposal: &str, decision: &Value) {
        replace(
            &self.path("queue").join(format!("{proposal}.decision.json")),
            &decision.to_string(),
        );
    }

    /// Names of the open proposals, once there are `count`.
    pub async fn proposals(&self, count: usize) -> Vec<String> {
        let wait = async {
            loop {
                let names = files(&self.path("queue"));
                let open: Vec<String> = names
                    .iter()
                    .filter(|name| !name.ends_with(".decision.json"))
                    .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
                    .collect();
                if open.len() == count {
                    return open;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the proposals never came")
    }

    pub fn archived(&self) -> Vec<String> {
        files(&self.path("queue/archive"))
    }
}

fn replace(path: &Path, text: &str) {
    let draft = path.with_extension("by-hand");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, path).unwrap();
}

fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.retain(|name| !name.starts_with('.'));
    names
}

/// A running server.
pub struct Bench {
    pub directories: Directories,
    pub client: Client,
    pub state: Arc<State<Queue>>,
    stop: CancellationToken,
}

impl Bench {
    pub async fn start(allowlist: &str) -> Self {
        Self::with(
            allowlist,
            Waits::default(),
            Limits {
                pending: 20,
                hour: 30,
            },
        )
        .await
    }

    pub async fn with(allowlist: &str, waits: Waits, limits: Limits) -> Self {
        Self::serving(allowlist, waits, limits, connections::Limits::default()).await
    }

    pub async fn serving(
        allowlist: &str,
        waits: Waits,
        limits: Limits,
        held: connections::Limits,
    ) -> Self {
        let directories = Directories::new(allowlist);
        let state = state(&directories, waits, limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client {
            address: listener.local_addr().unwrap(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(server::run(
            listener,
            Arc::clone(&state),
            held,
            stop.clone().cancelled_owned(),
        ));
        Self {
            directories,
            client,
            state,
            stop,
        }
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }
}

pub fn state(directories: &Directories, waits: Waits, limits: Limits) -> Arc<State<Queue>> {
    let queue = Queue::open(&directories.path("queue"), "demo", limits).unwrap();
    let view = feed::start(Sources {
        config: Some(config_directory::watch(&directories.path("config")).unwrap()),
        hashes: None,
        queue: Some(queue.watch().unwrap()),
        enforcers: vec![],
    });
    let settings = Settings {
        bottle: "demo".to_owned(),
        bottle_uid: String::new(),
        grace: Duration::from_secs(3),
    };
    Arc::new(State::new(
        Desk::new(Arc::new(queue), view, settings),
        waits,
    ))
}

/// Where a server is.
#[derive(Clone, Copy)]
pub struct Client {
    pub address: SocketAddr,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Client {
    /// Writes the bytes and reads what comes until the server ends.
    pub async fn raw(self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses a body may end before it has all of it.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
            .await
            .expect("no end")
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .parse()
            .unwrap_or_default();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub async fn post(self, headers: &str, body: &str) -> Answer {
        self.raw(request(headers, body).as_bytes()).await
    }

    /// A request's `result` or `error`.
    pub async fn rpc(self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.post("", &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.head.contains("application/json"), "{answer:?}");
        answer.json()
    }

    /// The text of `tools/call`, and whether it is an error result.
    pub async fn ask(self, params: Value) -> (String, bool) {
        text_of(&self.rpc("tools/call", params).await)
    }
}

pub fn text_of(response: &Value) -> (String, bool) {
    let result = &response["result"];
    let text = result["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{response}"));
    (text.to_owned(), result["isError"].as_bool().unwrap())
}

pub fn request(headers: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: supervise\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Params of a call of `pipelock-block`.
pub fn hosts(allowlist: &str, why: &str) -> Value {
    json!({"name": "pipelock-block", "arguments": {"allowlist": allowlist, "justification": why}})
}
