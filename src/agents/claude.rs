//! Claude Code's settings files.

use super::settings::{McpServer, ServerType, Settings};
use crate::config::seal::{Format, Fragment};
use crate::names::mcp;
use serde_json::{Map, Value, json};

/// A day, in milliseconds: its own limits (60 s to the headers, 300 s without progress) are far below a person's.
const CALL_TIMEOUT_MS: u32 = 86_400_000;

/// `.claude.json` (state and user-scope servers) and `.claude/settings.json`.
pub(super) fn fragments(settings: &Settings, working_dir: &str) -> Vec<Fragment> {
    let supervise = settings.supervise.unwrap_or(true);
    let mut servers: Map<String, Value> = settings
        .mcp_servers
        .iter()
        .map(|(name, server)| (name.clone(), entry(server)))
        .collect();
    if supervise {
        // alwaysLoad: else the tools hide behind a search, and an agent that is stuck doesn't look for them.
        servers.insert(
            mcp::SERVER.to_owned(),
            json!({"type": "http", "url": mcp::URL, "timeout": CALL_TIMEOUT_MS, "alwaysLoad": true}),
        );
    }
    let mut state = Map::new();
    state.insert("mcpServers".to_owned(), Value::Object(servers));
    // First-run questions: one asks its vendor's host and ends the program when that is closed, one waits for a person.
    state.insert("hasCompletedOnboarding".to_owned(), Value::Bool(true));
    state.insert(
        "projects".to_owned(),
        json!({working_dir: {"hasTrustDialogAccepted": true}}),
    );

    let plugins: Map<String, Value> = settings
        .plugins
        .keys()
        .map(|name| (name.clone(), Value::Bool(true)))
        .collect();
    let marketplaces: Map<String, Value> = settings
        .marketplaces
        .iter()
        .map(|(name, place)| (name.clone(), json!({"source": place.source})))
        .collect();
    let mut user = Map::new();
    user.insert("enabledPlugins".to_owned(), Value::Object(plugins));
    user.insert(
        "extraKnownMarketplaces".to_owned(),
        Value::Object(marketplaces),
    );
    if supervise {
        // A headless run denies what nobody has allowed, without asking.
        user.insert(
            "permissions".to_owned(),
            json!({"allow": [format!("mcp__{}", mcp::SERVER)]}),
        );
    }

    vec![
        Fragment {
            path: ".claude.json".to_owned(),
            format: Format::Json,
            merge: Value::Object(state),
            entries: vec!["mcpServers".to_owned()],
        },
        Fragment {
            path: ".claude/settings.json".to_owned(),
            format: Format::Json,
            merge: Value::Object(user),
            entries: vec![
                "enabledPlugins".to_owned(),
                "extraKnownMarketplaces".to_owned(),
            ],
        },
    ]
}

fn entry(server: &McpServer) -> Value {
    let mut entry = Map::new();
    if server.server_type() == Some(ServerType::Http) {
        entry.insert("type".to_owned(), json!("http"));
        entry.insert("url".to_owned(), json!(server.url));
        if !server.headers.is_empty() {
            entry.insert("headers".to_owned(), json!(server.headers));
        }
    } else {
        entry.insert("type".to_owned(), json!("stdio"));
        entry.insert("command".to_owned(), json!(server.command));
        entry.insert(
            "args".to_owned(),
            json!(server.args.clone().unwrap_or_default()),
        );
        if !server.env.is_empty() {
            entry.insert("env".to_owned(), json!(server.env));
        }
    }
    Value::Object(entry)
}
