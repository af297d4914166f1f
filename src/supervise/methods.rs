//! The MCP methods: what is answered from the view alone, and which calls have to wait; pure.

use super::rpc::{INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, Request, RpcError};
use super::tools::{Question, Tool, validate};
use super::view::View;
use crate::names::mcp;
use serde_json::{Value, json};

/// Protocol versions that we speak, the oldest first.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// For the agent, besides the tools' own descriptions.
const INSTRUCTIONS: &str = "This container can reach only what a person has allowed. When something is refused or \
     missing, call the tool that the refusal names, with the complete new file and the reason. A person decides; \
     the call returns when the decision is in force.";

/// What a request needs.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// Nothing more.
    Now(Result<Value, RpcError>),
    /// A blocked call.
    Call(Question),
}

/// Answers one request.
pub fn handle(request: &Request, view: &View) -> Reply {
    let params = match request.params() {
        Ok(params) => params,
        Err(error) => return Reply::Now(Err(error)),
    };
    Reply::Now(match request.method.as_str() {
        "initialize" => Ok(initialize(&params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": Tool::ALL.map(Tool::describe)})),
        "tools/call" => match validate(&params, view) {
            Ok(question) => return Reply::Call(question),
            Err(error) => Err(error),
        },
        "resources/list" => Ok(json!({"resources": resources(view)})),
        "resources/read" => read(&params, view),
        _ => Err(RpcError::new(METHOD_NOT_FOUND, "unknown method")),
    })
}

fn initialize(params: &Value) -> Value {
    let version = match params.get("protocolVersion").and_then(Value::as_str) {
        None => VERSIONS[0],
        Some(asked) => VERSIONS
            .into_iter()
            .find(|known| *known == asked)
            .unwrap_or(VERSIONS[VERSIONS.len() - 1]),
    };
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}, "resources": {}},
        "serverInfo": {"name": mcp::SERVER_INFO_NAME, "version": env!("CARGO_PKG_VERSION")},
        "instructions": INSTRUCTIONS,
    })
}

fn uri(tool: Tool) -> String {
    format!("file://{}", tool.current_path())
}

fn mime(tool: Tool) -> &'static str {
    match tool {
        Tool::CredProxyBlock => "application/json",
        Tool::PipelockBlock | Tool::CapabilityBlock => "text/plain",
    }
}

fn resource(tool: Tool) -> Value {
    json!({
        "uri": uri(tool),
        "name": tool.file_name(),
        "description": format!("The file in force that {} changes.", tool.name()),
        "mimeType": mime(tool),
    })
}

/// The three files; and what was answered, while an answer waits.
fn resources(view: &View) -> Vec<Value> {
    let mut list = Tool::ALL.map(resource).to_vec();
    if !view.answers().is_empty() {
        list.push(json!({
            "uri": mcp::ANSWERS,
            "name": "answers",
            "description": "What a person has decided about calls that ended before they were answered.",
            "mimeType": "text/plain",
        }));
    }
    list
}

fn read(params: &Value, view: &View) -> Result<Value, RpcError> {
    let wanted = params
        .get("uri")
        .and_then(Value::as_str)
        .ok_or_else(|| RpcError::new(INVALID_PARAMS, "`uri` must be a string"))?;
    if wanted == mcp::ANSWERS {
        let text = view.answers();
        return Ok(json!({"contents": [{"uri": wanted, "mimeType": "text/plain", "text": text}]}));
    }
    let tool = Tool::ALL
        .into_iter()
        .find(|tool| uri(*tool) == wanted)
        .ok_or_else(|| {
            RpcError::new(
                RESOURCE_NOT_FOUND,
                "unknown resource; resources/list names those that there are",
            )
        })?;
    Ok(json!({"contents": [{"uri": uri(tool), "mimeType": mime(tool), "text": view.file(tool)}]}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;
    use crate::config::decisions::{Answer, Decided, Decisions};
    use crate::supervise::rpc::{Message, parse};

    fn call(method: &str, params: &Value) -> Result<Value, RpcError> {
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let Ok(Message::Request(request)) = parse(body.as_bytes()) else {
            panic!("{body}")
        };
        let files = Files {
            routes: "r".to_owned(),
            allowlist: "a.example\n".to_owned(),
            dockerfile: "FROM x".to_owned(),
            egress: String::new(),
        };
        match handle(&request, &View::new(Some(files), String::new())) {
            Reply::Now(result) => result,
            Reply::Call(question) => panic!("{question:?}"),
        }
    }

    #[test]
    fn the_clients_protocol_version_is_taken_when_it_is_known() {
        let version =
            |params: Value| call("initialize", &params).unwrap()["protocolVersion"].clone();
        for known in VERSIONS {
            assert_eq!(version(json!({"protocolVersion": known})), known);
        }
        assert_eq!(
            version(json!({"protocolVersion": "2026-07-28"})),
            "2025-11-25"
        );
        assert_eq!(version(json!({})), "2024-11-05");
        assert_eq!(version(Value::Null), "2024-11-05");
    }

    #[test]
    fn initialize_names_the_server_and_what_it_has() {
        let result = call("initialize", &json!({})).unwrap();
        assert_eq!(result["serverInfo"]["name"], "claude-bottle-supervise");
        assert_eq!(
            result["capabilities"],
            json!({"tools": {"listChanged": false}, "resources": {}})
        );
    }

    #[test]
    fn the_three_files_are_resources() {
        let list = call("resources/list", &json!({})).unwrap();
        let uris: Vec<_> = list["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["uri"].as_str().unwrap())
            .collect();
        let base = "file:///etc/claude-bottle/current-config";
        assert_eq!(
            uris,
            ["routes.json", "allowlist", "Dockerfile"].map(|name| format!("{base}/{name}"))
        );
        for (uri, text) in uris.iter().zip(["r", "a.example\n", "FROM x"]) {
            let read = call("resources/read", &json!({"uri": uri})).unwrap();
            assert_eq!(
                (&read["contents"][0]["uri"], &read["contents"][0]["text"]),
                (&json!(uri), &json!(text))
            );
        }
        let code = |params| call("resources/read", &params).unwrap_err().code;
        assert_eq!(code(json!({"uri": "file:///etc/passwd"})), -32002);
        assert_eq!(code(json!({"uri": 7})), -32602);
        assert_eq!(code(json!({})), -32602);
    }

    #[test]
    fn what_was_answered_is_a_resource_while_it_waits_and_is_in_force() {
        let of = |enforced: bool, status: Answer| {
            let decided = Decided {
                proposal: "blue-0123456789ab".into(),
                uid: "u".into(),
                asked: 1,
                status,
                notes: "for a week".into(),
                final_file: Some("b.example\n".into()),
            };
            let decisions = Decisions {
                decisions: vec![decided],
                ..Decisions::default()
            };
            let mut view = View::new(None, String::new()).with_decisions(decisions);
            view.enforced = enforced;
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": mcp::ANSWERS}});
            let Ok(Message::Request(request)) = parse(body.to_string().as_bytes()) else {
                panic!("{body}")
            };
            let Reply::Now(Ok(result)) = handle(&request, &view) else {
                panic!("{body}")
            };
            let text = result["contents"][0]["text"].as_str().unwrap().to_owned();
            (resources(&view).len(), text)
        };
        let said = |status: &str| format!("- status: {status}\n  notes: for a week\n");
        assert_eq!(of(true, Answer::Approved), (4, said("approved")));
        assert_eq!(of(true, Answer::Modified), (4, said("modified")));
        // Never before the sidecars enforce it; a rejection opens nothing.
        assert_eq!(of(false, Answer::Approved), (3, String::new()));
        assert_eq!(of(false, Answer::Rejected), (4, said("rejected")));
        assert_eq!(resources(&View::default()).len(), 3);
    }

    #[test]
    fn ping_is_empty_and_an_unknown_method_is_named_so() {
        assert_eq!(call("ping", &json!({})), Ok(json!({})));
        for method in ["server/discover", "prompts/list", "", "Tools/List"] {
            assert_eq!(
                call(method, &json!({})).unwrap_err().code,
                METHOD_NOT_FOUND,
                "{method}"
            );
        }
    }
}
