//! One HTTP/1.1 connection to an upstream, driven by whoever uses it.
//!
//! It has no task of its own: the client's task polls it, so a request costs no way through another one, and an
//! idle connection's end is seen when it is taken up again.

use super::body::Upload;
use super::wire::Wire;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

/// One connection.
pub struct Link {
    sender: SendRequest<Upload>,
    // On the heap: a link moves from task to task several times a request.
    connection: Box<Connection<TokioIo<Wire>, Upload>>,
    has_ended: bool,
    /// When it was last put away.
    pub idle_since: Instant,
}

/// A request that has no answer.
pub enum SendError {
    /// Nothing of it was sent: it can go another way.
    Unsent(Box<Request<Upload>>),
    /// Some or all of it may have arrived.
    Lost(Option<hyper::Error>),
}

impl Link {
    /// On an open wire.
    pub async fn new(wire: Wire) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(wire)).await?;
        Ok(Self {
            sender,
            connection: Box::new(connection),
            has_ended: false,
            idle_since: Instant::now(),
        })
    }

    /// Lets it read and write; says when it has ended.
    pub fn drive(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_ended {
            match self.connection.poll_without_shutdown(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "An upstream's connection ended");
                }
            }
            self.has_ended = true;
        }
        Poll::Ready(())
    }

    /// Whether the next request can take it, as far as anybody can know.
    pub fn is_usable(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        self.drive(&mut context).is_pending() && self.sender.is_ready()
    }

    /// Sends a request, and waits for the answer's head.
    pub fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + Send {
        // Handed over before there is a future, which would hold the request, too.
        let answer = self.sender.try_send_request(request);
        async move {
            let mut answer = pin!(answer);
            poll_fn(|context| {
                let has_ended = {
                    let connection = &mut self.connection;
                    self.has_ended || {
                        self.has_ended = connection.poll_without_shutdown(context).is_ready();
                        self.has_ended
                    }
                };
                match answer.as_mut().poll(context) {
                    Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                    Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
                        Some(request) => SendError::Unsent(Box::new(request)),
                        None => SendError::Lost(Some(error.into_error())),
                    })),
                    Poll::Pending if has_ended => Poll::Ready(Err(SendError::Lost(None))),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        }
    }

    /// After an answer that ends HTTP: the wire, and what was read beyond the answer.
    pub async fn into_wire(mut self) -> (Wire, bytes::Bytes) {
        poll_fn(|context| self.drive(context)).await;
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}
