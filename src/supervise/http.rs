//! HTTP's side of the contract: which requests are MCP at all, and what the others are told.

use super::State;
use super::call::Waiting;
use super::connections::Place;
use super::methods::{Reply, handle};
use super::rpc::{self, Message, Request as RpcRequest};
use super::store::Store;
use super::stream;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Largest request body.
pub const MAX_BODY: u64 = 1 << 20;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A response's body.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers one HTTP request.
pub async fn respond<S, B>(state: Arc<State<S>>, request: Request<B>) -> Response<Body>
where
    S: Store,
    B: hyper::body::Body<Data = Bytes> + Send,
{
    if !request
        .headers()
        .get_all(ORIGIN)
        .iter()
        .all(is_loopback_origin)
    {
        state.desk.tally().refusal("origin");
        return text(
            StatusCode::FORBIDDEN,
            "this Origin may not call the server\n",
        );
    }
    let health = request.uri().path() == "/health";
    let place = request.extensions().get::<Arc<Place>>().cloned();
    let response = match *request.method() {
        Method::GET | Method::HEAD if health => text(StatusCode::OK, "ok\n"),
        Method::POST => post(state, request, place.as_ref()).await,
        _ => {
            let mut response = text(
                StatusCode::METHOD_NOT_ALLOWED,
                "use POST for MCP requests\n",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            response
        }
    };
    if let Some(place) = place {
        place.answered();
    }
    response
}

async fn post<S, B>(
    state: Arc<State<S>>,
    request: Request<B>,
    place: Option<&Arc<Place>>,
) -> Response<Body>
where
    S: Store,
    B: hyper::body::Body<Data = Bytes> + Send,
{
    if let Err((status, words)) = check_length(request.headers()) {
        state.desk.tally().refusal("length");
        return text(status, words);
    }
    let accepts = Accepts::of(request.headers());
    let body = read(request.into_body(), place);
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Some(body)) => body,
        Ok(None) => return text(StatusCode::BAD_REQUEST, "the body ended early\n"),
        Err(_) => {
            state.desk.tally().refusal("slow-body");
            return text(StatusCode::REQUEST_TIMEOUT, "the body took too long\n");
        }
    };
    let request = match rpc::parse(&body) {
        Ok(Message::Request(request)) => request,
        Ok(Message::Silent) => return empty(StatusCode::ACCEPTED),
        Err(error) => {
            state.desk.tally().refusal(error.reason);
            return json(rpc::response(None, &Err(error)));
        }
    };
    drop(body);
    tracing::debug!(method = request.method, "Request");
    let outcome = match handle(&request, &state.desk.view()) {
        Reply::Now(outcome) => outcome,
        Reply::Call(question) => {
            if let Some(result) = state.desk.at_once(&question) {
                Ok(result)
            } else {
                match state.desk.begin(question) {
                    Ok(waiting) => return wait(state, request, waiting, accepts, place).await,
                    Err(error) => Err(error),
                }
            }
        }
    };
    if let Err(error) = &outcome {
        state.desk.tally().refusal(error.reason);
    }
    let reply = rpc::response(Some(&request.id), &outcome);
    if accepts.only_stream() {
        stream::single(&reply)
    } else {
        json(reply)
    }
}

async fn wait<S: Store>(
    state: Arc<State<S>>,
    request: RpcRequest,
    mut waiting: Waiting,
    accepts: Accepts,
    place: Option<&Arc<Place>>,
) -> Response<Body> {
    let stays = match place.map(Place::stay) {
        Some(None) => {
            state.desk.tally().refusal("waiting");
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "more calls wait than this server has room for; end some of them\n",
            );
        }
        Some(stays) => stays,
        None => None,
    };
    if accepts.stream {
        return stream::start(&state, &request, waiting, stays);
    }
    // The params hold the file, and the call may wait for long.
    let RpcRequest { id, params, .. } = request;
    drop(params);
    let ended = tokio::select! {
        ended = state.desk.wait(&mut waiting) => Some(ended),
        () = tokio::time::sleep(state.waits.plain) => None,
        () = state.stopping.cancelled() => None,
    };
    let Some(ended) = ended else {
        let result = state.desk.pending(waiting);
        return json(rpc::response(Some(&id), &Ok(result)));
    };
    if let Some((name, asked)) = ended.closes {
        let closing = Arc::clone(&state);
        state
            .tasks
            .spawn(async move { closing.desk.close(&name, asked).await });
    }
    json(rpc::response(Some(&id), &ended.outcome))
}

/// The whole body; none when it ends early. Its length was checked.
async fn read<B>(body: B, place: Option<&Arc<Place>>) -> Option<Bytes>
where
    B: hyper::body::Body<Data = Bytes> + Send,
{
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            if let Some(place) = place {
                place.hold(data.len());
            }
            whole.extend_from_slice(&data);
        }
    }
    Some(whole.freeze())
}

fn check_length(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let length = headers
        .get(CONTENT_LENGTH)
        .ok_or((StatusCode::LENGTH_REQUIRED, "Content-Length is required\n"))?;
    let bad = (StatusCode::BAD_REQUEST, "Content-Length must be a number\n");
    let length = length.to_str().map_err(|_| bad)?.trim();
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad);
    }
    match length.parse::<u64>() {
        Ok(length) if length <= MAX_BODY => Ok(()),
        _ => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body may have 1 MiB at most\n",
        )),
    }
}

/// What the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accepts {
    stream: bool,
    json: bool,
}

impl Accepts {
    fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self {
            stream: false,
            json: !headers.contains_key(ACCEPT),
        };
        let values = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|part| {
                part.split_once('=').is_some_and(|(key, value)| {
                    key.trim().eq_ignore_ascii_case("q")
                        && value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)
                })
            });
            match name.as_str() {
                _ if refused => {}
                // Only by its own name: whoever takes anything may not expect a stream.
                "text/event-stream" => accepts.stream = true,
                "application/json" | "application/*" | "*/*" => accepts.json = true,
                _ => {}
            }
        }
        accepts
    }

    fn only_stream(self) -> bool {
        self.stream && !self.json
    }
}

/// Scheme, loopback host, perhaps a port, nothing else. `null` (a sandboxed page, a file) isn't one.
fn is_loopback_origin(origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let origin = origin.to_ascii_lowercase();
    let Some(authority) = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
    else {
        return false;
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) => (host, port),
            None => return false,
        },
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_is_fine = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    port_is_fine
        && (host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback()))
}

fn respond_with(
    status: StatusCode,
    content_type: Option<&'static str>,
    body: Bytes,
) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

fn text(status: StatusCode, words: &'static str) -> Response<Body> {
    respond_with(
        status,
        Some("text/plain; charset=utf-8"),
        Bytes::from_static(words.as_bytes()),
    )
}

fn empty(status: StatusCode) -> Response<Body> {
    respond_with(status, None, Bytes::new())
}

fn json(body: String) -> Response<Body> {
    respond_with(StatusCode::OK, Some("application/json"), body.into())
}

#[cfg(test)]
mod tests;
