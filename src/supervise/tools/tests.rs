//! What is refused, in which order, and with which words.

use super::*;

fn view() -> View {
    let files = Files {
        routes: r#"{"routes": []}"#.to_owned(),
        allowlist: "declared.example:8443\na.example\n".to_owned(),
        dockerfile: "FROM scratch\n# \u{200b}old\n".to_owned(),
        egress: "{}".to_owned(),
    };
    View::new(Some(files), "h".to_owned())
}

fn call(name: &str, arguments: &Value) -> Result<Question, RpcError> {
    validate(&json!({"name": name, "arguments": arguments}), &view())
}

fn refusal(params: &Value) -> String {
    let error = validate(params, &view()).expect_err(&params.to_string());
    assert_eq!(error.code, INVALID_PARAMS, "{params}");
    error.message
}

#[test]
fn the_first_thing_wrong_is_the_answer() {
    // Each row still has the mistakes of the rows below it.
    let table = [
        (json!({}), "`name` must be a string"),
        (
            json!({"name": 7, "arguments": 7}),
            "`name` must be a string",
        ),
        (
            json!({"name": "no-such-tool", "arguments": 7}),
            "unknown tool",
        ),
        (
            json!({"name": "pipelock-block"}),
            "`arguments` must be an object",
        ),
        (
            json!({"name": "pipelock-block", "arguments": []}),
            "`arguments` must be an object",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {}}),
            "`allowlist` must be a string",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"allowlist": ["a"]}}),
            "`allowlist` must be a string",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"routes": "{}"}}),
            "`allowlist` must be a string",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"allowlist": ""}}),
            "`justification` must say why",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"allowlist": "", "justification": 1}}),
            "`justification` must",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"allowlist": "", "justification": " \n"}}),
            "`justification` must",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"allowlist": " \n", "justification": "x"}}),
            "is empty",
        ),
        (
            json!({"name": "pipelock-block", "arguments": {"allowlist": "a b", "justification": "x"}}),
            "line 1",
        ),
    ];
    for (params, expected) in table {
        let message = refusal(&params);
        assert!(message.contains(expected), "{params}: {message}");
    }
}

#[test]
fn an_invalid_file_is_refused_with_the_tool_and_the_place() {
    let allowlist = call(
        "pipelock-block",
        &json!({"allowlist": "a.example\n https://x.example", "justification": "x"}),
    );
    let message = allowlist.unwrap_err().message;
    for part in ["pipelock-block", "line 2", "character"] {
        assert!(message.contains(part), "{message}");
    }
    for (routes, part) in [
        ("[1", "line 1 column 2"),
        (r#"{"routes": [{"path": "x", "upstream": "y"}]}"#, "route 1"),
    ] {
        let message = call(
            "cred-proxy-block",
            &json!({"routes": routes, "justification": "x"}),
        )
        .unwrap_err()
        .message;
        assert!(
            message.contains("cred-proxy-block") && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn valid_files_are_accepted() {
    for (tool, argument, file) in [
        ("pipelock-block", "allowlist", "b.example\r\n.c.example\n"),
        ("pipelock-block", "allowlist", "# nothing any more\n"),
        ("pipelock-block", "allowlist", "declared.example:8443\n"),
        ("cred-proxy-block", "routes", r#"{"routes": []}"#),
        (
            "capability-block",
            "dockerfile",
            "FROM scratch\n# \u{200b}old\nRUN true",
        ),
    ] {
        let question = call(tool, &json!({argument: file, "justification": "needed"})).unwrap();
        assert_eq!((question.tool.name(), question.file.as_str()), (tool, file));
    }
}

#[test]
fn hidden_characters_are_refused_by_line_in_the_file_and_in_the_justification() {
    let file = call(
        "capability-block",
        &json!({"dockerfile": "FROM scratch\nRUN \u{202e}x", "justification": "x"}),
    );
    assert!(
        file.unwrap_err()
            .message
            .contains("`dockerfile`, line 2, character 5: U+202E")
    );
    let why = call(
        "capability-block",
        &json!({"dockerfile": "FROM x", "justification": "a\nb\u{200b}"}),
    );
    assert!(
        why.unwrap_err()
            .message
            .contains("`justification`, line 2, character 2: U+200B")
    );
    // Nor is a line of the file in force exempt elsewhere than in the file.
    assert!(
        call(
            "capability-block",
            &json!({"dockerfile": "FROM x", "justification": "# \u{200b}old"})
        )
        .is_err()
    );
}

#[test]
fn limits_say_what_to_do_and_what_is_at_the_limit_passes() {
    let dockerfile = |file: &str, why: &str| {
        call(
            "capability-block",
            &json!({"dockerfile": file, "justification": why}),
        )
    };
    assert!(dockerfile(&"x".repeat(MAX_NEW - 1), &"y".repeat(MAX_JUSTIFICATION)).is_ok());
    assert!(
        dockerfile(&"x".repeat(MAX_NEW), "y")
            .unwrap_err()
            .message
            .contains("in steps")
    );
    assert!(
        dockerfile(&"x".repeat(MAX_FILE + 1), "y")
            .unwrap_err()
            .message
            .contains("Shorten")
    );
    assert!(
        dockerfile("x", &"y".repeat(MAX_JUSTIFICATION + 1))
            .unwrap_err()
            .message
            .contains("shorter")
    );
}

#[test]
fn what_stands_in_the_file_in_force_is_not_counted_as_new() {
    let old = "0123456789\n".repeat(10_000);
    assert_eq!(new_bytes(&format!("{old}new\n"), &old), 4);
    assert_eq!(new_bytes("a\na\n", "a\n"), 2);
}

#[test]
fn each_description_says_when_where_what_and_to_call_again() {
    for tool in Tool::ALL {
        let entry = tool.describe();
        let description = entry["description"].as_str().unwrap();
        for part in [
            "Call this when",
            &tool.current_path(),
            "After an approval",
            "call again with the same arguments",
        ] {
            assert!(description.contains(part), "{description}");
        }
        assert_eq!(
            entry["inputSchema"]["required"],
            json!([tool.argument(), "justification"])
        );
    }
}

#[test]
fn tools_are_indexed_by_their_discriminant() {
    for (index, tool) in Tool::ALL.into_iter().enumerate() {
        assert_eq!(tool as usize, index);
    }
}
