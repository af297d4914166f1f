//! PURE: which headers pass, in both directions.

use super::location::{self, Ends};
use super::secrets::Secret;
use crate::egress::headers::named_by_connection;
use http::header::{CONTENT_LENGTH, HeaderName, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

/// Shorter than this a secret would be found by chance.
const MIN_ECHO: usize = 8;

/// Whether a client's header is kept from the upstream: what belongs to one connection, what a client could pass
/// off as its own credential, and what some servers let rewrite the host or the path.
fn is_kept_from_upstream(name: &str) -> bool {
    match name {
        // Of this connection (RFC 9110, 7.6.1), or written anew.
        "connection" | "content-length" | "expect" | "host" | "http2-settings" | "keep-alive"
        | "te" | "trailer" | "transfer-encoding" | "upgrade"
        // Credentials: an agent could work for an account of its own.
        | "api-key" | "authorization" | "cookie" | "cookie2" | "deploy-token" | "job-token"
        | "private-token" | "x-access-token" | "x-api-key" | "x-auth-token" | "x-goog-api-key"
        // Who asks, and for what.
        | "client-ip" | "forwarded" | "true-client-ip" | "via" | "x-client-ip" | "x-host"
        | "x-original-host" | "x-original-url" | "x-real-ip" | "x-rewrite-url" => true,
        _ => {
            name.starts_with("x-forwarded")
                || name.starts_with("proxy-")
                // Gateway interfaces write both as one variable.
                || (name.contains('_') && is_kept_from_upstream(&name.replace('_', "-")))
        }
    }
}

/// Whether an upstream's header is kept from the client.
fn is_kept_from_client(name: &str) -> bool {
    match name {
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade"
        // A cookie would be the agent's own credential; the other leads around this proxy.
        | "set-cookie" | "set-cookie2" | "alt-svc" => true,
        _ => name.starts_with("proxy-"),
    }
}

/// Leaves of a client's headers what the upstream may see.
pub fn strip_request(headers: &mut HeaderMap) {
    strip(headers, is_kept_from_upstream);
}

/// Leaves of an upstream's headers what the client may see.
pub fn strip_answer(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    strip(headers, is_kept_from_client);
}

fn strip(headers: &mut HeaderMap, is_kept: fn(&str) -> bool) {
    let mut gone = named_by_connection(headers);
    gone.extend(
        headers
            .keys()
            .filter(|name| is_kept(name.as_str()))
            .cloned(),
    );
    for name in &gone {
        headers.remove(name);
    }
}

/// Whether a request asks to go on as a WebSocket; any other protocol isn't passed on.
pub fn asks_for_web_socket(headers: &HeaderMap) -> bool {
    let names = |header: &str, word: &str| {
        let values = headers.get_all(header).iter();
        let mut words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    headers.contains_key("upgrade")
        && names("upgrade", "websocket")
        && names("connection", "upgrade")
}

/// Whether a request comes from a web page of elsewhere: a browser in the bottle that shows one must not lend it
/// our credentials. Programs send no `Origin`, or their own host's.
pub fn is_foreign_page(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all("origin").iter();
    origins.any(|origin| {
        let host = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.parse::<http::Uri>().ok())
            .and_then(|uri| uri.host().map(str::to_ascii_lowercase));
        !matches!(
            host.as_deref(),
            Some("cred-proxy" | "localhost" | "127.0.0.1" | "[::1]")
        )
    })
}

/// Rewrites `Location` (module [`location`]). Of several only the first counts, for everybody alike.
pub fn rewrite_location(headers: &mut HeaderMap, requested: &str, ends: Ends<'_>) {
    let Some(value) = headers.get(LOCATION) else {
        return;
    };
    let new = value
        .to_str()
        .ok()
        .and_then(|location| location::rewrite(location, requested, ends))
        .and_then(|location| HeaderValue::from_str(&location).ok());
    match new {
        Some(new) => drop(headers.insert(LOCATION, new)),
        None => drop(headers.remove(LOCATION)),
    }
}

/// Removes headers that repeat the secret: a careless upstream would hand it to the agent.
pub fn remove_echo(headers: &mut HeaderMap, secret: &Secret) {
    let plain = secret.reveal();
    if plain.len() < MIN_ECHO {
        return;
    }
    let repeats = |needle: &str| {
        let found: Vec<HeaderName> = headers
            .iter()
            .filter(|(_, value)| contains(value.as_bytes(), needle.as_bytes()))
            .map(|(name, _)| name.clone())
            .collect();
        found
    };
    let mut gone = repeats(plain);
    if let Some(encoded) = secret.reveal_encoded() {
        gone.extend(repeats(encoded));
    }
    for name in gone {
        headers.remove(name);
    }
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.len() >= needle.len() && text.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn nothing_of_the_connection_and_no_credential_of_the_clients_passes() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Named"),
            ("x-named", "1"),
            ("authorization", "Bearer theirs"),
            ("cookie", "a=b"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("x-forwarded-for", "1"),
            ("x-forwarded-host", "1"),
            ("x_forwarded_host", "1"),
            ("x_api_key", "1"),
            ("x-api-key", "1"),
            ("x-original-url", "/admin"),
            ("forwarded", "1"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("host", "cred-proxy:9099"),
            ("mcp-session-id", "kept"),
            ("accept", "kept"),
            ("x_kept", "kept"),
        ]);
        strip_request(&mut headers);
        assert_eq!(names(&headers), ["accept", "mcp-session-id", "x_kept"]);
    }

    #[test]
    fn an_answer_keeps_all_but_cookies_and_the_connections_own() {
        let mut headers = map(&[
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("alt-svc", "h3=\":443\""),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("proxy-authenticate", "Basic"),
            ("www-authenticate", "kept"),
            ("mcp-session-id", "kept"),
        ]);
        strip_answer(&mut headers);
        assert_eq!(names(&headers), ["mcp-session-id", "www-authenticate"]);
    }

    #[test]
    fn a_header_that_repeats_the_secret_is_removed() {
        let echo = |secret: &str, value: &str| {
            let mut headers = map(&[("x-echo", value), ("x-kept", "other")]);
            remove_echo(&mut headers, &Secret::new(secret));
            headers.len() == 1
        };
        assert!(echo("s3cret-value", "Bearer s3cret-value!"));
        assert!(echo("s3cret/value", "?k=s3cret%2Fvalue"));
        assert!(!echo("s3cret-value", "s3cret"));
        assert!(!echo("short", "short"));
    }

    #[test]
    fn only_a_page_of_elsewhere_is_foreign() {
        let foreign = |origin: &str| is_foreign_page(&map(&[("origin", origin)]));
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://cred-proxy.evil.example:9099",
            "",
        ] {
            assert!(foreign(origin), "{origin}");
        }
        for origin in [
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://cred-proxy:9099",
            "http://[::1]:1",
        ] {
            assert!(!foreign(origin), "{origin}");
        }
        assert!(!is_foreign_page(&HeaderMap::new()));
    }

    #[test]
    fn only_a_complete_web_socket_request_is_one() {
        let asks = |upgrade: &str, connection: &str| {
            asks_for_web_socket(&map(&[("upgrade", upgrade), ("connection", connection)]))
        };
        assert!(asks("WebSocket", "keep-alive, Upgrade"));
        assert!(!asks("h2c", "upgrade"));
        assert!(!asks("websocket", "keep-alive"));
        assert!(!asks_for_web_socket(&HeaderMap::new()));
    }
}
