//! MCP servers, plugins and marketplaces of an agent's settings.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    #[schemars(schema_with = "schema::string_map::<32, 4096>")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Program of a stdio server.
    #[schemars(length(max = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Arguments of a stdio server; a narrower scope's list replaces the whole list.
    #[schemars(schema_with = "schema::strings::<128, 4096>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Environment of a stdio server. `${SECRET:NAME}` becomes the value of `spec.secrets.NAME`; the agent can read it.
    #[schemars(schema_with = "schema::string_map::<64, 4096>")]
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
    #[schemars(schema_with = "schema::string_map::<16, 2048>")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub source: BTreeMap<String, String>,
}
