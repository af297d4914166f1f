//! To the upstream, on a kept connection or a new one.

use super::Shared;
use super::body::Upload;
use super::link::{Link, SendError};
use super::pool::{Channel, Upstream};
use super::refusal::Refusal;
use super::table::Active;
use http::header::HOST;
use http::uri::Scheme;
use http::{Method, Request, Response, Uri, Version, request};
use hyper::body::Incoming;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Kept connections that turn out to be closed, before a new one is made.
const MAX_STALE: usize = 3;

/// An answer's head, and the connection that has to be driven for its body.
pub type Answered = Result<(Response<Incoming>, Option<Link>), Refusal>;

/// Names the host as HTTP/1.1 does.
pub(super) fn for_http1(parts: &mut request::Parts, upstream: &Upstream) {
    parts.version = Version::HTTP_11;
    parts.headers.insert(HOST, upstream.host.clone());
    if let Some(target) = parts.uri.path_and_query().cloned() {
        parts.uri = Uri::from(target);
    }
}

/// Names the host as HTTP/2 does.
fn for_http2(parts: &mut request::Parts, upstream: &Upstream) {
    parts.version = Version::HTTP_2;
    parts.headers.remove(HOST);
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(Scheme::HTTPS);
    uri.authority = Some(upstream.authority.clone());
    parts.uri = Uri::from_parts(uri).unwrap_or_default();
}

/// Sends it, on a kept connection or a new one. The link comes back with an answer that it has to be driven for.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function holds what it is given twice"
)]
pub fn send(
    shared: Arc<Shared>,
    route: Arc<Active>,
    mut parts: request::Parts,
    mut upload: Upload,
) -> impl Future<Output = Answered> + Send {
    async move {
        let upstream = &*route.upstream;
        let uploaded = upload.has_ended();
        // What the upstream may get twice: asking is no deed, and there is no body that would be gone.
        let again = matches!(
            parts.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        ) && uploaded.load(Ordering::Relaxed);
        for stale in 0.. {
            let kept = if stale < MAX_STALE {
                upstream.kept()
            } else {
                None
            };
            let was_kept = kept.is_some();
            let channel = match kept {
                Some(channel) => channel,
                // Large and rare: on the heap by itself.
                None => Box::pin(upstream.connect(&shared.means)).await?,
            };
            let spare = (again && was_kept).then(|| parts.clone());
            let failed = match channel {
                Channel::Own(mut link) => {
                    for_http1(&mut parts, upstream);
                    match link.send(Request::from_parts(parts, upload)).await {
                        Ok(response) => {
                            return follow(response, link, uploaded.load(Ordering::Relaxed));
                        }
                        Err(failed) => failed,
                    }
                }
                Channel::Shared(mut sender) => {
                    for_http2(&mut parts, upstream);
                    match sender
                        .try_send_request(Request::from_parts(parts, upload))
                        .await
                    {
                        Ok(response) => return Ok((response, None)),
                        Err(mut error) => match error.take_message() {
                            Some(request) => SendError::Unsent(Box::new(request)),
                            None => SendError::Lost(Some(error.into_error())),
                        },
                    }
                }
            };
            (parts, upload) = match (failed, spare) {
                (SendError::Unsent(request), _) if was_kept => request.into_parts(),
                // It was closed while the request was on its way: nothing of an answer has come.
                (SendError::Lost(_), Some(spare)) => (spare, Upload::empty()),
                (SendError::Lost(Some(error)), None) if error.is_user() => {
                    return Err(Refusal::Malformed("the request's body is broken"));
                }
                _ => return Err(Refusal::Broken),
            };
        }
        Err(Refusal::Broken)
    }
}

/// Decides who drives the connection on: whoever reads the answer, or, while the client is still sending, a task of
/// its own, so that a client that reads nothing until it has sent everything isn't waited for.
fn follow(response: Response<Incoming>, mut link: Link, has_uploaded: bool) -> Answered {
    if response.status().is_informational() {
        return Err(Refusal::Broken);
    }
    if has_uploaded {
        return Ok((response, Some(link)));
    }
    // Ends with the client's connection, whose body it is that it reads.
    tokio::spawn(async move { poll_fn(|context| link.drive(context)).await });
    Ok((response, None))
}
