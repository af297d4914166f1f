//! CORE: agent programs, and the settings that each of them reads.
//!
//! [`render`] is the one place that writes an agent's settings; it is given the scopes builtin → class → bottle as
//! [`merge::merge`] has folded them into one.

mod claude;
mod kinds;
pub mod merge;
pub mod model;
pub mod secrets;
mod settings;

pub use kinds::{Dialect, KINDS, Kind, kind};
pub use settings::{Marketplace, McpServer, ServerType, Settings, Toggle};

use crate::config::seal::Fragment;

/// Why settings can't be rendered; each sentence says what to do in the Bottle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// No scope names a kind.
    #[error("no agent kind is named: set agent.kind to one of {}", kinds::names())]
    NoKind,
    /// A kind that isn't in the table.
    #[error("agent kind {0:?} is not known: use one of {names}", names = kinds::names())]
    UnknownKind(String),
    /// A kind that reads no settings can't be given any.
    #[error(
        "agent kind {kind} reads no settings file that is known here: remove {key}, or choose another kind"
    )]
    NoSettingsFile {
        /// The kind.
        kind: String,
        /// The key of the Bottle that would be ignored.
        key: &'static str,
    },
    /// A name that an agent program would refuse or misread.
    #[error("mcpServers.{0}: a server's name has 1 to 64 letters, digits, '-' and '_'")]
    ServerName(String),
    /// The name of our own server.
    #[error("mcpServers.supervise is the bottle's own server: choose another name")]
    ReservedServer,
    /// Neither a URL nor a command.
    #[error("mcpServers.{server} needs {field}")]
    ServerIncomplete {
        /// The server.
        server: String,
        /// The missing field.
        field: &'static str,
    },
    /// A field that the server's type doesn't have.
    #[error("mcpServers.{server}.{field} means nothing for a server of type {kind}: remove it")]
    FieldOfOtherType {
        /// The server.
        server: String,
        /// The field.
        field: &'static str,
        /// `http` or `stdio`.
        kind: &'static str,
    },
    /// A URL that isn't one.
    #[error("mcpServers.{0}.url must begin with http:// or https://")]
    Url(String),
    /// A token would have to be written into the agent's home.
    #[error(
        "mcpServers.{0}.token needs cred-proxy, which can't serve MCP servers yet: remove the token"
    )]
    TokenNeedsCredProxy(String),
    /// A credential as a header would stand in the agent's home.
    #[error(
        "mcpServers.{server}.headers.{header} is a credential and would stand in the agent's home: use token"
    )]
    CredentialHeader {
        /// The server.
        server: String,
        /// The header.
        header: String,
    },
    /// `${SECRET:…}` in a place that isn't resolved.
    #[error("{0}: ${{SECRET:NAME}} is resolved in the env of a stdio server only")]
    SecretOutsideEnv(String),
    /// `${SECRET:` that is no reference.
    #[error("{0}: write a secret as ${{SECRET:NAME}}, NAME of letters, digits, '.', '-' and '_'")]
    MalformedSecret(String),
    /// A marketplace without a source.
    #[error("marketplaces.{0} needs source, such as {{source: github, repo: owner/name}}")]
    MarketplaceWithoutSource(String),
}

/// Every settings file of the agent, from the merged scopes. `working_dir` is where the agent runs.
pub fn render(settings: &Settings, working_dir: &str) -> Result<Vec<Fragment>, RenderError> {
    let name = settings.kind.as_deref().ok_or(RenderError::NoKind)?;
    let kind = kind(name)?;
    settings::check(settings)?;
    match kind.dialect {
        Dialect::Claude => Ok(claude::fragments(settings, working_dir)),
        Dialect::None => {
            for (key, empty) in [
                ("mcpServers", settings.mcp_servers.is_empty()),
                ("plugins", settings.plugins.is_empty()),
                ("marketplaces", settings.marketplaces.is_empty()),
            ] {
                if !empty {
                    let kind = name.to_owned();
                    return Err(RenderError::NoSettingsFile { kind, key });
                }
            }
            Ok(Vec::new())
        }
    }
}
