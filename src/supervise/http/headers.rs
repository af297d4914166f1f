//! What a request's headers say; pure.

use http::header::{ACCEPT, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::net::IpAddr;

/// Largest request body.
const MAX_BODY: u64 = 1 << 20;

/// Whether the body's announced length is one that is read; else what the client is told.
pub(super) fn check_length(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
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
pub(super) struct Accepts {
    pub(super) stream: bool,
    pub(super) json: bool,
}

impl Accepts {
    pub(super) fn of(headers: &HeaderMap) -> Self {
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

    pub(super) fn only_stream(self) -> bool {
        self.stream && !self.json
    }
}

/// Scheme, loopback host, perhaps a port, nothing else. `null` (a sandboxed page, a file) isn't one.
pub(super) fn is_loopback_origin(origin: &HeaderValue) -> bool {
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
