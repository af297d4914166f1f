//! Accepting, limits, and the end of a connection.

use super::forward::Keeper;
use super::refusal::{self, Cause, Form};
use super::tunnel::{self, Tunnel};
use super::{Limits, Shared, proxy};
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Request line and headers (contract section 2b); hyper's own limit would be 400 kB.
const MAX_HEAD: usize = 64 * 1024;
/// How long, and how much, a closing connection is still read: closing a socket that holds unread bytes resets it,
/// and the client would lose the answer that is on its way.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 1 << 20);
/// Connections over the limit that may linger after their 503.
const MAX_TURNED_AWAY: usize = 64;
/// After an error of `accept` (no file descriptors): going on at once would only burn the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `listener` until `shutdown`; then lets the rest end within [`Limits::drain`], and cuts what is left.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, shutdown: impl Future) {
    let limits = shared.limits.clone();
    let open = |stream, drain| connection(stream, Arc::clone(&shared), drain);
    accept(listener, &limits, shutdown, open, |stream| {
        farewell(stream, Cause::TooMany)
    })
    .await;
}

/// Serves each connection with `open`, those beyond the limit with `turn_away`, until `shutdown`; then cancels the
/// token that `open` gets, lets the rest end within [`Limits::drain`], and cuts what is left.
pub(crate) async fn accept<O, T>(
    listener: TcpListener,
    limits: &Limits,
    shutdown: impl Future,
    open: impl Fn(TcpStream, CancellationToken) -> O,
    turn_away: impl Fn(TcpStream) -> T,
) where
    O: Future<Output = ()> + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let tracker = TaskTracker::new();
    let (drain, cut) = (CancellationToken::new(), CancellationToken::new());
    let places = Arc::new(Semaphore::new(limits.connections));
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            _ = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "Can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let cut = cut.clone();
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let connection = open(stream, drain.clone());
            tracker.spawn(async move {
                tokio::select! { () = connection => {}, () = cut.cancelled() => {} }
                drop(place);
            });
        } else if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
            let farewell = turn_away(stream);
            tracker.spawn(async move {
                tokio::select! { () = farewell => {}, () = cut.cancelled() => {} }
                drop(place);
            });
        }
    }
    drop(listener);
    drain.cancel();
    tracker.close();
    if tokio::time::timeout(limits.drain, tracker.wait())
        .await
        .is_err()
    {
        tracing::info!(
            left = tracker.len(),
            "Cutting the connections that are left"
        );
        cut.cancel();
        tracker.wait().await;
    }
}

/// One client's connection: requests, then perhaps a tunnel.
async fn connection(stream: TcpStream, shared: Arc<Shared>, drain: CancellationToken) {
    let slot = Arc::new(Mutex::new(None::<Tunnel>));
    let handle = {
        let (shared, slot) = (Arc::clone(&shared), Arc::clone(&slot));
        let keeper = Arc::new(Keeper::default());
        move |request| {
            let (shared, keeper) = (Arc::clone(&shared), Arc::clone(&keeper));
            proxy::outer(shared, keeper, Arc::clone(&slot), request).boxed()
        }
    };
    let ended = http(stream, &shared.limits, &drain, handle).await;
    let tunnel = slot
        .lock()
        .expect("nothing panics while it holds the slot")
        .take();
    match (tunnel, ended.how) {
        (Some(tunnel), How::Done) => {
            tunnel::run(tunnel, ended.io, ended.read, &shared, &drain).await;
        }
        (_, How::HeadTimedOut) => farewell(ended.io, Cause::HeadTimedOut).await,
        (_, How::Done | How::Broken) => linger(ended.io).await,
    }
}

/// What is left of an HTTP connection.
pub(crate) struct Ended<I> {
    /// The socket, not yet closed.
    pub io: I,
    /// What was read from it and is no HTTP: a tunnel's first bytes.
    pub read: Bytes,
    /// How it ended.
    pub how: How,
}

/// How an HTTP connection ended.
pub(crate) enum How {
    /// By the last answer, or the answer that makes it a tunnel.
    Done,
    /// By a client that began a request, or never began one, and took too long.
    HeadTimedOut,
    /// In another way; what there was to say has been said.
    Broken,
}

/// Serves HTTP/1 on `io`. hyper parses every request and frames it anew, and answers heads that it can't read.
pub(crate) async fn http<I, F, A, B>(
    io: I,
    limits: &Limits,
    drain: &CancellationToken,
    handle: F,
) -> Ended<I>
where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<B>> + Unpin,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let requests = AtomicUsize::new(0);
    let service = service_fn(|request| {
        requests.fetch_add(1, Ordering::Relaxed);
        handle(request).map(Ok::<_, Infallible>)
    });
    // Of headers it takes 100, its own limit: any other would cost two pieces of memory for each request.
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), service);
    let mut draining = false;
    let result = loop {
        tokio::select! {
            result = poll_fn(|context| connection.poll_without_shutdown(context)) => break result,
            () = drain.cancelled(), if !draining => {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let http1::Parts { io, read_buf, .. } = connection.into_parts();
    let how = match result {
        Ok(()) => How::Done,
        // Between two requests a client may wait as long as it likes; it is let go without a word.
        Err(error) if error.is_timeout() => {
            if read_buf.is_empty() && requests.load(Ordering::Relaxed) > 0 {
                How::Broken
            } else {
                How::HeadTimedOut
            }
        }
        Err(error) => {
            tracing::debug!(%error, "A client's connection ended");
            How::Broken
        }
    };
    Ended {
        io: io.into_inner(),
        read: read_buf,
        how,
    }
}

/// An answer outside of any request, and the end.
pub(super) async fn farewell(io: impl AsyncRead + AsyncWrite + Unpin, cause: Cause) {
    let form = Form::Json;
    let body = refusal::body(cause, None, form);
    last_words(io, cause.status(), form.content_type(), &body).await;
}

/// An answer to a request that could not be read, and the end.
pub(crate) async fn last_words(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    status: u16,
    content_type: &str,
    body: &str,
) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
    );
    if io.write_all(answer.as_bytes()).await.is_ok() {
        linger(io).await;
    }
}

/// Closes so that the last answer arrives: says that no more comes, then reads away what the client still sends.
pub(crate) async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    if io.shutdown().await.is_err() {
        return;
    }
    let (time, mut left) = LINGER;
    let drained = async {
        // On the heap: else every connection would hold it, from its beginning.
        let mut buffer = vec![0; 4096];
        while let Ok(count @ 1..) = io.read(&mut buffer).await {
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(time, drained).await;
}
