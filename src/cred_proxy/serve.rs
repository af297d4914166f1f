//! One client's connection: requests, then perhaps a WebSocket.

use super::Shared;
use super::forward;
use super::refusal::Refusal;
use super::web_socket::Slot;
use crate::egress::server::{self, How};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Serves it to its end.
pub async fn connection(stream: TcpStream, shared: Arc<Shared>, drain: CancellationToken) {
    let slot = Slot::default();
    let handle = |request| forward::handle(&shared, &slot, request);
    let ended = server::http(stream, &shared.limits.serving, &drain, handle).await;
    let open = slot
        .lock()
        .expect("nothing panics while it holds the slot")
        .take();
    match (open, ended.how) {
        (Some(open), How::Done) => open.run(ended.io, ended.read).await,
        (_, How::HeadTimedOut) => farewell(ended.io, Refusal::HeadTimedOut).await,
        (_, How::Done | How::Broken) => server::linger(ended.io).await,
    }
}

/// An answer outside of any request, and the end.
pub async fn farewell(io: impl AsyncRead + AsyncWrite + Unpin, refusal: Refusal) {
    let kind = "text/plain; charset=utf-8";
    server::last_words(io, refusal.status(), kind, &refusal.text()).await;
}
