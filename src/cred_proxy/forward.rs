//! One request: which route, which secret, to the upstream and back.

use super::Shared;
use super::body::{Answer, Download, Upload};
use super::headers;
use super::link::{Link, SendError};
use super::location::Ends;
use super::path;
use super::pool::{Channel, Upstream};
use super::refusal::Refusal;
use super::secrets::Secret;
use super::table::Active;
use super::web_socket::{self, Slot};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use hyper::body::{Body as _, Incoming};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Kept connections that turn out to be closed, before a new one is made.
const MAX_STALE: usize = 3;

/// Answers a request. What becomes a WebSocket is left in `slot`.
pub async fn handle(
    shared: Arc<Shared>,
    slot: Slot,
    request: Request<Incoming>,
) -> Response<Answer> {
    if request.uri().path() == "/health" && request.uri().authority().is_none() {
        return health(request.method());
    }
    match forward(&shared, &slot, request).await {
        Ok(response) => response,
        Err(refusal) => {
            tracing::debug!(
                status = refusal.status(),
                reason = refusal.text(),
                "Refused"
            );
            refuse(&refusal)
        }
    }
}

fn health(method: &Method) -> Response<Answer> {
    let mut response = text("ok\n".into());
    if !matches!(*method, Method::GET | Method::HEAD) {
        response = text("use GET\n".into());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    response
}

fn refuse(refusal: &Refusal) -> Response<Answer> {
    let mut response = text(refusal.text());
    *response.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    response
}

fn text(text: String) -> Response<Answer> {
    let mut response = Response::new(Answer::Text(Some(Bytes::from(text))));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn forward(
    shared: &Arc<Shared>,
    slot: &Slot,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Refusal> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    if request.uri().authority().is_some() || !request.uri().path().starts_with('/') {
        return Err(Refusal::Malformed(
            "this is no forward proxy: send a path, such as GET /github/… HTTP/1.1",
        ));
    }
    if headers::is_foreign_page(request.headers()) {
        return Err(Refusal::ForeignPage);
    }
    let table = shared.table();
    let (route, rest) = table.find(request.uri().path())?;
    let route = Arc::clone(route);
    let path = path::join(&route.base, rest).map_err(Refusal::Unsafe)?;
    drop(table);
    let in_flight = route.in_flight.token();
    let secret = secret_of(shared, &route)?;
    let is_web_socket =
        *request.method() == Method::GET && headers::asks_for_web_socket(request.headers());
    let (parts, upload) = prepare(request, &route, secret.as_ref(), &path)?;
    let cut = route.cut.clone();
    let exchange = async {
        if is_web_socket {
            return web_socket::open(shared, slot, &route, parts).await;
        }
        let timed = tokio::time::timeout(
            shared.limits.answer,
            send(shared, &route.upstream, parts, upload),
        );
        timed.await.map_err(|_| Refusal::AnswerTimedOut)?
    };
    let (mut response, link) = tokio::select! {
        biased;
        answered = exchange => answered?,
        () = cut.cancelled() => return Err(Refusal::RouteChanged),
    };
    clean(&mut response, &route, secret.as_ref(), &path);
    Ok(
        response
            .map(|body| Answer::Upstream(Box::new(Download::new(body, link, route, in_flight)))),
    )
}

fn secret_of(shared: &Shared, route: &Active) -> Result<Option<Secret>, Refusal> {
    let Some((name, _)) = &route.auth else {
        return Ok(None);
    };
    let secret = shared.secrets.get(name);
    secret
        .map(Some)
        .map_err(|why| Refusal::Secret(name.clone(), why))
}

/// The request as the upstream gets it, but for the version's own way to name the host.
fn prepare(
    request: Request<Incoming>,
    route: &Active,
    secret: Option<&Secret>,
    path: &str,
) -> Result<(request::Parts, Upload), Refusal> {
    let (mut parts, body) = request.into_parts();
    let had_length = parts.headers.contains_key(CONTENT_LENGTH);
    let upload = Upload::new(body);
    headers::strip_request(&mut parts.headers);
    // The body's own length; without one it goes out in chunks.
    let length = upload.size_hint().exact();
    if let Some(length) = length.filter(|length| *length > 0 || had_length) {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    let mut query = parts.uri.query().map(str::to_owned);
    if let (Some(secret), Some((_, inject))) = (secret, &route.auth) {
        inject.write_header(secret, &mut parts.headers);
        query = inject.write_query(secret, query.as_deref()).or(query);
    }
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let target = PathAndQuery::from_maybe_shared(Bytes::from(target))
        .map_err(|_| Refusal::Malformed("the path is too long or has odd characters"))?;
    parts.uri = Uri::from(target);
    parts.extensions.clear();
    Ok((parts, upload))
}

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
async fn send(
    shared: &Shared,
    upstream: &Upstream,
    mut parts: request::Parts,
    mut upload: Upload,
) -> Result<(Response<Incoming>, Option<Link>), Refusal> {
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
            None => upstream.connect(&shared.means).await?,
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

/// Decides who drives the connection on: whoever reads the answer, or, while the client is still sending, a task of
/// its own, so that a client that reads nothing until it has sent everything isn't waited for.
fn follow(
    response: Response<Incoming>,
    mut link: Link,
    has_uploaded: bool,
) -> Result<(Response<Incoming>, Option<Link>), Refusal> {
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

/// The answer as the client gets it.
fn clean(
    response: &mut Response<Incoming>,
    route: &Active,
    secret: Option<&Secret>,
    requested: &str,
) {
    *response.version_mut() = Version::HTTP_11;
    let is_switch = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers::strip_answer(headers);
    let ends = Ends {
        route: route.path(),
        origin: route.upstream.origin(),
        base: &route.base,
        parameter: route
            .auth
            .as_ref()
            .and_then(|(_, inject)| inject.parameter()),
    };
    headers::rewrite_location(headers, requested, ends);
    if let Some(secret) = secret {
        headers::remove_echo(headers, secret);
    }
    if is_switch {
        web_socket::announce(headers);
    }
}
