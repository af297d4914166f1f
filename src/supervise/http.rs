//! HTTP's side of the contract: which requests are MCP at all, and what the others are told.

mod headers;

use super::State;
use super::call::Waiting;
use super::connections::Place;
use super::methods::{Reply, handle};
use super::rpc::{self, Message, Request as RpcRequest};
use super::store::Store;
use super::stream;
use crate::config::remarks;
use bytes::{Bytes, BytesMut};
use headers::{Accepts, check_length, is_loopback_origin};
use http::header::{ALLOW, CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

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
        Ok(Message::Remarks(lines)) => {
            state
                .remarks
                .send_replace(Some(remarks::clean(lines.iter().map(String::as_str))));
            return empty(StatusCode::ACCEPTED);
        }
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
