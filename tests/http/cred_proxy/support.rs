//! A credential proxy with its files.

pub use super::upstreams::{Authority, Reply, reply};
use crate::support::proxy::{FakeDns, SOON, rest};
use bot_bottle::config::Files;
use bot_bottle::config_directory::{Snapshot, watch_state};
use bot_bottle::cred_proxy::{self, Limits, Means, Secrets, Setup, Tls};
use bot_bottle::egress::Resolve;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub const LOOPBACK: &str = r#"{"allowInternal": ["127.0.0.0/8"]}"#;
pub const SECRET: &str = "s3cret-token-value";

pub struct Proxy {
    pub address: SocketAddr,
    pub dns: Arc<FakeDns>,
    pub secrets: TempDir,
    config: watch::Sender<Snapshot>,
    hashes: watch::Receiver<BTreeMap<String, String>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), cred_proxy::Error>>,
    _state: TempDir,
}

/// A route to `https://UPSTREAM` at `PATH`, with the secret TOKEN as Bearer.
pub fn route(path: &str, upstream: &str) -> String {
    with_auth(path, upstream, r#"{"scheme": "Bearer", "secret": "TOKEN"}"#)
}

pub fn with_auth(path: &str, upstream: &str, auth: &str) -> String {
    format!(r#"{{"path": "{path}", "upstream": "{upstream}", "auth": {auth}}}"#)
}

impl Proxy {
    /// With one route, `/x/` to `https://up.example`, which is at `upstream`.
    pub async fn to(authority: &Authority, upstream: SocketAddr) -> Self {
        let proxy = Self::start(authority, &[route("/x/", "https://up.example")]).await;
        proxy.dns.answer("up.example", &[upstream]);
        proxy
    }

    pub async fn start(authority: &Authority, routes: &[String]) -> Self {
        Self::start_with(authority, routes, LOOPBACK, Limits::default()).await
    }

    pub async fn start_with(
        authority: &Authority,
        routes: &[String],
        egress_json: &str,
        limits: Limits,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let secrets = tempfile::tempdir().unwrap();
        fs::write(secrets.path().join("TOKEN"), format!("{SECRET}\n")).unwrap();
        let dns = Arc::new(FakeDns::default());
        let (config, snapshots) = watch::channel(snapshot(routes, egress_json, "first"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hashes = watch_state(state.path()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let setup = Setup {
            snapshots,
            state: state.path().to_owned(),
            secrets: Secrets::new(secrets.path()),
            means: Means {
                resolver: Arc::clone(&dns) as Arc<dyn Resolve>,
                tls: Tls::new(Some(&authority.bundle)).unwrap(),
            },
            limits,
        };
        let task = tokio::spawn(cred_proxy::run(listener, setup, stopped));
        let mut proxy = Self {
            address,
            dns,
            secrets,
            config,
            hashes,
            stop: Some(stop),
            task,
            _state: state,
        };
        proxy.enforced("first").await;
        proxy
    }

    /// Replaces a secret as Kubernetes does: the reader sees the old file or the new one.
    pub fn rotate(&self, name: &str, value: &str) {
        let draft = self.secrets.path().join(".draft");
        fs::write(&draft, value).unwrap();
        fs::rename(&draft, self.secrets.path().join(name)).unwrap();
    }

    pub fn configure(&self, routes: &[String], egress_json: &str, hash: &str) {
        self.config
            .send(snapshot(routes, egress_json, hash))
            .unwrap();
    }

    /// Another `routes.json`, whatever is in it.
    pub fn configure_raw(&self, routes: &str, hash: &str) {
        let mut snapshot = snapshot(&[], LOOPBACK, hash);
        routes.clone_into(&mut snapshot.files.routes);
        self.config.send(snapshot).unwrap();
    }

    pub fn hash(&self) -> String {
        let hashes = self.hashes.borrow();
        hashes.get("cred-proxy").cloned().unwrap_or_default()
    }

    /// Until the proxy says that it enforces `hash`.
    pub async fn enforced(&mut self, hash: &str) {
        let said = self
            .hashes
            .wait_for(|hashes| hashes.get("cred-proxy").is_some_and(|said| said == hash));
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
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }

    /// A GET of a path with further header lines, on a connection of its own.
    pub async fn get_with(&self, path: &str, lines: &str) -> String {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: cred-proxy:9099\r\nConnection: close\r\n{lines}\r\n"
        );
        self.send(request.as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> String {
        self.get_with(path, "").await
    }
}

fn snapshot(routes: &[String], egress_json: &str, hash: &str) -> Snapshot {
    Snapshot {
        files: Files {
            routes: format!(r#"{{"routes": [{}]}}"#, routes.join(", ")),
            allowlist: String::new(),
            dockerfile: String::new(),
            egress: egress_json.into(),
        },
        decisions: String::new(),
        hash: hash.into(),
    }
}
