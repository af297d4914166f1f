//! CORE: agent programs, and the settings that each of them reads.
//!
//! [`render`] is the one place that writes an agent's settings; it is given the scopes builtin → class → bottle as
//! [`merge::merge`] has folded them into one, and knows programs only as data ([`kind`], or a class's own).

mod commands;
mod entries;
mod inject;
mod kinds;
pub mod merge;
pub mod model;
mod paths;
mod render;
pub mod secrets;
mod settings;
mod template;

pub use kinds::{kind, names};
pub use render::{Place, Rendered, render};
pub use settings::{Marketplace, McpServer, ServerType, Settings, Toggle};

/// Why settings can't be rendered; each sentence says what to do in the Bottle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// No scope names a kind.
    #[error("no agent kind is named: set agent.kind to one of {}", kinds::list())]
    NoKind,
    /// A kind that isn't in the table.
    #[error("agent kind {0:?} is not known: use one of {names}", names = kinds::list())]
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
    #[error("mcpServers.{0}.token needs cred-proxy, and this bottle has none: remove the token")]
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
    /// A program's own path leaves HOME.
    #[error(
        "agent.program names the path {0:?}: it must lie below HOME, without empty parts and dots"
    )]
    Path(String),
    /// The settings can't lie there.
    #[error("agent.settingsPath {0:?} must be a path below HOME, without empty parts and dots")]
    SettingsPath(String),
    /// The settings can't be moved.
    #[error("settings of kind {0} can't be moved: remove agent.settingsPath")]
    NoSettingsPath(String),
    /// The program has no such way.
    #[error(
        "agents of kind {kind} can't be given servers by {mode}: choose another agent.injection"
    )]
    InjectionUnsupported {
        /// The kind.
        kind: String,
        /// `flag`, `env` or `exec`.
        mode: &'static str,
    },
    /// A flag belongs to the kind's own command.
    #[error(
        "agent.injection flag changes the kind's own command: remove agent.command, or choose file"
    )]
    FlagNeedsOwnCommand,
    /// A secret would be readable outside the agent.
    #[error(
        "mcpServers.{server}.env uses a secret, which agent.injection {mode} would show in the pod: choose file"
    )]
    SecretNeedsFile {
        /// The server.
        server: String,
        /// The mode.
        mode: &'static str,
    },
    /// The program's command enters http servers only.
    #[error(
        "mcpServers.{0}: agent.injection exec enters http servers without headers only; choose file"
    )]
    ExecNeedsPlainServer(String),
    /// A prompt belongs to the kind's own command.
    #[error("agent.prompt belongs to the kind's own command: write it into agent.command or args")]
    PromptNeedsOwnCommand,
    /// The program takes no prompt.
    #[error("agents of kind {kind} take no prompt {how}: remove agent.prompt, or change agent.tty")]
    NoPrompt {
        /// The kind.
        kind: String,
        /// With a terminal or without.
        how: &'static str,
    },
    /// The model's key would have to be given to the agent.
    #[error("agent.modelSecret needs cred-proxy, and this bottle has none: remove it")]
    ModelNeedsCredProxy,
}
