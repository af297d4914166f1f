//! What follows a CONNECT: a look at the first bytes, then copying both ways.

use super::client_hello::{self, Hello, MAX_HELLO};
use super::refusal::Cause;
use super::server;
use super::target::Target;
use super::upstream::Upstream;
use super::{Shared, proxy};
use crate::config::allowlist::Verdict;
use bytes::Bytes;
use futures::FutureExt;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// One direction's buffer. 1,024 tunnels hold two each: 32 MiB at the very most.
const BUFFER: usize = 16 * 1024;
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
    let early = early.to_vec();
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
            tokio::select! {
                () = both_ways(client.split(), upstream.stream.split(), &bytes) => {}
                () = cut.cancelled() => return,
            }
            drop(upstream);
            server::linger(client).await;
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
    loop {
        match client_hello::read(&bytes) {
            Hello::Incomplete => {}
            Hello::NotTls => return First::Plain(bytes),
            Hello::Malformed => return First::Wrong(Cause::NotTls),
            Hello::Complete(None) => return First::Nameless(bytes),
            Hello::Complete(Some(name)) if name.eq_ignore_ascii_case(host) => {
                return First::Tls(bytes);
            }
            Hello::Complete(Some(_)) => return First::Wrong(Cause::OtherName),
        }
        let mut more = [0; 2048];
        let room = MAX_HELLO.saturating_sub(bytes.len()).min(more.len());
        match client.read(&mut more[..room]).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&more[..count]),
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
        tolerate(pipe(&mut from_client, &mut to_server, &bytes).await)
    };
    let down = async { tolerate(pipe(&mut from_server, &mut to_client, &[]).await) };
    tokio::try_join!(up, down).err().flatten()
}

/// Copies both ways until both have ended. Each end is what is read from, and what is written to.
async fn both_ways(
    (mut from_client, mut to_client): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    (mut from_server, mut to_server): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    first: &[u8],
) {
    let up = async { tolerate(pipe(&mut from_client, &mut to_server, first).await) };
    let down = async { tolerate(pipe(&mut from_server, &mut to_client, &[]).await) };
    let _ = tokio::try_join!(up, down);
}

/// Which end broke.
#[derive(Clone, Copy)]
enum Broken {
    Read,
    Write,
}

/// Copies one way; the end of the one is passed on as the end of the other.
async fn pipe(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    first: &[u8],
) -> Result<(), Broken> {
    to.write_all(first).await.map_err(|_| Broken::Write)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await.map_err(|_| Broken::Read)?;
        if count == 0 {
            // An error here is a peer that is gone already.
            let _ = to.shutdown().await;
            return Ok(());
        }
        to.write_all(&buffer[..count])
            .await
            .map_err(|_| Broken::Write)?;
    }
}

/// Whether the other direction has to stop too. A peer that takes nothing any more may still have sent something
/// that lies unread; one that can't be read is gone.
fn tolerate(result: Result<(), Broken>) -> Result<(), Option<Cause>> {
    match result {
        Ok(()) | Err(Broken::Write) => Ok(()),
        Err(Broken::Read) => Err(None),
    }
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
    let held = Arc::new(Mutex::new(Some(upstream)));
    let handle = {
        let shared = Arc::clone(shared);
        move |request| {
            proxy::inner(
                Arc::clone(&shared),
                target.clone(),
                Arc::clone(&held),
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn what_a_server_sent_before_it_stopped_reading_still_arrives() {
        let sent = vec![7; 5 * BUFFER];
        let (broken, gone) = duplex(1);
        drop(gone);
        let mut got = Vec::new();
        both_ways((&b"more"[..], &mut got), (&sent[..], broken), b"first").await;
        assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    }

    #[tokio::test]
    async fn an_end_is_passed_on_while_the_other_direction_goes_on() {
        let (client, mut client_end) = duplex(64);
        let (server, mut server_end) = duplex(64);
        let tunnel = tokio::spawn(async move {
            both_ways(tokio::io::split(client), tokio::io::split(server), b"first").await;
        });
        client_end.write_all(b" second").await.unwrap();
        client_end.shutdown().await.unwrap();
        let mut up = String::new();
        server_end.read_to_string(&mut up).await.unwrap();
        assert_eq!(up, "first second");
        server_end.write_all(b"answer").await.unwrap();
        drop(server_end);
        let mut down = String::new();
        client_end.read_to_string(&mut down).await.unwrap();
        assert_eq!(down, "answer");
        tunnel.await.unwrap();
    }
}
