//! Each refusal of the contract's first section, one row each. A row has the faults of later rows, too, so that the
//! order is what is tested. Used by the tests of the pure functions and by those over a socket.

// With its path, since this file is a module of two tests in different places.
#[path = "files.rs"]
mod files;

use bot_bottle::config::Files;
pub use files::{hosts, routes};
use serde_json::{Value, json};

/// Something that is refused.
pub struct Row {
    /// The params of `tools/call`.
    pub params: Value,
    /// What the message must hold.
    pub parts: Vec<String>,
}

/// A tool and the argument that carries its file.
#[derive(Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    pub argument: &'static str,
    /// A file that the tool refuses; none: any text is a file.
    invalid: Option<&'static str>,
    /// A file that it takes.
    pub valid: &'static str,
}

pub const TOOLS: [Tool; 3] = [
    Tool {
        name: "cred-proxy-block",
        argument: "routes",
        invalid: Some("{"),
        valid: r#"{"routes": []}"#,
    },
    Tool {
        name: "pipelock-block",
        argument: "allowlist",
        invalid: Some("localhost"),
        valid: "new.example\n",
    },
    Tool {
        name: "capability-block",
        argument: "dockerfile",
        invalid: None,
        valid: "FROM new\n",
    },
];

/// What is in force: also what an agent may not propose, but must be able to send back.
pub fn in_force() -> Files {
    Files {
        routes: IN_FORCE_ROUTES.to_owned(),
        allowlist: IN_FORCE_HOSTS.to_owned(),
        dockerfile: IN_FORCE_IMAGE.to_owned(),
        egress: "{}".to_owned(),
    }
}

const IN_FORCE_ROUTES: &str = r#"{"routes": [
  {"path": "/plain/", "upstream": "http://plain.example", "plain": true},
  {"path": "/mcp/one/", "upstream": "https://one.example/mcp"}
]}"#;
const IN_FORCE_HOSTS: &str = "declared.example:8443\n.github.io\n";
const IN_FORCE_IMAGE: &str = "FROM scratch\n# \u{200b}in force\n";

fn row(params: Value, parts: &[&str]) -> Row {
    Row {
        params,
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
    }
}

/// The steps of the contract, in its order, for one tool.
pub fn in_order(tool: Tool) -> Vec<Row> {
    let Tool { name, argument, .. } = tool;
    let invalid = tool.invalid.unwrap_or("\u{202e}");
    let other = TOOLS.into_iter().find(|other| other.name != name);
    let other = other.map_or("", |other| other.argument);
    let call = |arguments: Value| json!({"name": name, "arguments": arguments});
    let mut rows = Vec::new();
    // 1. `name` not a string; the arguments are none either.
    for wrong in [json!(null), json!(7), json!([name]), json!({"name": name})] {
        rows.push(row(
            json!({"name": wrong, "arguments": 7}),
            &["`name` must be a string"],
        ));
    }
    rows.push(row(json!({"arguments": []}), &["`name` must be a string"]));
    // 2. Unknown tool; what it is called with is wrong, too.
    for wrong in ["", "tools/call", &name.to_uppercase(), &format!("{name} ")] {
        rows.push(row(
            json!({"name": wrong, "arguments": 7}),
            &["unknown tool", name],
        ));
    }
    // 3. `arguments` not an object.
    let no_object = ["`arguments` must be an object", name];
    rows.push(row(json!({"name": name}), &no_object));
    for wrong in [json!(null), json!("{}"), json!([]), json!(7)] {
        rows.push(row(call(wrong), &no_object));
    }
    // 4. The file is missing or no string; there is no justification.
    let no_file = format!("`{argument}` must be a string");
    let no_file = &[no_file.as_str(), name];
    rows.push(row(call(json!({})), no_file));
    rows.push(row(
        call(json!({other: tool.valid, "justification": ""})),
        no_file,
    ));
    for wrong in [json!(null), json!(7), json!([tool.valid]), json!({})] {
        rows.push(row(
            call(json!({argument: wrong, "justification": " "})),
            no_file,
        ));
    }
    // 5. No justification, or a blank one; the file is empty or invalid.
    let no_reason = ["`justification` must say why", name];
    for file in ["", invalid] {
        rows.push(row(call(json!({argument: file})), &no_reason));
        for wrong in [
            json!(null),
            json!(7),
            json!(["x"]),
            json!(""),
            json!(" \t\r\n"),
        ] {
            rows.push(row(
                call(json!({argument: file, "justification": wrong})),
                &no_reason,
            ));
        }
    }
    // 6. The file is empty; the justification is too long and hides something.
    let is_empty = format!("`{argument}` is empty");
    let is_empty = &[is_empty.as_str(), name];
    let bad_reason = format!("\u{202e}{}", "x".repeat(9 * 1024));
    for file in ["", " \n\t\r\n"] {
        rows.push(row(
            call(json!({argument: file, "justification": bad_reason})),
            is_empty,
        ));
    }
    // 7. The file is invalid.
    if let Some(file) = tool.invalid {
        rows.push(row(
            call(json!({argument: file, "justification": "needed"})),
            &[name, argument, "line 1"],
        ));
    }
    rows
}

/// The limits, and what hides from a reviewer, for one tool.
pub fn limits(tool: Tool) -> Vec<Row> {
    let Tool {
        name,
        argument,
        valid,
        ..
    } = tool;
    let call = |file: &str, why: &str| json!({"name": name, "arguments": {argument: file, "justification": why}});
    let mut rows = vec![
        row(
            call(&"#".repeat(128 * 1024 + 1), "needed"),
            &[name, argument, "131073 bytes", "Shorten"],
        ),
        row(
            call(&"#".repeat(64 * 1024), "needed"),
            &[name, argument, "65537 bytes", "in steps"],
        ),
        row(
            call(valid, &"x".repeat(8 * 1024 + 1)),
            &[name, "justification", "8193 bytes", "shorter"],
        ),
    ];
    for hidden in [
        '\u{0}', '\u{1b}', '\u{7f}', '\u{85}', '\u{200b}', '\u{200f}', '\u{202e}', '\u{2066}',
        '\u{feff}',
    ] {
        let place = format!("line 2, character 2: U+{:04X}", u32::from(hidden));
        let text = format!("#\n#{hidden}#\n");
        rows.push(row(call(&text, "needed"), &[name, argument, &place]));
        rows.push(row(
            call(valid, &format!("why\n?{hidden}")),
            &[name, "justification", &place],
        ));
    }
    rows
}

/// Files that an agent may send although they hold what it may not ask for: it stands there already.
pub fn accepted() -> Vec<Value> {
    let call = |name, argument: &str, file: &str| json!({"name": name, "arguments": {argument: file, "justification": "needed"}});
    let routes = r#"{"routes": [
      {"path": "/mcp/one/", "upstream": "https://one.example/mcp", "auth": null},
      {"path": "/new/", "upstream": "https://new.example"},
      {"path": "/plain/", "upstream": "http://plain.example", "plain": true}
    ]}"#;
    vec![
        call(
            "pipelock-block",
            "allowlist",
            ".github.io\nnew.example\n Declared.Example:8443\n",
        ),
        call("pipelock-block", "allowlist", "# only words\r\n\r\n"),
        call("cred-proxy-block", "routes", routes),
        call("cred-proxy-block", "routes", r#"{"routes": []}"#),
        call(
            "capability-block",
            "dockerfile",
            "FROM new\n# \u{200b}in force\nRUN true\n",
        ),
        // All of the limits, and no byte more.
        call("capability-block", "dockerfile", &"x".repeat(64 * 1024 - 1)),
        json!({"name": "capability-block", "arguments": {"dockerfile": "x", "justification": "y".repeat(8 * 1024)}}),
        // What is not asked for is no fault.
        json!({"name": "capability-block", "arguments": {"dockerfile": "x", "justification": "y", "more": 1}, "more": 1}),
    ]
}
