//! What is a request, what isn't, and what is echoed.

use super::*;

fn request(body: &str) -> Request {
    match parse(body.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{body}: {other:?}"),
    }
}

fn code(body: &[u8]) -> i32 {
    parse(body).expect_err("must be refused").code
}

#[test]
fn what_is_not_json_is_a_parse_error() {
    for body in [
        &b""[..],
        b"nonsense",
        b"{",
        b"[1,",
        b"{} {}",
        b"\xff",
        b"{\"a\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
    ] {
        assert_eq!(code(body), PARSE_ERROR, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn what_is_no_request_is_invalid() {
    for body in [
        "1",
        "null",
        "[]",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        "{}",
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{}}"#,
    ] {
        assert_eq!(code(body.as_bytes()), INVALID_REQUEST, "{body}");
    }
}

#[test]
fn params_are_an_object_or_null() {
    for params in ["[]", "1", "\"x\"", "true"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#);
        assert_eq!(code(body.as_bytes()), INVALID_PARAMS, "{params}");
    }
    for params in ["{}", "null", " { } "] {
        request(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#
        ));
    }
}

#[test]
fn an_id_is_echoed_digit_for_digit() {
    for id in [
        "1",
        "-0",
        "1.0",
        "1e2",
        "1E400",
        "123456789012345678901234567890",
        "0.1000",
        "\"a\"",
        r#""\u00e4""#,
        "null",
        "true",
    ] {
        let request = request(&format!(
            r#"{{"jsonrpc":"2.0","method":"ping","id": {id} }}"#
        ));
        let text = response(Some(&request.id), &Ok(serde_json::json!({})));
        assert_eq!(
            text,
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        );
    }
}

#[test]
fn without_an_id_nothing_is_answered_whatever_the_method_and_params() {
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":[1]}"#,
        r#"{"jsonrpc":"2.0","method":"no/such/thing"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
    ] {
        assert!(
            matches!(parse(body.as_bytes()), Ok(Message::Silent)),
            "{body}"
        );
    }
}

#[test]
fn a_progress_token_is_a_string_or_a_number_kept_as_written() {
    let token = |token: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{{"progressToken":{token}}}}}}}"#
        );
        request(&body)
            .progress_token()
            .map(|raw| raw.get().to_owned())
    };
    for kept in ["7", "-1", "12345678901234567890123", "\"a\""] {
        assert_eq!(token(kept).as_deref(), Some(kept));
    }
    for other in ["null", "{}", "[]", "true"] {
        assert_eq!(token(other), None);
    }
}

#[test]
fn a_key_that_stands_twice_counts_as_its_last() {
    assert_eq!(
        request(r#"{"jsonrpc":"2.0","id":1,"method":"a","id":2,"method":"b"}"#).method,
        "b"
    );
}

#[test]
fn params_that_are_too_deep_are_refused_with_the_id() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
    let request = request(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{deep}}}"#
    ));
    assert_eq!(request.params().unwrap_err().code, INVALID_PARAMS);
}

#[test]
fn what_seal_says_is_told_apart_from_other_notifications_and_only_when_it_is_well_formed() {
    let body = |params: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/bot-bottle/settings","params":{params}}}"#
        )
    };
    assert!(matches!(
        parse(body(r#"{"lines":["Drifted: a"]}"#).as_bytes()),
        Ok(Message::Remarks(lines)) if lines == ["Drifted: a"]
    ));
    for params in ["null", "[]", "{}", r#"{"lines":"a"}"#, r#"{"lines":[1]}"#] {
        let parsed = parse(body(params).as_bytes());
        assert!(matches!(parsed, Ok(Message::Silent)), "{params}");
    }
}
