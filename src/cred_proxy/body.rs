//! Bodies on their way: what a client sends, and what it gets.

use super::link::Link;
use super::table::Active;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use thiserror::Error;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A request's body for the upstream: the data, without trailers, which could hold credentials.
pub struct Upload {
    body: Option<Incoming>,
    has_ended: Arc<AtomicBool>,
}

impl Upload {
    /// What the client sends.
    pub fn new(body: Incoming) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        Self {
            has_ended: Arc::new(AtomicBool::new(body.is_none())),
            body,
        }
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self {
            body: None,
            has_ended: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Becomes true once all of it was handed on.
    pub fn has_ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_ended)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        let is_last = body.is_end_stream() || !matches!(frame, Some(Ok(_)));
        if is_last || matches!(&frame, Some(Ok(frame)) if frame.is_trailers()) {
            self.body = None;
            self.has_ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => frame.into_data().ok().map(|data| Ok(Frame::data(data))),
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Why an answer breaks off.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The upstream did.
    #[error("the upstream broke the answer off")]
    Upstream(#[source] hyper::Error),
    /// The upstream did, without an error that says so: never taken for the answer's end.
    #[error("the upstream's connection ended before the answer")]
    Broken,
    /// The route is no more.
    #[error("the route was changed or removed")]
    Cut,
}

/// An answer's body.
pub enum Answer {
    /// Our own words.
    Text(Option<Bytes>),
    /// The upstream's.
    Upstream(Box<Download>),
}

/// What an upstream sends.
pub struct Download {
    body: Incoming,
    has_ended: bool,
    /// None: the connection is driven elsewhere.
    link: Option<Link>,
    route: Arc<Active>,
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Dropped last: the request is over.
    _in_flight: TaskTrackerToken,
}

impl Download {
    /// The rest of an answer; `link`: its connection, when nobody else drives that.
    pub fn new(
        body: Incoming,
        link: Option<Link>,
        route: Arc<Active>,
        in_flight: TaskTrackerToken,
    ) -> Self {
        Self {
            body,
            has_ended: false,
            link,
            route,
            cut: None,
            _in_flight: in_flight,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => {
                    if let Some(link) = &mut self.link {
                        // What it reads is behind the body's back until that is asked again.
                        let ended = link.drive(context).is_ready();
                        match Pin::new(&mut self.body).poll_frame(context) {
                            Poll::Ready(frame) => frame,
                            Poll::Pending if ended => {
                                return Poll::Ready(Some(Err(BodyError::Broken)));
                            }
                            Poll::Pending => return self.poll_cut(context),
                        }
                    } else {
                        return self.poll_cut(context);
                    }
                }
                Poll::Ready(frame) => frame,
            };
            return Poll::Ready(match frame {
                None => {
                    self.has_ended = true;
                    None
                }
                Some(Err(error)) => Some(Err(BodyError::Upstream(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(Frame::data(data))),
                    // Trailers: the client wasn't promised any.
                    Err(_) => continue,
                },
            });
        }
    }

    fn poll_cut(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let cut = self
            .cut
            .get_or_insert_with(|| Box::pin(self.route.cut.clone().cancelled_owned()));
        cut.as_mut()
            .poll(context)
            .map(|()| Some(Err(BodyError::Cut)))
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // An answer that was read to its end leaves a connection that can be used again.
        if let Some(link) = self.link.take()
            && (self.has_ended || self.body.is_end_stream())
        {
            self.route.upstream.keep(link);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Upstream(download) => download.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Upstream(download) => download.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Upstream(download) => download.body.size_hint(),
        }
    }
}
