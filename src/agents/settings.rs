//! The settings of one scope (builtin, class or bottle), and the rules that hold once scopes are merged.

use super::{RenderError, secrets};
use crate::names;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an agent's settings files are made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Agent program: `claude`, or `custom` for any other.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether the agent can propose changes to its own bottle; true when nobody says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervise: Option<bool>,
    /// MCP servers by name.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Plugins, each as `name@marketplace`.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, Toggle>,
    /// Places that plugins come from, by name.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub marketplaces: BTreeMap<String, Marketplace>,
}

/// How an MCP server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerType {
    /// Streamable HTTP, at `url`.
    Http,
    /// A program of the agent's image, run by the agent.
    Stdio,
}

/// An MCP server of the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct McpServer {
    /// False removes a server that a wider scope brings, true adds one that it brings disabled. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// `http` or `stdio`; when absent, `http` for a server with a URL and `stdio` for one with a command.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServerType>,
    /// URL of an http server. Its host must be on the allowlist.
    #[schemars(length(max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers for an http server. No credentials: the agent can read them.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Program of a stdio server.
    #[schemars(length(max = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Arguments of a stdio server; a narrower scope's list replaces the whole list.
    #[schemars(length(max = 128), inner(length(max = 4096)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Environment of a stdio server. `${SECRET:NAME}` becomes the value of `spec.secrets.NAME`; the agent can read it.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// NAME in `spec.secrets` of an http server's token. It is sent by cred-proxy and never reaches the agent.
    #[schemars(length(max = 128))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl McpServer {
    /// Its type, said or told from its fields.
    pub fn server_type(&self) -> Option<ServerType> {
        self.kind.or(match (&self.url, &self.command) {
            (Some(_), _) => Some(ServerType::Http),
            (None, Some(_)) => Some(ServerType::Stdio),
            (None, None) => None,
        })
    }
}

/// A thing that is on or off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Toggle {
    /// False removes what a wider scope brings. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A place that plugins come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Marketplace {
    /// False removes what a wider scope brings. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Where it is, in the agent program's own words, such as `{source: github, repo: owner/name}`.
    #[schemars(extend("maxProperties" = 16))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub source: BTreeMap<String, String>,
}

/// Header names whose values are credentials, in lower case.
const CREDENTIAL_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
];

/// The rules for merged settings, whatever the kind.
pub(super) fn check(settings: &Settings) -> Result<(), RenderError> {
    for (name, server) in &settings.mcp_servers {
        check_server(name, server)?;
    }
    for (name, marketplace) in &settings.marketplaces {
        if marketplace.source.is_empty() {
            return Err(RenderError::MarketplaceWithoutSource(name.clone()));
        }
        for (key, value) in &marketplace.source {
            no_secret(&format!("marketplaces.{name}.source.{key}"), value)?;
        }
    }
    Ok(())
}

fn check_server(name: &str, server: &McpServer) -> Result<(), RenderError> {
    if name == names::mcp::SERVER {
        return Err(RenderError::ReservedServer);
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(RenderError::ServerName(name.to_owned()));
    }
    let incomplete = |field| RenderError::ServerIncomplete {
        server: name.to_owned(),
        field,
    };
    let (kind, foreign) = match server.server_type() {
        None => return Err(incomplete("url or command")),
        Some(ServerType::Http) => {
            check_http(name, server, incomplete("url"))?;
            let foreign = [
                ("command", server.command.is_some()),
                ("args", server.args.is_some()),
                ("env", !server.env.is_empty()),
            ];
            ("http", foreign)
        }
        Some(ServerType::Stdio) => {
            check_stdio(name, server, incomplete("command"))?;
            let foreign = [
                ("url", server.url.is_some()),
                ("headers", !server.headers.is_empty()),
                ("token", server.token.is_some()),
            ];
            ("stdio", foreign)
        }
    };
    match foreign.into_iter().find(|(_, present)| *present) {
        None => Ok(()),
        Some((field, _)) => Err(RenderError::FieldOfOtherType {
            server: name.to_owned(),
            field,
            kind,
        }),
    }
}

fn check_http(name: &str, server: &McpServer, no_url: RenderError) -> Result<(), RenderError> {
    let url = server.url.as_deref().ok_or(no_url)?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(RenderError::Url(name.to_owned()));
    }
    no_secret(&format!("mcpServers.{name}.url"), url)?;
    for (header, value) in &server.headers {
        if CREDENTIAL_HEADERS.contains(&header.to_ascii_lowercase().as_str()) {
            return Err(RenderError::CredentialHeader {
                server: name.to_owned(),
                header: header.clone(),
            });
        }
        no_secret(&format!("mcpServers.{name}.headers.{header}"), value)?;
    }
    // Never written as it is: cred-proxy will hold it.
    if server.token.is_some() {
        return Err(RenderError::TokenNeedsCredProxy(name.to_owned()));
    }
    Ok(())
}

fn check_stdio(name: &str, server: &McpServer, none: RenderError) -> Result<(), RenderError> {
    let command = server.command.as_deref().ok_or(none)?;
    no_secret(&format!("mcpServers.{name}.command"), command)?;
    for (index, argument) in server.args.iter().flatten().enumerate() {
        no_secret(&format!("mcpServers.{name}.args[{index}]"), argument)?;
    }
    for (variable, value) in &server.env {
        secrets::names_in(value).map_err(|_| {
            RenderError::MalformedSecret(format!("mcpServers.{name}.env.{variable}"))
        })?;
    }
    Ok(())
}

fn no_secret(place: &str, value: &str) -> Result<(), RenderError> {
    if secrets::names_in(value).is_ok_and(|names| names.is_empty()) {
        return Ok(());
    }
    Err(RenderError::SecretOutsideEnv(place.to_owned()))
}
