//! MCP servers as the entries of a program's settings.

use super::{Place, RenderError, settings::Settings, template::entry};
use crate::api::{McpServer, ServerType, Servers};
use crate::names::mcp;
use serde_json::{Map, Value, json};

/// Every entry by its server's name, ours too.
pub(super) fn all(
    settings: &Settings,
    servers: &Servers,
    place: &Place,
) -> Result<Map<String, Value>, RenderError> {
    let mut entries = Map::new();
    for (name, server) in &settings.mcp_servers {
        let url = url(name, server, place)?;
        let template = match server.server_type() {
            Some(ServerType::Stdio) => &servers.stdio,
            _ => &servers.http,
        };
        entries.insert(name.clone(), one(template, name, url, server));
    }
    if settings.supervise.unwrap_or(true) {
        entries.insert(mcp::SERVER.to_owned(), supervise(servers, place));
    }
    Ok(entries)
}

/// A server's URL for the agent: with a token, cred-proxy's, which injects it; the query stays with the agent.
pub(super) fn url(
    name: &str,
    server: &McpServer,
    place: &Place,
) -> Result<Option<String>, RenderError> {
    let (Some(_), Some(url)) = (&server.token, &server.url) else {
        return Ok(server.url.clone());
    };
    let proxy = place
        .cred_proxy
        .ok_or_else(|| RenderError::TokenNeedsCredProxy(name.to_owned()))?;
    let query = url.find('?').map_or("", |at| &url[at..]);
    Ok(Some(format!("{proxy}/mcp/{name}/{query}")))
}

/// The bottle's own server.
pub(super) fn supervise(servers: &Servers, place: &Place) -> Value {
    one(
        &servers.supervise,
        mcp::SERVER,
        Some(place.supervise.to_owned()),
        &McpServer::default(),
    )
}

/// The content of a file, or of a variable, that holds these entries.
pub(super) fn content(servers: &Servers, entries: &Map<String, Value>) -> Value {
    let entries = if servers.list {
        Value::Array(entries.values().cloned().collect())
    } else {
        Value::Object(entries.clone())
    };
    json!({ servers.key.as_str(): entries })
}

fn one(template: &Value, name: &str, url: Option<String>, server: &McpServer) -> Value {
    let line = server.command.iter().chain(server.args.iter().flatten());
    let line: Vec<&String> = line.collect();
    let args = server.args.as_ref().filter(|args| !args.is_empty());
    let map =
        |map: &std::collections::BTreeMap<String, String>| (!map.is_empty()).then(|| json!(map));
    entry(
        template,
        &[
            ("name", Some(json!(name))),
            ("url", url.map(Value::String)),
            ("headers", map(&server.headers)),
            ("command", server.command.as_ref().map(|text| json!(text))),
            ("args", args.map(|args| json!(args))),
            ("commandLine", (!line.is_empty()).then(|| json!(line))),
            ("env", map(&server.env)),
        ],
    )
}
