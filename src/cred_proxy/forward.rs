//! One request: which route, which secret, to the upstream and back.

use super::Shared;
use super::body::{Answer, Download, Upload};
use super::headers;
use super::location::Ends;
use super::path;
use super::refusal::Refusal;
use super::secrets::Secret;
use super::send::{self, Answered};
use super::table::Active;
use super::web_socket::{self, Slot};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Either, Ready, ready};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use hyper::body::{Body as _, Incoming};
use std::future::Future;
use std::sync::Arc;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// An answer, or what will become one.
pub type Answering = Either<Ready<Response<Answer>>, BoxFuture<'static, Response<Answer>>>;

/// Answers a request. What becomes a WebSocket is left in `slot`.
///
/// Whatever needs no waiting is done at once, so that what waits is small: each request finds room for it, and large
/// pieces of memory cost the allocator a tidying up.
pub fn handle(shared: &Arc<Shared>, slot: &Slot, request: Request<Incoming>) -> Answering {
    if request.uri().path() == "/health" && request.uri().authority().is_none() {
        return Either::Left(ready(health(request.method())));
    }
    match Exchange::begin(shared, request) {
        Ok(exchange) => Either::Right(exchange.answer(shared, slot).boxed()),
        Err(refusal) => Either::Left(ready(refuse(&refusal))),
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
    let (status, reason) = (refusal.status(), refusal.text());
    tracing::debug!(status, reason, "Refused");
    let mut response = text(reason);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response
}

fn text(text: String) -> Response<Answer> {
    let mut response = Response::new(Answer::Text(Some(Bytes::from(text))));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A request that may go to its upstream.
struct Exchange {
    route: Arc<Active>,
    secret: Option<Secret>,
    path: String,
    is_web_socket: bool,
    parts: request::Parts,
    upload: Upload,
    in_flight: TaskTrackerToken,
}

impl Exchange {
    /// Finds the route, reads the secret, and makes the request as the upstream gets it.
    fn begin(shared: &Shared, request: Request<Incoming>) -> Result<Self, Refusal> {
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
        Ok(Self {
            route,
            secret,
            path,
            is_web_socket,
            parts,
            upload,
            in_flight,
        })
    }

    /// To the upstream and back.
    fn answer(
        self,
        shared: &Arc<Shared>,
        slot: &Slot,
    ) -> impl Future<Output = Response<Answer>> + Send + use<> {
        // Taken apart out here: the block below holds each piece once, an async function would hold it twice.
        let Self {
            route,
            secret,
            path,
            is_web_socket,
            parts,
            upload,
            in_flight,
        } = self;
        let exchange: BoxFuture<'static, Answered> = {
            let (shared, route) = (Arc::clone(shared), Arc::clone(&route));
            if is_web_socket {
                let slot = Arc::clone(slot);
                async move { web_socket::open(&shared, &slot, &route, parts).await }.boxed()
            } else {
                send::send(shared, route, parts, upload).boxed()
            }
        };
        let limit = shared.limits.answer;
        async move {
            let answered = tokio::select! {
                biased;
                answered = tokio::time::timeout(limit, exchange) => answered.unwrap_or(Err(Refusal::AnswerTimedOut)),
                () = route.cut.cancelled() => Err(Refusal::RouteChanged),
            };
            let (mut response, link) = match answered {
                Ok(answered) => answered,
                Err(refusal) => return refuse(&refusal),
            };
            clean(&mut response, &route, secret.as_ref(), &path);
            response
                .map(|body| Answer::Upstream(Box::new(Download::new(body, link, route, in_flight))))
        }
    }
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
