//! From an origin to an open, checked connection.

use super::Means;
use super::origin::Origin;
use super::refusal::Refusal;
use crate::config::address;
use crate::config::egress::Egress;
use crate::egress::LookupError;
use crate::egress::parent::{self, Parent};
use crate::egress::target::Target;
use crate::egress::upstream::{CONNECT_TIMEOUT, MAX_ADDRESSES, dial};
use crate::telemetry::chain;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// For the handshake, and for a parent proxy's answer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// Of what comes in under TLS. rustls itself reads 4 KiB at a time: four system calls a record.
const READ_BUFFER: usize = 32 * 1024;

/// A connection to an upstream.
pub type Wire = Either<TcpStream, Box<TlsStream<BufReader<TcpStream>>>>;
/// Which addresses may be dialled, and by which way.
pub type Rules = Arc<(Egress, Option<Parent>)>;

/// Resolves, checks, dials, and shakes hands. The addresses that are checked are the ones that are dialled.
pub async fn open(
    origin: &Origin,
    rules: &Rules,
    means: &Means,
    tls: &Arc<ClientConfig>,
) -> Result<Wire, Refusal> {
    let (egress, parent) = &**rules;
    let stream = match parent {
        None => {
            let found = lookup(means, &origin.host, origin.port).await?;
            let good = found
                .into_iter()
                .filter(|at| address::refused(at.ip(), egress).is_none());
            tcp(good.take(MAX_ADDRESSES).collect()).await?
        }
        Some(parent) => through(parent, origin, egress, means).await?,
    };
    if !origin.tls {
        return Ok(Either::Left(stream));
    }
    let name = ServerName::try_from(origin.host.clone()).map_err(|_| Refusal::Tls)?;
    let buffered = BufReader::with_capacity(READ_BUFFER, stream);
    let shaken = TlsConnector::from(Arc::clone(tls)).connect(name, buffered);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await {
        Ok(Ok(stream)) => Ok(Either::Right(Box::new(stream))),
        Ok(Err(error)) => {
            let (upstream, error) = (origin.url(), chain(&error));
            tracing::warn!(upstream, error, "TLS with an upstream failed");
            Err(Refusal::Tls)
        }
        Err(_) => Err(Refusal::ConnectTimedOut),
    }
}

/// Whether HTTP/2 was agreed on.
pub fn is_http2(wire: &Wire) -> bool {
    match wire {
        Either::Left(_) => false,
        Either::Right(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
    }
}

async fn lookup(means: &Means, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    match means.resolver.addresses(host, port).await {
        Ok(found) if found.is_empty() => Err(Refusal::DnsFailed),
        Ok(found) => Ok(found),
        Err(LookupError::Failed) => Err(Refusal::DnsFailed),
        Err(LookupError::TimedOut) => Err(Refusal::DnsTimedOut),
    }
}

async fn tcp(good: Vec<SocketAddr>) -> Result<TcpStream, Refusal> {
    if good.is_empty() {
        return Err(Refusal::Internal);
    }
    match tokio::time::timeout(CONNECT_TIMEOUT, dial(good, None)).await {
        Ok(Some((stream, _))) => Ok(stream),
        Ok(None) => Err(Refusal::ConnectFailed),
        Err(_) => Err(Refusal::ConnectTimedOut),
    }
}

/// A tunnel through the parent, which resolves the upstream's name; only a literal address can be checked here.
/// Where the parent itself is, its owner has written: that may be internal.
async fn through(
    parent: &Parent,
    origin: &Origin,
    egress: &Egress,
    means: &Means,
) -> Result<TcpStream, Refusal> {
    if let Some(ip) = origin.address()
        && address::refused(ip, egress).is_some()
    {
        return Err(Refusal::Internal);
    }
    let mut stream = tcp(lookup(means, &parent.host, parent.port).await?).await?;
    let target = Target {
        host: origin.bracketed(),
        port: origin.port,
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, parent::tunnel(&mut stream, &target)).await {
        Ok(Ok(())) => Ok(stream),
        Ok(Err(_)) => {
            tracing::warn!(%parent, %target, "The parent proxy opened no tunnel");
            Err(Refusal::ConnectFailed)
        }
        Err(_) => Err(Refusal::ConnectTimedOut),
    }
}
