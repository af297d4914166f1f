//! The settings of one scope (builtin, class or bottle), and the rules that hold once scopes are merged.

use super::{RenderError, secrets};
use crate::api::{BottleClassSpec, Injection, Model, ModelApi, Program};
pub use crate::api::{Marketplace, McpServer, ServerType, Toggle};
use crate::names;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an agent's settings files are made from: one scope, or all of them merged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Agent program: a name of the table, or `custom` for any other.
    pub kind: Option<String>,
    /// The program as data, instead of the table's.
    pub program: Option<Program>,
    /// How the program is given its servers.
    pub injection: Option<Injection>,
    /// Where its settings lie, below HOME.
    pub settings_path: Option<String>,
    /// Program and first arguments, instead of the kind's.
    pub command: Vec<String>,
    /// Further arguments.
    pub args: Vec<String>,
    /// The task, or the first message.
    pub prompt: Option<String>,
    /// Whether there is a terminal.
    pub tty: Option<bool>,
    /// Whether there are skills.
    pub skills: bool,
    /// NAME of the secret that pays for the model.
    pub model_secret: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's API.
    pub model_api: Option<ModelApi>,
    /// Whether the agent can propose changes to its own bottle; true when nobody says anything.
    pub supervise: Option<bool>,
    /// MCP servers by name.
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Plugins, each as `name@marketplace`.
    pub plugins: BTreeMap<String, Toggle>,
    /// Places that plugins come from, by name.
    pub marketplaces: BTreeMap<String, Marketplace>,
}

impl Settings {
    /// What a scope says about settings.
    pub fn of(scope: &BottleClassSpec) -> Self {
        let agent = scope.agent.clone();
        Self {
            kind: agent.kind.map(|kind| kind.as_str().to_owned()),
            program: agent.program.map(|program| *program),
            injection: agent.injection,
            settings_path: agent.settings_path,
            command: agent.command,
            args: agent.args,
            prompt: agent.prompt,
            tty: agent.tty,
            skills: !agent.skills.is_empty(),
            model_secret: agent.model_secret,
            model: agent.model,
            model_api: agent.model_api,
            supervise: scope.supervise,
            mcp_servers: scope.mcp_servers.clone(),
            plugins: scope.plugins.clone(),
            marketplaces: scope.marketplaces.clone(),
        }
    }
}

impl Settings {
    /// What the program needs for the model that `modelSecret` pays for; none for an API that it isn't known with.
    pub(super) fn paid_model<'a>(&self, program: &'a Program) -> Option<&'a Model> {
        let model = program.model.as_ref()?;
        let same = self.model_api.is_none() || self.model_api == model.api;
        (self.model_secret.is_some() && same).then_some(model)
    }
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
