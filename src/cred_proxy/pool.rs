//! The connections to one upstream, kept for the next request. None of them carries a credential of its own: each
//! request brings one.

use super::Means;
use super::body::Upload;
use super::link::Link;
use super::origin::Origin;
use super::refusal::Refusal;
use super::wire::{self, Rules};
use http::HeaderValue;
use http::uri::Authority;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Servers close theirs after 5 to 75 s; one that has been closed is noticed.
const MAX_IDLE: Duration = Duration::from_secs(50);
/// As many as there are programs that ask at once in a bottle.
const MAX_KEPT: usize = 128;
/// After this long without a sign of life an HTTP/2 connection is asked for one, and given up after as long again.
const PING: Duration = Duration::from_secs(20);
/// What an upstream may send ahead of one reader. A reader that stops holds this much of the connection's window.
const STREAM_WINDOW: u32 = 1 << 20;
/// Of all readers together: room for others beside some that have stopped.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// One server.
pub struct Upstream {
    origin: Origin,
    /// `Host`.
    pub host: HeaderValue,
    /// The same, of an HTTP/2 request.
    pub authority: Authority,
    rules: Rules,
    idle: Mutex<Vec<Link>>,
    shared: Mutex<Option<http2::SendRequest<Upload>>>,
}

/// A way to send one request.
pub enum Channel {
    /// A connection of its own, HTTP/1.1.
    Own(Link),
    /// A stream among others, HTTP/2.
    Shared(http2::SendRequest<Upload>),
}

impl Upstream {
    /// None: the host has odd characters.
    pub fn new(origin: Origin, rules: Rules) -> Option<Self> {
        Some(Self {
            host: origin.host_header()?,
            authority: origin.authority().parse().ok()?,
            origin,
            rules,
            idle: Mutex::default(),
            shared: Mutex::default(),
        })
    }

    /// Which server.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An open connection that can take a request; none: a new one is needed.
    pub fn kept(&self) -> Option<Channel> {
        let mut shared = lock(&self.shared);
        if let Some(sender) = &*shared {
            if sender.is_ready() {
                return Some(Channel::Shared(sender.clone()));
            }
            *shared = None;
        }
        drop(shared);
        loop {
            let mut link = lock(&self.idle).pop()?;
            if link.idle_since.elapsed() < MAX_IDLE && link.is_usable() {
                return Some(Channel::Own(link));
            }
        }
    }

    /// A new connection.
    pub async fn connect(&self, means: &Means) -> Result<Channel, Refusal> {
        let wire = wire::open(&self.origin, &self.rules, means, &means.tls.any).await?;
        if !wire::is_http2(&wire) {
            return own(wire).await.map(Channel::Own);
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|_| Refusal::Broken)?;
        // Ends with the last sender, or the upstream.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "An upstream's connection ended");
            }
        });
        *lock(&self.shared) = Some(sender.clone());
        Ok(Channel::Shared(sender))
    }

    /// A new connection that speaks HTTP/1.1.
    pub async fn connect_http1(&self, means: &Means) -> Result<Link, Refusal> {
        own(wire::open(&self.origin, &self.rules, means, &means.tls.http1).await?).await
    }

    /// Keeps a connection for the next request. Whether it can take one shows when it is taken up.
    pub fn keep(&self, mut link: Link) {
        link.idle_since = Instant::now();
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_KEPT {
            idle.push(link);
        }
    }

    /// Closes what is too old, or closed by the other side.
    pub fn sweep(&self) {
        lock(&self.idle)
            .retain_mut(|link| link.idle_since.elapsed() < MAX_IDLE && link.is_usable());
        lock(&self.shared).take_if(|sender| sender.is_closed());
    }
}

async fn own(wire: wire::Wire) -> Result<Link, Refusal> {
    Link::new(wire).await.map_err(|_| Refusal::Broken)
}

/// What a panic left behind is still a list of connections.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
