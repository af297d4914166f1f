//! PURE: which headers pass, and how a message is framed anew.

use super::refusal::Cause;
use super::target::Target;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};
use hyper::body::Body;

/// Headers of one connection, not of the message (RFC 9110, 7.6.1), and what belongs to a proxy.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What is refused about a request whatever its target.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Cause> {
    let asks_h2c = headers.get_all(UPGRADE).iter().any(|value| {
        let text = value.as_bytes().to_ascii_lowercase();
        text.windows(3).any(|three| three == b"h2c")
    });
    if asks_h2c || headers.contains_key("http2-settings") {
        return Err(Cause::H2c);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        // hyper decodes `chunked`; any other coding would lose its label on the way.
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Cause::Malformed("the only transfer coding is chunked"));
        }
    }
    Ok(())
}

/// What is refused about a CONNECT: a body has no meaning in one, so nobody agrees on where it ends.
pub(super) fn check_connect(headers: &HeaderMap) -> Result<(), Cause> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if headers.contains_key(TRANSFER_ENCODING) || lengths.any(|length| length != "0") {
        return Err(Cause::Malformed("CONNECT has no body"));
    }
    check(headers)
}

/// The request as the upstream gets it: path only, one `Host`, one length that is the body's.
pub(super) fn for_upstream<B: Body>(
    request: Request<B>,
    target: &Target,
) -> Result<Request<B>, Cause> {
    let (mut parts, body) = request.into_parts();
    let had_length = parts.headers.contains_key(CONTENT_LENGTH);
    strip(&mut parts.headers);
    // hyper has answered it already.
    parts.headers.remove(EXPECT);
    parts.headers.remove(CONTENT_LENGTH);
    // The body's own length; without one hyper writes chunks.
    if let Some(length) = body
        .size_hint()
        .exact()
        .filter(|length| *length > 0 || had_length)
    {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    let host = HeaderValue::from_str(&target.host_value())
        .map_err(|_| Cause::Malformed("the host has odd characters"))?;
    parts.headers.insert(HOST, host);
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(Request::from_parts(parts, body))
}

/// The answer as the client gets it.
pub(super) fn for_client<B>(response: Response<B>) -> Response<B> {
    let (mut parts, body) = response.into_parts();
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        parts.headers.remove(CONTENT_LENGTH);
    }
    strip(&mut parts.headers);
    parts.version = Version::HTTP_11;
    Response::from_parts(parts, body)
}

/// The headers that `Connection` names: they end at this hop, too.
pub(crate) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

/// Removes what is said about the connection, and what `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    fn target() -> Target {
        Target {
            host: "a.example".into(),
            port: 8080,
        }
    }

    #[test]
    fn an_upstream_gets_one_host_one_length_and_nothing_of_the_connection() {
        let request = Request::post("http://a.example:8080/x?y")
            .header("connection", "keep-alive, x-secret")
            .header("x-secret", "1")
            .header("proxy-authorization", "Basic x")
            .header("proxy-connection", "keep-alive")
            .header("te", "trailers")
            .header("upgrade", "websocket")
            .header("transfer-encoding", "chunked")
            .header("content-length", "99")
            .header("x-kept", "1")
            .header("host", "other.example")
            .body(Full::new(Bytes::from("four")))
            .unwrap();
        let sent = for_upstream(request, &target()).unwrap();
        assert_eq!(sent.uri(), "/x?y");
        let mut headers: Vec<_> = sent.headers().iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("content-length", "4"),
                ("host", "a.example:8080"),
                ("x-kept", "1")
            ]
        );
    }

    #[test]
    fn an_empty_body_keeps_the_length_that_it_was_sent_with() {
        let send = |request: http::request::Builder| {
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            for_upstream(request, &target())
                .unwrap()
                .headers()
                .get(CONTENT_LENGTH)
                .cloned()
        };
        assert_eq!(send(Request::get("http://a.example/")), None);
        let post = Request::post("http://a.example/").header("content-length", "0");
        assert_eq!(send(post).unwrap(), "0");
    }

    #[test]
    fn h2c_and_unknown_codings_are_refused() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            check(&headers)
        };
        assert_eq!(with("upgrade", "websocket, H2C"), Err(Cause::H2c));
        assert_eq!(with("http2-settings", "x"), Err(Cause::H2c));
        assert_eq!(with("upgrade", "websocket"), Ok(()));
        assert_eq!(with("transfer-encoding", "chunked"), Ok(()));
        for coding in [
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "xchunked",
            " chunked;x",
        ] {
            assert!(with("transfer-encoding", coding).is_err(), "{coding}");
        }
    }

    #[test]
    fn an_answer_with_two_lengths_keeps_neither() {
        let response = Response::builder()
            .header("transfer-encoding", "chunked")
            .header("content-length", "5")
            .header("connection", "close")
            .header("x-kept", "1")
            .body(())
            .unwrap();
        let names: Vec<_> = for_client(response).headers().keys().cloned().collect();
        assert_eq!(names, ["x-kept"]);
    }
}
