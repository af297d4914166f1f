//! Accepting connections, bounding slow ones, and ending.

use super::State;
use super::http::respond;
use super::store::Store;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Request line and headers, and what a connection buffers of a body: each waiting call keeps its buffer.
const MAX_HEAD: usize = 16 * 1024;
/// How long a client may take for them.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long, and how much, a closing connection is still read. A socket that is closed with unread bytes is reset,
/// and the client would lose the answer: a body over the limit is refused unread, and its sender has to learn why.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 16 << 20);
/// How long answers that are on their way may take at the end.
const DRAIN: Duration = Duration::from_secs(10);
/// After an error of `accept` (no file descriptors): going on at once would only burn the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`. Calls that wait then are answered as pending, so that their clients call again.
pub async fn run<S: Store>(listener: TcpListener, state: Arc<State<S>>, shutdown: impl Future) {
    let connections = TaskTracker::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            _ = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                connections.spawn(connection(stream, Arc::clone(&state)));
            }
            Err(error) => {
                tracing::warn!(%error, "Can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    state.stopping.cancel();
    connections.close();
    state.tasks.close();
    let drained = async {
        connections.wait().await;
        state.tasks.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::info!(
            left = connections.len(),
            "Ending with connections that are left"
        );
    }
}

async fn connection<S: Store>(stream: TcpStream, state: Arc<State<S>>) {
    let stopping = state.stopping.clone();
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        Box::pin(async move { Ok::<_, Infallible>(respond(state, request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        () = stopping.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection broke");
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// Ends our side, then reads on until the client ends its own.
async fn linger(mut stream: TcpStream) {
    let (time, mut left) = LINGER;
    let drain = async {
        let mut buffer = [0; 8 * 1024];
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
