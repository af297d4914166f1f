//! Origins, lengths and Accept.

use super::*;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_LENGTH};

#[test]
fn only_loopback_origins_may_call() {
    for origin in [
        "http://localhost",
        "https://LOCALHOST:8080",
        "http://127.0.0.1:9100",
        "http://127.9.9.9",
        "http://[::1]:1",
    ] {
        assert!(
            is_loopback_origin(&HeaderValue::from_static(origin)),
            "{origin}"
        );
    }
    for origin in [
        "null",
        "",
        "localhost",
        "http://",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://localhost/",
        "http://[::1",
        "http://[::2]",
        "http://localhost:x",
        "file://localhost",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://supervise:9100",
    ] {
        assert!(
            !is_loopback_origin(&HeaderValue::from_static(origin)),
            "{origin}"
        );
    }
}

#[test]
fn a_stream_is_sent_only_to_who_names_it() {
    let accepts = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(value));
        let Accepts { stream, json } = Accepts::of(&headers);
        (stream, json)
    };
    assert_eq!(accepts("application/json, text/event-stream"), (true, true));
    assert_eq!(
        accepts("text/event-stream; q=0.5,application/json;q=1"),
        (true, true)
    );
    assert_eq!(accepts("TEXT/Event-Stream"), (true, false));
    assert_eq!(
        accepts("text/event-stream;q=0, application/json"),
        (false, true)
    );
    assert_eq!(accepts("*/*"), (false, true));
    assert_eq!(accepts("text/*"), (false, false));
    assert_eq!(
        Accepts::of(&HeaderMap::new()),
        Accepts {
            stream: false,
            json: true
        }
    );
}

#[test]
fn a_length_is_needed_and_bounded() {
    let check = |value: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        value.map(|value| headers.insert(CONTENT_LENGTH, HeaderValue::from_static(value)));
        check_length(&headers).map_err(|(status, _)| status.as_u16())
    };
    assert_eq!(check(None), Err(411));
    assert_eq!(check(Some("x")), Err(400));
    assert_eq!(check(Some("")), Err(400));
    assert_eq!(check(Some("-1")), Err(400));
    assert_eq!(check(Some("+1")), Err(400));
    assert_eq!(check(Some("1048576")), Ok(()));
    assert_eq!(check(Some("1048577")), Err(413));
    assert_eq!(check(Some("99999999999999999999999")), Err(413));
}
