//! MCP servers, plugins and marketplaces of an agent's settings.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An MCP server that the agent finds at start-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct McpServer {
    /// `false` takes a server of an outer scope out; `true` puts it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// `http` (with `url`) or `stdio` (with `command`).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<McpServerType>,
    /// Address of an http server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// Headers of an http server, by name. Not for credentials.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<32, 4096>")]
    pub headers: BTreeMap<String, String>,
    /// Program of a stdio server, in the agent's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub command: Option<String>,
    /// Arguments of a stdio server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 4096>")]
    pub args: Vec<String>,
    /// Environment of a stdio server. `${SECRET:NAME}` is replaced by the secret of that name when the settings
    /// are written: it then stands as plain text in the agent's home, because the agent's own process needs it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<64, 4096>")]
    pub env: BTreeMap<String, String>,
    /// NAME of the secret that an http server's token is. Refused until this version has the credential proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub token: Option<String>,
}

/// How an MCP server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum McpServerType {
    /// Streamable HTTP.
    Http,
    /// A child process of the agent.
    Stdio,
}

/// A plugin of the agent, `name@marketplace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Plugin {
    /// `false` takes a plugin of an outer scope out; default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A marketplace that plugins come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Marketplace {
    /// `false` takes a marketplace of an outer scope out; default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Where it lies, in the agent program's own words, such as `{source: github, repo: owner/name}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub source: Option<serde_json::Value>,
}
