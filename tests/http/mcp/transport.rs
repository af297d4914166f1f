//! The transport's rules, one row each.

use super::bench::{Bench, hosts, request};
use serde_json::json;

#[tokio::test]
async fn health_answers_whatever_its_query() {
    let bench = Bench::start("").await;
    for path in ["/health", "/health?a=b"] {
        let answer = bench
            .client
            .raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "ok\n"),
            "{path}"
        );
    }
    let head = bench
        .client
        .raw(b"HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn other_methods_are_told_to_use_post() {
    let bench = Bench::start("").await;
    for line in [
        "GET / ",
        "GET /.well-known/oauth-protected-resource ",
        "PUT / ",
        "DELETE / ",
        "OPTIONS / ",
        "HEAD / ",
        "PATCH /health ",
    ] {
        let answer = bench
            .client
            .raw(format!("{line}HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert_eq!(answer.status, 405, "{line}");
        assert!(
            line.starts_with("HEAD") || answer.body == "use POST for MCP requests\n",
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_body_needs_a_usable_length() {
    let bench = Bench::start("").await;
    let table = [
        ("", &[411][..]),
        ("Transfer-Encoding: chunked\r\n", &[411]),
        ("Content-Length: abc\r\n", &[400]),
        ("Content-Length: \r\n", &[400]),
        ("Content-Length: -1\r\n", &[400, 413]),
        ("Content-Length: 1048577\r\n", &[413]),
        ("Content-Length: 9999999999999\r\n", &[413]),
    ];
    for (header, expected) in table {
        let answer = bench
            .client
            .raw(
                format!("POST / HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await;
        assert!(expected.contains(&answer.status), "{header}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_read_and_a_larger_one_is_refused_and_its_sender_told() {
    let bench = Bench::start("").await;
    let body = |length: usize| {
        let start = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":""#;
        format!("{start}{}\"}}}}", "x".repeat(length - start.len() - 3))
    };
    assert_eq!(
        bench.client.post("", &body(1 << 20)).await.json()["result"],
        json!({})
    );
    assert_eq!(
        bench.client.post("", &body((1 << 20) + 1)).await.status,
        413
    );
    assert_eq!(bench.client.post("", &body(8 << 20)).await.status, 413);
}

#[tokio::test]
async fn any_path_is_mcp_and_a_connection_serves_many_requests() {
    let bench = Bench::start("").await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let first = request("", ping)
        .replace("Connection: close\r\n", "")
        .replace("POST / ", "POST /any/path?x ");
    let answer = bench
        .client
        .raw(format!("{first}{}", request("", ping)).as_bytes())
        .await;
    assert_eq!(
        format!("{}\r\n\r\n{}", answer.head, answer.body)
            .matches(r#""result":{}"#)
            .count(),
        2
    );
}

#[tokio::test]
async fn a_foreign_origin_is_refused_whatever_it_asks() {
    let bench = Bench::start("").await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1\r\nOrigin: http://evil.example",
    ] {
        let header = format!("Origin: {origin}\r\n");
        assert_eq!(
            bench.client.post(&header, ping).await.status,
            403,
            "{origin}"
        );
        let get = format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n");
        assert_eq!(
            bench.client.raw(get.as_bytes()).await.status,
            403,
            "{origin}"
        );
    }
    for origin in [
        "http://localhost:3000",
        "http://127.0.0.1",
        "https://[::1]:8443",
    ] {
        assert_eq!(
            bench
                .client
                .post(&format!("Origin: {origin}\r\n"), ping)
                .await
                .status,
            200,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn errors_of_the_protocol_are_http_200_with_the_right_id() {
    let bench = Bench::start("").await;
    let table = [
        ("nonsense", "null", -32700),
        ("[]", "null", -32600),
        (
            r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
            "null",
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#,
            "null",
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"server/discover"}"#,
            "7",
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"prompts/list"}"#,
            "null",
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"x"}"#,
            "123456789012345678901234567890",
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{}}"#,
            "\"7\"",
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.50,"method":"resources/read","params":{"uri":"x"}}"#,
            "1.50",
            -32002,
        ),
    ];
    for (body, id, code) in table {
        let answer = bench.client.post("", body).await;
        assert_eq!(answer.status, 200, "{body}");
        assert!(
            answer
                .body
                .starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#)),
            "{}",
            answer.body
        );
        assert_eq!(answer.json()["error"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn what_needs_no_answer_is_202_with_an_empty_body() {
    let bench = Bench::start("").await;
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        let answer = bench.client.post("", body).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{body}");
    }
}

#[tokio::test]
async fn a_refused_call_needs_no_stream_and_comes_in_the_form_that_the_client_reads() {
    let bench = Bench::start("").await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": hosts("https://x.example", "why")}).to_string();
    let both = bench
        .client
        .post("Accept: application/json, text/event-stream\r\n", &body)
        .await;
    assert_eq!(both.json()["error"]["code"], -32602);
    let only = bench
        .client
        .post("Accept: text/event-stream\r\n", &body)
        .await;
    assert!(
        only.head.contains("text/event-stream") && only.body.starts_with("event: message\ndata: {"),
        "{only:?}"
    );
}
