//! A credential proxy with its files, and upstreams behind TLS that it trusts.

use crate::support::proxy::{FakeDns, SOON, rest};
use bot_bottle::config::Files;
use bot_bottle::config_directory::{Snapshot, watch_state};
use bot_bottle::cred_proxy::{self, Limits, Means, Secrets, Setup, Tls};
use bot_bottle::egress::Resolve;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub const LOOPBACK: &str = r#"{"allowInternal": ["127.0.0.0/8"]}"#;
pub const SECRET: &str = "s3cret-token-value";

/// What an upstream answers with.
pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

pub fn reply(text: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(text.into()).boxed_unsync())
}

/// A key with a certificate for `up.example`, and the file that says to trust it.
pub struct Authority {
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
    _directory: TempDir,
    pub bundle: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["up.example".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("bundle.pem");
        fs::write(&bundle, made.cert.pem()).unwrap();
        Self {
            made,
            _directory: directory,
            bundle,
        }
    }

    fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A server behind TLS; `serve` gets each connection.
    pub async fn serve<F, S>(&self, alpn: &[&str], serve: S) -> SocketAddr
    where
        S: Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let acceptor = self.acceptor(alpn);
        let serve = Arc::new(serve);
        crate::support::upstream::serve(move |stream| {
            let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            }
        })
        .await
    }

    /// An HTTP server behind TLS; it keeps the heads of all requests.
    pub async fn http<H>(&self, alpn: &[&str], handle: H) -> Upstream
    where
        H: Fn(Request<Incoming>) -> BoxFuture<'static, Reply> + Send + Sync + 'static,
    {
        let seen: Seen = Arc::default();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let handle = Arc::new(handle);
        let (kept, counted) = (Arc::clone(&seen), Arc::clone(&connections));
        let address = self
            .serve(alpn, move |stream| {
                *counted.lock().unwrap() += 1;
                let (handle, kept) = (Arc::clone(&handle), Arc::clone(&kept));
                async move {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let service = service_fn(move |request: Request<Incoming>| {
                        kept.lock().unwrap().push(head_of(&request));
                        let answer = handle(request);
                        async move { Ok::<_, Infallible>(answer.await) }
                    });
                    let io = TokioIo::new(stream);
                    let _ = if is_http2 {
                        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await
                    } else {
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(io, service)
                            .await
                    };
                }
            })
            .await;
        Upstream {
            address,
            seen,
            connections,
        }
    }

    /// Answers everything with `ok`.
    pub async fn ok(&self) -> Upstream {
        self.http(&["http/1.1"], |_| Box::pin(async { reply("ok\n") }))
            .await
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Request line and headers, sorted, as text.
fn head_of(request: &Request<Incoming>) -> String {
    let mut lines: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
        .collect();
    lines.sort();
    let line = format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    );
    [vec![line], lines].concat().join("\n") + "\n"
}

pub struct Upstream {
    pub address: SocketAddr,
    seen: Seen,
    connections: Arc<Mutex<usize>>,
}

impl Upstream {
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> String {
        self.seen().pop().expect("no request came")
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

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
        snapshot.files.routes = routes.to_owned();
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
