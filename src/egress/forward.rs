//! One plain HTTP request to its upstream, and the answer back.
//!
//! A client's connection keeps the connection of its last request open for the next one to the same target. It is
//! never shared with another client, and a new config that forbids it closes it as it closes a tunnel.

use super::headers;
use super::refusal::Cause;
use super::target::Target;
use super::upstream::{self, Upstream};
use super::{Shared, proxy};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Most headers of an upstream's answer.
const MAX_HEADERS: usize = 256;
/// An idle connection is used again only so soon after its last request: servers close theirs after some seconds, and
/// a request that meets such a close is lost.
const FRESH: Duration = Duration::from_secs(1);
/// How long the rest of the answer before may take to be done with.
const TIDY: Duration = Duration::from_millis(10);

type Sender = SendRequest<Either<Incoming, Empty<Bytes>>>;

/// What one client's connection keeps between its requests.
#[derive(Default)]
pub(super) struct Keeper {
    opened: Mutex<Option<Upstream>>,
    used: Mutex<Option<Used>>,
}

struct Used {
    target: Target,
    sender: Sender,
    at: Instant,
}

impl Keeper {
    /// For a client that has a connection already, by its tunnel.
    pub fn holding(upstream: Upstream) -> Self {
        Self {
            opened: Mutex::new(Some(upstream)),
            used: Mutex::default(),
        }
    }

    fn opened(&self) -> Option<Upstream> {
        let opened = self.opened.lock();
        opened
            .expect("nothing panics while it holds the connection")
            .take()
    }

    fn swap(&self, used: Option<Used>) -> Option<Used> {
        let place = self.used.lock();
        let mut place = place.expect("nothing panics while it holds the connection");
        std::mem::replace(&mut place, used)
    }

    /// The connection of the last request, when it can take another one to `target`.
    async fn usable(&self, target: &Target) -> Option<Sender> {
        let Used {
            target: known,
            mut sender,
            at,
        } = self.swap(None)?;
        let fits = known == *target && at.elapsed() < FRESH && !sender.is_closed();
        let ready = tokio::time::timeout(TIDY, sender.ready()).await;
        (fits && matches!(ready, Ok(Ok(())))).then_some(sender)
    }

    fn keep(&self, target: &Target, sender: Sender) {
        self.swap(Some(Used {
            target: target.clone(),
            sender,
            at: Instant::now(),
        }));
    }
}

/// Passes one request on, framed anew, and its answer back. The policy is asked for each request, whatever connection
/// it takes.
pub(super) async fn forward(
    shared: &Shared,
    keeper: &Keeper,
    target: &Target,
    request: Request<Incoming>,
) -> Result<Response<proxy::Body>, Cause> {
    upstream::check(shared, target)?;
    let mut request = headers::for_upstream(request, target)?.map(Either::Left);
    if let Some(mut sender) = keeper.usable(target).await {
        let again = repeatable(&request);
        match sender.try_send_request(request).await {
            Ok(response) => {
                keeper.keep(target, sender);
                return answer(response);
            }
            Err(mut error) => match error.take_message().or(again) {
                // The server closed it meanwhile.
                Some(unsent) => request = unsent,
                None => return Err(broken(error.error())),
            },
        }
    }
    let upstream = match keeper.opened() {
        Some(upstream) => upstream,
        None => upstream::open(shared, target).await?,
    };
    let mut sender = begin(upstream).await?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| broken(&error))?;
    keeper.keep(target, sender);
    answer(response)
}

/// The same request once more, where asking twice is asking once and there is no body to send again.
fn repeatable(
    request: &Request<Either<Incoming, Empty<Bytes>>>,
) -> Option<Request<Either<Incoming, Empty<Bytes>>>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    (safe && request.body().is_end_stream()).then(|| {
        let mut again = Request::new(Either::Right(Empty::new()));
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        again
    })
}

async fn begin(upstream: Upstream) -> Result<Sender, Cause> {
    let Upstream { stream, place, .. } = upstream;
    let (sender, connection) = Builder::new()
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Cause::UpstreamBroken)?;
    let cut = place.cut();
    // Ends when the server or the client ends, or by a new config.
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "An upstream's connection ended");
            },
            () = cut.cancelled() => {}
        }
        drop(place);
    });
    Ok(sender)
}

fn broken(error: &hyper::Error) -> Cause {
    tracing::debug!(%error, "An upstream did not answer");
    // "User" is whoever gave hyper the body: here, the client that sent a broken one.
    if error.is_user() {
        Cause::Malformed("the request's body is broken")
    } else {
        Cause::UpstreamBroken
    }
}

fn answer(response: Response<Incoming>) -> Result<Response<proxy::Body>, Cause> {
    if response.status().is_informational() {
        return Err(Cause::UpstreamBroken);
    }
    Ok(headers::for_client(response).map(Incoming::boxed_unsync))
}
