//! One request: the proxy's own pages, a tunnel, or plain HTTP passed on.

use super::Shared;
use super::forward::{Keeper, forward};
use super::headers;
use super::refusal::{self, Cause, Form};
use super::target::{Target, Unclear};
use super::tunnel::Tunnel;
use super::upstream;
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::sync::{Arc, Mutex};

/// Body of every answer.
pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A request on the proxy's own port. An answer of 200 to CONNECT leaves the tunnel in `slot`.
pub(super) async fn outer(
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    slot: Arc<Mutex<Option<Tunnel>>>,
    request: Request<Incoming>,
) -> Response<Body> {
    if request.method() == Method::CONNECT {
        return connect(&shared, &slot, &request).await;
    }
    if request.uri().authority().is_none() {
        return own(&shared, &request);
    }
    let form = form(&request);
    let target = match Target::of_url(request.uri(), request.headers(), request.version()) {
        Ok(target) => target,
        Err(unclear) => return unclear_answer(&shared, &request, unclear, form),
    };
    let answer = async {
        headers::check(request.headers())?;
        forward(&shared, &keeper, &target, request).await
    };
    answer
        .await
        .unwrap_or_else(|cause| refuse(&shared, cause, Some(&target), form))
}

/// A request inside a tunnel to `tunnel`. The first one takes the connection that was opened for the tunnel.
pub(super) async fn inner(
    shared: Arc<Shared>,
    tunnel: Target,
    keeper: Arc<Keeper>,
    request: Request<Incoming>,
) -> Response<Body> {
    let form = form(&request);
    let answer = async {
        if request.method() == Method::CONNECT {
            return Err(Cause::Malformed("there is no tunnel inside a tunnel"));
        }
        tunnel
            .check_inside(request.uri(), request.headers(), request.version())
            .map_err(Cause::from)?;
        headers::check(request.headers())?;
        forward(&shared, &keeper, &tunnel, request).await
    };
    answer
        .await
        .unwrap_or_else(|cause| refuse(&shared, cause, Some(&tunnel), form))
}

impl From<Unclear> for Cause {
    fn from(unclear: Unclear) -> Self {
        match unclear {
            Unclear::Malformed(why) => Self::Malformed(why),
            Unclear::Disagree => Self::HostsDisagree,
        }
    }
}

async fn connect(
    shared: &Arc<Shared>,
    slot: &Mutex<Option<Tunnel>>,
    request: &Request<Incoming>,
) -> Response<Body> {
    let form = form(request);
    let closing = |mut response: Response<Body>| {
        // What a client sends behind a refused CONNECT is meant for somebody else.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        response
    };
    let target = match Target::of_connect(request.uri()) {
        Ok(target) => target,
        Err(unclear) => return closing(refuse(shared, unclear.into(), None, form)),
    };
    let opened = async {
        headers::check_connect(request.headers())?;
        upstream::open(shared, &target).await
    };
    match opened.await {
        Ok(upstream) => {
            *slot.lock().expect("nothing panics while it holds the slot") =
                Some(Tunnel { target, upstream });
            Response::new(text(""))
        }
        Err(cause) => closing(refuse(shared, cause, Some(&target), form)),
    }
}

/// `/health` and `/denials`.
fn own(shared: &Shared, request: &Request<Incoming>) -> Response<Body> {
    let page = match request.uri().path() {
        "/health" => (Form::Text, "ok\n".to_owned()),
        "/denials" => {
            let list = shared.denials();
            let json = serde_json::to_string(&*list).expect("plain values are always JSON");
            (Form::Json, json + "\n")
        }
        _ => return refuse(shared, Cause::NoSuchPath, None, form(request)),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = Response::new(text("use GET\n"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let mut response = Response::new(text(page.1));
    let kind = HeaderValue::from_static(page.0.content_type());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn form<B>(request: &Request<B>) -> Form {
    let accept = request.headers().get(ACCEPT);
    Form::accepted(accept.and_then(|value| value.to_str().ok()))
}

/// The host of a request whose names disagree is the URL's, for the list of denials.
fn unclear_answer(
    shared: &Shared,
    request: &Request<Incoming>,
    unclear: Unclear,
    form: Form,
) -> Response<Body> {
    let target = Target::of_url_alone(request.uri()).ok();
    refuse(shared, unclear.into(), target.as_ref(), form)
}

/// The answer, after it was noted.
fn refuse(shared: &Shared, cause: Cause, target: Option<&Target>, form: Form) -> Response<Body> {
    shared.note(cause, target);
    let mut response = Response::new(text(refusal::body(cause, target, form)));
    *response.status_mut() =
        StatusCode::from_u16(cause.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let kind = HeaderValue::from_static(form.content_type());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if let Some(phrase) = cause.phrase() {
        let phrase = hyper::ext::ReasonPhrase::from_static(phrase.as_bytes());
        response.extensions_mut().insert(phrase);
    }
    response
}

fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
