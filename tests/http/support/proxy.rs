//! An egress proxy on a free port, with a config and a DNS that the test holds.

use bot_bottle::config::Files;
use bot_bottle::config_directory::{Snapshot, watch_state};
use bot_bottle::egress::{self, Limits, LookupError, Resolve, Setup};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// A bound against hanging, never a measurement.
pub const SOON: Duration = Duration::from_secs(30);

/// Lets the loopback be reached, where the tests' upstreams are.
pub const LOOPBACK: &str = r#"{"allowInternal": ["127.0.0.0/8"]}"#;

/// DNS that counts what it is asked.
#[derive(Default)]
pub struct FakeDns {
    answers: Mutex<HashMap<String, Vec<SocketAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl FakeDns {
    pub fn answer(&self, host: &str, addresses: &[SocketAddr]) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(host.to_owned(), addresses.to_vec());
    }

    /// The port is the one that is asked for.
    pub fn answer_ips(&self, host: &str, ips: &[&str]) {
        let addresses: Vec<_> = ips
            .iter()
            .map(|ip| SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 0))
            .collect();
        self.answer(host, &addresses);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolve for FakeDns {
    fn addresses<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupError>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let found = self.answers.lock().unwrap().get(host).cloned();
        Box::pin(async move {
            if host.starts_with("slow.") {
                return Err(LookupError::TimedOut);
            }
            let mut found = found.ok_or(LookupError::Failed)?;
            for address in found.iter_mut().filter(|address| address.port() == 0) {
                address.set_port(port);
            }
            Ok(found)
        })
    }
}

pub struct Proxy {
    pub address: SocketAddr,
    pub dns: Arc<FakeDns>,
    config: watch::Sender<Snapshot>,
    hashes: watch::Receiver<BTreeMap<String, String>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), egress::Error>>,
    state: TempDir,
}

impl Proxy {
    pub async fn start(allowlist: &str) -> Self {
        Self::start_with(allowlist, LOOPBACK, Limits::default()).await
    }

    pub async fn start_with(allowlist: &str, egress_json: &str, limits: Limits) -> Self {
        let state = tempfile::tempdir().unwrap();
        let dns = Arc::new(FakeDns::default());
        let (config, snapshots) = watch::channel(snapshot(allowlist, egress_json, "first"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hashes = watch_state(state.path()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let setup = Setup {
            snapshots,
            state: state.path().to_owned(),
            resolver: Arc::clone(&dns) as Arc<dyn Resolve>,
            limits,
            mark: None,
        };
        let task = tokio::spawn(egress::run(listener, setup, stopped));
        let mut proxy = Self {
            address,
            dns,
            config,
            hashes,
            stop: Some(stop),
            task,
            state,
        };
        proxy.enforced("first").await;
        proxy
    }

    pub fn configure(&self, allowlist: &str, egress_json: &str, hash: &str) {
        self.config
            .send(snapshot(allowlist, egress_json, hash))
            .unwrap();
    }

    /// Where it says what it enforces and refuses.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    pub fn hash(&self) -> String {
        self.hashes
            .borrow()
            .get("egress")
            .cloned()
            .unwrap_or_default()
    }

    /// Until the proxy says that it enforces `hash`.
    pub async fn enforced(&mut self, hash: &str) {
        let said = self
            .hashes
            .wait_for(|hashes| hashes.get("egress").is_some_and(|said| said == hash));
        let said = tokio::time::timeout(SOON, said).await;
        said.expect("the config was not enforced").unwrap();
    }

    pub fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub async fn stopped(self) {
        let ended = tokio::time::timeout(SOON, self.task).await;
        ended.expect("the proxy did not end").unwrap().unwrap();
    }

    pub async fn open(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes, and returns all that comes back until the proxy closes.
    pub async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.open().await;
        // The proxy may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }

    /// A GET of a full URL, on a connection of its own.
    pub async fn get(&self, url: &str) -> String {
        let host = url.trim_start_matches("http://");
        let host = host.split('/').next().unwrap();
        self.send(
            format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
    }

    /// A CONNECT; the answer's head, and the stream behind it.
    pub async fn connect(&self, target: &str) -> (String, TcpStream) {
        let mut stream = self.open().await;
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await;
        (head, stream)
    }

    /// A CONNECT that must work.
    pub async fn tunnel(&self, target: &str) -> TcpStream {
        let (head, stream) = self.connect(target).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream
    }

    pub async fn denials(&self) -> serde_json::Value {
        let answer =
            self.send(b"GET /denials HTTP/1.1\r\nHost: egress\r\nConnection: close\r\n\r\n");
        json_body(&answer.await)
    }
}

fn snapshot(allowlist: &str, egress_json: &str, hash: &str) -> Snapshot {
    Snapshot {
        files: Files {
            routes: "{\"routes\": []}".into(),
            allowlist: allowlist.into(),
            dockerfile: String::new(),
            egress: egress_json.into(),
        },
        decisions: String::new(),
        hash: hash.into(),
    }
}

/// Up to the empty line.
pub async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
    };
    tokio::time::timeout(SOON, read)
        .await
        .expect("no head came");
    String::from_utf8(bytes).unwrap()
}

/// All bytes until the other end closes, or resets.
pub async fn rest(stream: &mut TcpStream) -> String {
    String::from_utf8_lossy(&rest_bytes(stream).await).into_owned()
}

pub async fn rest_bytes(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(SOON, read)
        .await
        .expect("it was not closed");
    bytes
}

pub fn json_body(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("no body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

pub fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).unwrap_or_default();
    code.parse()
        .unwrap_or_else(|_| panic!("no status: {answer:?}"))
}
