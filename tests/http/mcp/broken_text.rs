//! Bodies that are no JSON, or JSON of a kind that breaks parsers, against the program itself.

use super::bench::request;
use super::hostile::{assert_bounded, is_served, program};

/// Half a megabyte of it; parsers that call themselves for each level fall over.
fn deep(open: &str, close: &str) -> String {
    open.repeat(170_000) + "1" + &close.repeat(170_000)
}

fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"pipelock-block","arguments":{arguments}}}}}"#
    )
}

#[tokio::test]
async fn broken_text_is_answered_with_its_code_and_nothing_else_happens() {
    let (_directories, program) = program().await;
    let client = program.client;
    let table: Vec<(Vec<u8>, i64)> = vec![
        (deep("[", "]").into_bytes(), -32600),
        (deep(r#"{"":"#, "}").into_bytes(), -32600),
        (
            format!(
                r#"{{"jsonrpc":"2.0","id":{},"method":"ping"}}"#,
                deep("[", "]")
            )
            .into_bytes(),
            0,
        ),
        (
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{}}}}}"#,
                deep("[", "]")
            )
            .into_bytes(),
            -32602,
        ),
        (b"\xff\xfe{}".to_vec(), -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\xc3ng\"}".to_vec(),
            -32700,
        ),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\0".to_vec(),
            -32700,
        ),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#.to_vec(),
            -32600,
        ),
        (
            br#"{"\udc00":1,"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_vec(),
            -32600,
        ),
        (
            call(r#"{"allowlist":"\ud800","justification":"x"}"#).into_bytes(),
            -32602,
        ),
        (
            call(r#"{"allowlist":"b.example","justification":"\udfff"}"#).into_bytes(),
            -32602,
        ),
        (
            call(r#"{"allowlist":"b.example\u0000","justification":"x"}"#).into_bytes(),
            -32602,
        ),
        (
            call(r#"{"allowlist":"b.example","allowlist":7,"justification":"x"}"#).into_bytes(),
            -32602,
        ),
        (
            call(r#"{"allowlist":"b.example","justification":"x"},"arguments":null"#).into_bytes(),
            -32602,
        ),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"ping","jsonrpc":"1.0"}"#.to_vec(),
            -32600,
        ),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"no","method":"ping"}"#.to_vec(),
            0,
        ),
        (
            br#"{"jsonrpc":"2.0","id":1e999,"method":"ping"}"#.to_vec(),
            0,
        ),
    ];
    for (body, code) in table {
        let mut bytes = request("", "")
            .replace(
                "Content-Length: 0",
                &format!("Content-Length: {}", body.len()),
            )
            .into_bytes();
        bytes.extend_from_slice(&body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let answer = client.raw(&bytes).await;
        assert_eq!(answer.status, 200, "{shown}");
        let error = format!(r#""error":{{"code":{code},"#);
        let expected = if code == 0 {
            r#""result":{}"#
        } else {
            error.as_str()
        };
        assert!(
            answer.body.contains(expected),
            "{shown}: {}",
            &answer.body[answer.body.len().saturating_sub(300)..]
        );
    }
    is_served(client).await;
    assert_bounded(&program);
}
