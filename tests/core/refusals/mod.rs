//! What is refused at once, in the order of the contract, through the pure functions.

mod table;

use bot_bottle::supervise::{
    methods::{Reply, handle},
    rpc::{self, INVALID_PARAMS, Message},
    tools::{Tool, validate},
    view::View,
};
use serde_json::{Value, json};
use table::Row;

fn view() -> View {
    View::new(Some(table::in_force()), "hash".to_owned())
}

fn refused(rows: Vec<Row>) {
    assert!(!rows.is_empty());
    for Row { params, parts } in rows {
        let shown: String = params.to_string().chars().take(300).collect();
        let error = validate(&params, &view()).expect_err(&shown);
        assert_eq!(error.code, INVALID_PARAMS, "{shown}");
        for part in parts {
            assert!(
                error.message.contains(&part),
                "{shown}\n{}\nlacks {part}",
                error.message
            );
        }
        // It goes to an agent's log and to a person's terminal.
        assert!(
            !error.message.contains(char::is_control),
            "{:?}",
            error.message
        );
        assert!(error.message.len() < 1_000, "{}", error.message.len());
    }
}

#[test]
fn each_tool_is_refused_in_the_order_of_the_contract() {
    assert_eq!(
        table::TOOLS.map(|tool| tool.name),
        Tool::ALL.map(Tool::name)
    );
    for tool in table::TOOLS {
        refused(table::in_order(tool));
    }
}

#[test]
fn each_tool_keeps_the_limits_and_refuses_what_hides() {
    for tool in table::TOOLS {
        refused(table::limits(tool));
    }
}

#[test]
fn each_kind_of_line_that_no_agent_may_ask_for_is_refused_at_its_place() {
    refused(table::hosts());
}

#[test]
fn each_kind_of_route_that_no_agent_may_ask_for_is_refused() {
    refused(table::routes());
}

#[test]
fn what_stands_in_the_file_in_force_is_accepted_and_so_is_what_is_just_within_a_limit() {
    for params in table::accepted() {
        if let Err(error) = validate(&params, &view()) {
            panic!("{params}: {}", error.message);
        }
    }
}

/// Of bytes: the code, and the id of the answer; none for what is not answered.
fn code(body: &[u8]) -> Option<(i64, String)> {
    let (id, outcome) = match rpc::parse(body) {
        Ok(Message::Silent | Message::Remarks(_)) => return None,
        Err(error) => (None, Err(error)),
        Ok(Message::Request(request)) => match handle(&request, &view()) {
            Reply::Now(outcome) => (Some(request.id), outcome),
            Reply::Call(question) => panic!("{question:?}"),
        },
    };
    let answer: Value = serde_json::from_str(&rpc::response(id.as_deref(), &outcome)).unwrap();
    let code = answer["error"]["code"].as_i64().unwrap_or_default();
    Some((code, answer["id"].to_string()))
}

#[test]
fn json_rpc_is_refused_in_order_and_only_a_readable_request_has_its_id_back() {
    // Each row still has the faults of later ones.
    let table: [(&[u8], i64, &str); 24] = [
        (b"", -32700, "null"),
        (b"{", -32700, "null"),
        (b"\xff{}", -32700, "null"),
        (br#"{"id": 1, "method": 7,}"#, -32700, "null"),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "ping"} {"#,
            -32700,
            "null",
        ),
        (b"7", -32600, "null"),
        (b"null", -32600, "null"),
        (
            br#"[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]"#,
            -32600,
            "null",
        ),
        (br#"{"id": 1}"#, -32600, "null"),
        (
            br#"{"jsonrpc": "1.0", "id": 1, "method": 7, "params": 7}"#,
            -32600,
            "null",
        ),
        (
            br#"{"jsonrpc": 2.0, "id": 1, "method": 7, "params": 7}"#,
            -32600,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "params": 7}"#,
            -32600,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": 7, "params": 7}"#,
            -32600,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": null, "result": {}}"#,
            -32600,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": []}"#,
            -32602,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": "x"}"#,
            -32602,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": 7}"#,
            -32602,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": null}"#,
            -32601,
            "1",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": "a", "method": "no/such"}"#,
            -32601,
            "\"a\"",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": null, "method": "no/such"}"#,
            -32601,
            "null",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}"#,
            -32602,
            "1",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": 7}}"#,
            -32602,
            "1",
        ),
        (
            br#"{"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "x"}}"#,
            -32002,
            "1",
        ),
        (br#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#, 0, "1"),
    ];
    for (body, expected, id) in table {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(code(body), Some((expected, id.to_owned())), "{shown}");
    }
}

#[test]
fn what_is_no_request_is_not_answered_whatever_it_holds() {
    for body in [
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
        json!({"jsonrpc": "2.0", "method": "no/such", "params": 7}),
        json!({"jsonrpc": "2.0", "method": "tools/call", "params": []}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}),
    ] {
        assert_eq!(code(body.to_string().as_bytes()), None, "{body}");
    }
}

#[test]
fn an_id_comes_back_digit_for_digit() {
    for id in [
        "18446744073709551616000000000001",
        "1.0",
        "1e400",
        "-0",
        "\"\\u0041\"",
    ] {
        let body = format!(r#"{{"jsonrpc": "2.0", "id": {id}, "method": "ping"}}"#);
        let Ok(Message::Request(request)) = rpc::parse(body.as_bytes()) else {
            panic!("{body}")
        };
        let answer = rpc::response(Some(&request.id), &Ok(json!({})));
        assert!(answer.contains(&format!(r#""id":{id},"#)), "{answer}");
    }
}
