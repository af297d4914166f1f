//! Upstreams behind TLS, and the certificate that makes them trusted.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What an upstream answers with.
pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

pub fn reply(text: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(text.into()).boxed_unsync())
}

/// A key with a certificate, and the file that says to trust it.
pub struct Authority {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    _directory: TempDir,
    pub bundle: PathBuf,
}

impl Authority {
    /// For `up.example`, signed by itself.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["up.example".to_owned()]).unwrap();
        let pem = made.cert.pem();
        Self::of(vec![made.cert.der().clone()], made.signing_key, &pem)
    }

    /// For those names, signed by a company's own authority, as programs of all languages want it.
    pub fn private(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "a company's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        let authority = Issuer::new(params, key);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &authority).unwrap();
        Self::of(vec![made.der().clone()], key, &pem)
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: KeyPair, trusted: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("bundle.pem");
        fs::write(&bundle, trusted).unwrap();
        Self {
            chain,
            key,
            _directory: directory,
            bundle,
        }
    }

    fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
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
