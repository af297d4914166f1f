//! Accepting connections, bounding slow ones, and ending.

use super::State;
use super::connections::{Connections, Limits, Place};
use super::http::respond;
use super::store::Store;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Request line and headers, as in the proxies.
const MAX_HEAD: usize = 64 * 1024;
/// Enough for any real request; each costs memory up front.
const MAX_HEADERS: usize = 256;
/// How long, and how much, a closing connection is still read. A socket that is closed with unread bytes is reset,
/// and the client would lose the answer: a body over the limit is refused unread, and its sender has to learn why.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 16 << 20);
/// How long answers that are on their way may take at the end.
const DRAIN: Duration = Duration::from_secs(10);
/// After an error of `accept`: going on at once would only burn the CPU. Shorter when a connection was sent away for
/// its file descriptor, which is free as soon as its task has run.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1));

/// Serves until `shutdown`. Calls that wait then are answered as pending, so that their clients call again.
pub async fn run<S: Store>(
    listener: TcpListener,
    state: Arc<State<S>>,
    limits: Limits,
    shutdown: impl Future,
) {
    let tracker = TaskTracker::new();
    let connections = Connections::new(limits);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            _ = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tracker.spawn(connection(
                    stream,
                    Arc::clone(&state),
                    connections.enter(),
                    limits.head,
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "Can't accept a connection");
                let pause = if connections.send_one_away() {
                    ACCEPT_PAUSE.1
                } else {
                    ACCEPT_PAUSE.0
                };
                tokio::time::sleep(pause).await;
            }
        }
    }
    drop(listener);
    state.stopping.cancel();
    tracker.close();
    state.tasks.close();
    let drained = async {
        tracker.wait().await;
        state.tasks.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::info!(
            left = tracker.len(),
            "Ending with connections that are left"
        );
    }
}

async fn connection<S: Store>(
    stream: TcpStream,
    state: Arc<State<S>>,
    place: Arc<Place>,
    head: Duration,
) {
    let stopping = state.stopping.clone();
    let tally = Arc::clone(state.desk.tally());
    let (begun, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let service = service_fn(|mut request| {
        begun.fetch_add(1, Ordering::Relaxed);
        request.extensions_mut().insert(Arc::clone(&place));
        let (state, answered) = (Arc::clone(&state), &answered);
        Box::pin(async move {
            let response = respond(state, request).await;
            answered.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break Some(ended),
            () = place.has_to_go() => break None,
            () = stopping.cancelled(), if !draining => {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let http1::Parts { io, read_buf, .. } = connection.into_parts();
    let io = io.into_inner();
    let begun = begun.into_inner();
    // Half a request: of its head, or of its body.
    let waits_for_more = !read_buf.is_empty() || begun > answered.into_inner();
    let words = match ended {
        None => {
            tally.refusal("connections");
            if waits_for_more {
                // There is no time for a client that doesn't read.
                let _ = io.try_write(&farewell("503 Service Unavailable", "too many connections"));
            }
            return;
        }
        Some(Ok(())) => None,
        // Between two requests a client may wait as long as it likes; it is let go without a word.
        Some(Err(error)) if error.is_timeout() && (waits_for_more || begun == 0) => {
            tally.refusal("slow-head");
            Some(farewell(
                "408 Request Timeout",
                "the request's head took too long",
            ))
        }
        Some(Err(error)) => {
            tracing::debug!(%error, "A connection broke");
            None
        }
    };
    tokio::select! {
        () = end(io, words) => {}
        () = place.has_to_go() => {}
    }
}

/// An answer outside of any request.
fn farewell(status: &str, words: &str) -> Vec<u8> {
    let length = words.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{words}\n"
    )
    .into_bytes()
}

/// Ends our side, then reads on until the client ends its own.
async fn end(mut stream: TcpStream, words: Option<Vec<u8>>) {
    let (time, mut left) = LINGER;
    let drain = async {
        // On the heap: an array would be a part of every connection's task.
        let mut buffer = vec![0; 8 * 1024];
        if let Some(words) = words {
            stream.write_all(&words).await?;
        }
        stream.shutdown().await?;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // However it ends, the connection is over.
    let _ = tokio::time::timeout(time, drain).await;
}
