//! One request on a connection of its own, by sockets whose packets carry the mark.

use super::{RegistryError, body::Body};
use crate::egress::{Resolve, mark};
use http::header::HOST;
use http::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For an answer; a layer may take long to be taken in.
const ANSWER: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(15);
const PROXY_HEAD_MAX: usize = 16 * 1024;

/// How a registry is reached.
pub struct Way {
    /// For https.
    pub tls: Arc<ClientConfig>,
    /// For its name.
    pub dns: Arc<dyn Resolve>,
    /// Of every packet.
    pub mark: Option<u32>,
    /// A proxy that everything has to take: its host and port.
    pub proxy: Option<(String, u16)>,
}

impl Way {
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<hyper::body::Incoming>, RegistryError> {
        let uri = request.uri().clone();
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let away = |source: Box<dyn std::error::Error + Send + Sync>| RegistryError::Unreachable {
            host: host.clone(),
            source,
        };
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned();
        let value = host
            .parse()
            .map_err(|_| RegistryError::Odd("the registry's host is broken"))?;
        request.headers_mut().insert(HOST, value);
        let secure = uri.scheme_str() == Some("https");
        // A proxy is given the whole address, unless it only passes the bytes on.
        if self.proxy.is_none() || secure {
            *request.uri_mut() = path
                .parse()
                .map_err(|_| RegistryError::Odd("an address is broken"))?;
        }
        let stream = tokio::time::timeout(CONNECT, self.connect(&uri)).await;
        let stream = stream.map_err(|late| away(late.into()))?;
        let stream = stream.map_err(|error| {
            if is_distrust(&error) {
                let host = host.clone();
                RegistryError::Distrusted {
                    host,
                    source: error,
                }
            } else {
                away(error.into())
            }
        })?;
        let asked = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        let answer = tokio::time::timeout(ANSWER, asked)
            .await
            .map_err(|late| away(late.into()))?;
        answer.map_err(|error| away(error.into()))
    }

    async fn connect(&self, uri: &Uri) -> io::Result<Box<dyn Wire>> {
        let other = |text: &str| io::Error::other(text.to_owned());
        let host = uri.host().ok_or_else(|| other("no host"))?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut stream = match &self.proxy {
            Some((proxy, port)) => self.open(proxy, *port).await?,
            None => self.open(bare, port).await?,
        };
        if !secure {
            return Ok(Box::new(stream));
        }
        if self.proxy.is_some() {
            tunnel(&mut stream, &format!("{host}:{port}")).await?;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await?;
        Ok(Box::new(stream))
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let other = |text: &str| io::Error::other(text.to_owned());
        let addresses = if let Ok(ip) = host.parse() {
            vec![std::net::SocketAddr::new(ip, port)]
        } else {
            let found = self.dns.addresses(host, port).await;
            found.map_err(|_| other("the name has no address"))?
        };
        let mut last = other("the name has no address");
        for address in addresses {
            match mark::connect(address, self.mark).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Has a proxy pass bytes on from here.
async fn tunnel(stream: &mut TcpStream, to: &str) -> io::Result<()> {
    let words = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    stream.write_all(words.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == PROXY_HEAD_MAX {
            return Err(io::Error::other("the proxy's answer never ends"));
        }
        // Byte by byte, as what follows is the registry's.
        head.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&head);
    let line = line.lines().next().unwrap_or_default();
    if line.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(io::Error::other(format!("the proxy answered {line:?}")))
    }
}

/// Whether TLS went as far as a certificate, and that is not to be trusted: waiting won't help.
fn is_distrust(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// A connection, secure or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

#[cfg(test)]
mod tests {
    use super::super::body::empty;
    use super::*;
    use crate::{cred_proxy::Tls, egress::Dns};
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use std::path::Path;

    fn way(authority: Option<&Path>) -> Way {
        Way {
            tls: Tls::new(authority).unwrap().http1,
            dns: Arc::new(Dns::marked(&[], [], None).unwrap()),
            mark: None,
            proxy: None,
        }
    }

    async fn ask(way: &Way, port: u16) -> Result<http::StatusCode, RegistryError> {
        let url = format!("https://127.0.0.1:{port}/v2/");
        let request = Request::get(url).body(empty().0).unwrap();
        way.send(request).await.map(|answer| answer.status())
    }

    /// A server that answers every connection with 200; its certificate, which nobody knows.
    async fn serve() -> (u16, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        });
        (port, cert.pem())
    }

    #[tokio::test]
    async fn who_is_not_trusted_is_not_asked_again_and_who_is_away_is() {
        let (port, certificate) = serve().await;
        let distrusted = ask(&way(None), port).await.unwrap_err();
        assert!(distrusted.is_refusal(), "{distrusted}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate).unwrap();
        let status = ask(&way(Some(file.path())), port).await.unwrap();
        assert_eq!(status, http::StatusCode::OK);
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let away = ask(&way(None), port).await.unwrap_err();
        assert!(away.may_pass() && !away.is_refusal(), "{away}");
    }

    /// A proxy that gives every CONNECT this answer, and passes on what follows; what it was asked.
    async fn proxy(answer: &'static str) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, asked) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8(head[..read].to_vec()).unwrap();
                let to = head.split(' ').nth(1).unwrap().to_owned();
                tell.send(head).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                let mut beyond = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut beyond).await;
            }
        });
        (port, asked)
    }

    #[tokio::test]
    async fn through_a_proxy_tls_goes_in_a_tunnel_and_a_proxy_that_refuses_says_why() {
        let (port, certificate) = serve().await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate).unwrap();
        let by = |port: u16| Way {
            proxy: Some(("127.0.0.1".into(), port)),
            ..way(Some(file.path()))
        };
        let (open, mut asked) = proxy("HTTP/1.1 200 OK\r\nvia: us\r\n\r\n").await;
        let status = ask(&by(open), port).await.unwrap();
        assert_eq!(status, http::StatusCode::OK);
        let head = asked.recv().await.unwrap();
        assert!(
            head.starts_with(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n")),
            "{head}"
        );
        let (shut, _asked) = proxy("HTTP/1.1 407 No\r\n\r\n").await;
        let said = crate::telemetry::chain(&ask(&by(shut), port).await.unwrap_err());
        assert!(said.contains("407"), "{said}");
    }
}
