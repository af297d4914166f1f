//! WebSockets: an HTTP/1.1 connection that both ends agree to go on with.

use super::Shared;
use super::body::Upload;
use super::link::SendError;
use super::refusal::Refusal;
use super::send::{Answered, for_http1};
use super::table::Active;
use super::wire::Wire;
use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, StatusCode, request};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Where a request that became a WebSocket leaves its other end.
pub type Slot = Arc<Mutex<Option<Open>>>;

/// The upstream's end.
pub struct Open {
    wire: Wire,
    /// Read behind the upstream's answer.
    read: Bytes,
    route: Arc<Active>,
    _in_flight: TaskTrackerToken,
}

/// `Connection` and `Upgrade`, which belong to each hop.
pub fn announce(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Asks the upstream, on a connection of its own. When that agrees, the connection is left in `slot`.
pub(super) async fn open(
    shared: &Shared,
    slot: &Slot,
    route: &Arc<Active>,
    mut parts: request::Parts,
) -> Answered {
    let mut link = route.upstream.connect_http1(&shared.means).await?;
    for_http1(&mut parts, &route.upstream);
    announce(&mut parts.headers);
    let request = Request::from_parts(parts, Upload::empty());
    let response = match link.send(request).await {
        Ok(response) => response,
        Err(SendError::Unsent(_) | SendError::Lost(_)) => return Err(Refusal::Broken),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok((response, Some(link)));
    }
    let (wire, read) = link.into_wire().await;
    let open = Open {
        wire,
        read,
        route: Arc::clone(route),
        _in_flight: route.in_flight.token(),
    };
    *slot.lock().expect("nothing panics while it holds the slot") = Some(open);
    Ok((response, None))
}

impl Open {
    /// Passes bytes both ways until both ends are done, or the route is no more.
    pub async fn run(mut self, mut client: impl AsyncRead + AsyncWrite + Unpin, read: Bytes) {
        let cut = self.route.cut.clone();
        let passed = async {
            self.wire.write_all(&read).await?;
            self.wire.flush().await?;
            client.write_all(&self.read).await?;
            copy_bidirectional(&mut client, &mut self.wire).await
        };
        tokio::select! {
            _ = passed => {}
            () = cut.cancelled() => {}
        }
    }
}
