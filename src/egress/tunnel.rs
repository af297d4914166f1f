//! What follows a CONNECT: a look at the first bytes, then copying both ways.

use super::client_hello::{Hello, MAX_HELLO, Scan};
use super::copy::{both_ways, pipe, tolerate};
use super::forward::Keeper;
use super::refusal::Cause;
use super::server;
use super::target::Target;
use super::upstream::Upstream;
use super::{Shared, proxy};
use crate::config::allowlist::Verdict;
use bytes::Bytes;
use futures::FutureExt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The port on which a tunnel may also carry plain HTTP.
const HTTP: u16 = 80;
/// A fatal TLS alert, "access denied".
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];

/// A tunnel that the client has been told is there.
pub(super) struct Tunnel {
    /// Where to.
    pub target: Target,
    /// The open connection.
    pub upstream: Upstream,
}

/// What the first bytes are, and the bytes.
enum First {
    /// TLS for the right name.
    Tls(Vec<u8>),
    /// TLS for no name.
    Nameless(Vec<u8>),
    /// Something else.
    Plain(Vec<u8>),
    /// TLS for another name, or TLS that nobody should be trusted to read.
    Wrong(Cause),
    /// The client left, or said too little for too long.
    Gone,
}

/// Carries the tunnel to its end; a new config that forbids it ends it at once.
pub(super) async fn run(
    tunnel: Tunnel,
    mut client: TcpStream,
    early: Bytes,
    shared: &Arc<Shared>,
    drain: &CancellationToken,
) {
    let Tunnel {
        target,
        mut upstream,
    } = tunnel;
    let cut = upstream.place.cut();
    // A copy, so that hyper's whole buffer isn't held for as long as the tunnel stands.
    let early = {
        let copy = early.to_vec();
        drop(early);
        copy
    };
    if upstream.verdict == Verdict::Declared {
        tokio::select! {
            refused = declared(&mut client, &mut upstream.stream, early, &target.host) => {
                if let Some(cause) = refused {
                    shared.note(cause, Some(&target));
                }
            }
            () = cut.cancelled() => return,
        }
        drop(upstream);
        return server::linger(client).await;
    }
    let first = tokio::select! {
        first = tokio::time::timeout(shared.limits.head, first(&mut client, early, &target.host)) => first,
        () = cut.cancelled() => return,
    };
    match first.unwrap_or(First::Gone) {
        First::Tls(bytes) => {
            let said_all = tokio::select! {
                said_all = both_ways(&mut client, &mut upstream.stream, bytes) => said_all,
                () = cut.cancelled() => return,
            };
            drop(upstream);
            if !said_all {
                server::linger(client).await;
            }
        }
        First::Plain(bytes) if target.port == HTTP => {
            plain_http(client, bytes, target, upstream, shared, drain).await;
        }
        First::Plain(_) => {
            drop(upstream);
            shared.note(Cause::NotTls, Some(&target));
            server::farewell(client, Cause::NotTls).await;
        }
        First::Nameless(_) => wrong(client, Cause::OtherName, &target, upstream, shared).await,
        First::Wrong(cause) => wrong(client, cause, &target, upstream, shared).await,
        First::Gone => {}
    }
}

/// Ends a tunnel whose TLS may not pass, in TLS' own words.
async fn wrong(
    mut client: TcpStream,
    cause: Cause,
    target: &Target,
    upstream: Upstream,
    shared: &Shared,
) {
    drop(upstream);
    shared.note(cause, Some(target));
    if client.write_all(&ALERT).await.is_ok() {
        server::linger(client).await;
    }
}

/// Reads until it is clear what the client speaks.
async fn first(client: &mut (impl AsyncRead + Unpin), mut bytes: Vec<u8>, host: &str) -> First {
    let mut scan = Scan::default();
    loop {
        match scan.read(&bytes) {
            Hello::Incomplete => {}
            Hello::NotTls => return First::Plain(bytes),
            Hello::Malformed => return First::Wrong(Cause::NotTls),
            Hello::Complete(None) => return First::Nameless(bytes),
            Hello::Complete(Some(name)) if name.eq_ignore_ascii_case(host) => {
                return First::Tls(bytes);
            }
            Hello::Complete(Some(_)) => return First::Wrong(Cause::OtherName),
        }
        let room = MAX_HELLO.saturating_sub(bytes.len()).min(2048);
        bytes.reserve(room);
        match (&mut *client).take(room as u64).read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return First::Gone,
        }
    }
}

/// A port that the Bottle declares: any protocol, also one in which the server speaks first, so nothing waits for
/// the client's first bytes but the client's own direction. A name that TLS asks for must be the host's all the same.
async fn declared(
    client: &mut TcpStream,
    server: &mut TcpStream,
    early: Vec<u8>,
    host: &str,
) -> Option<Cause> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let bytes = match first(&mut from_client, early, host).await {
            First::Tls(bytes) | First::Nameless(bytes) | First::Plain(bytes) => bytes,
            First::Wrong(cause) => return Err(Some(cause)),
            // It may have nothing to say and much to hear.
            First::Gone => Vec::new(),
        };
        tolerate(pipe(&mut from_client, &mut to_server, bytes).await)
    };
    let down = async { tolerate(pipe(&mut from_server, &mut to_client, Vec::new()).await) };
    tokio::try_join!(up, down).err().flatten()
}

/// Plain HTTP inside: each request is parsed, checked and passed on like one outside.
async fn plain_http(
    client: TcpStream,
    bytes: Vec<u8>,
    target: Target,
    upstream: Upstream,
    shared: &Arc<Shared>,
    drain: &CancellationToken,
) {
    // One place is the tunnel's, as long as it stands; the other goes with the connection.
    let tunnel = upstream.place.another();
    let keeper = Arc::new(Keeper::holding(upstream));
    let handle = {
        let shared = Arc::clone(shared);
        move |request| {
            proxy::inner(
                Arc::clone(&shared),
                target.clone(),
                Arc::clone(&keeper),
                request,
            )
            .boxed()
        }
    };
    let (reader, writer) = client.into_split();
    let io = tokio::io::join(std::io::Cursor::new(bytes).chain(reader), writer);
    let cut = tunnel.cut();
    let ended = tokio::select! {
        ended = server::http(io, &shared.limits, drain, handle) => ended,
        () = cut.cancelled() => return,
    };
    drop(tunnel);
    match ended.how {
        server::How::HeadTimedOut => server::farewell(ended.io, Cause::HeadTimedOut).await,
        server::How::Done | server::How::Broken => server::linger(ended.io).await,
    }
}
