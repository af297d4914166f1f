//! Why a Bottle can't have a pod, each with a sentence that says what to do.

use crate::{agents::RenderError, api::AgentKind, proposal::lifetimes::InvalidLifetime};

/// One reason, shown as the Ready condition's reason and message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// `spec.class` names nothing.
    #[error("there is no BottleClass {0}; create it, or correct spec.class")]
    UnknownClass(String),
    /// No kind in any scope.
    #[error("set spec.agent.kind, or a class that has one")]
    NoKind,
    /// No image in any scope.
    #[error(
        "set spec.agent.image to an image that holds {kind}, here or in a class, or the chart's value images.{kind}; examples/agents/{kind}.Dockerfile of bot-bottle's repository shows how to build one", kind = .0.as_str()
    )]
    NoImage(AgentKind),
    /// A custom agent without a command.
    #[error("an agent of kind {0:?} must name its command: set spec.agent.command")]
    NoCommand(AgentKind),
    /// A Dockerfile to be built where nobody builds.
    #[error(
        "spec.dockerfile is to be built, and no images are built here{0}; name the image that was made from it in spec.agent.image"
    )]
    NoBuilds(&'static str),
    /// One that can't be built.
    #[error("spec.dockerfile can't be built: {0}")]
    Dockerfile(String),
    /// A class without a claim.
    #[error(
        "spec.workspace.storageClassName needs spec.workspace.size; set it, or remove the class"
    )]
    ClassWithoutSize,
    /// A pod can't be replaced without losing what the agent has done.
    #[error(
        "spec.rollout Roll replaces the pod, and workspace and home would end with it: set spec.workspace.size for a claim, spec.workspace.acceptLoss, or use Reload"
    )]
    RollLosesWork,
    /// The agent's uid is one of ours.
    #[error("spec.agent.user {0} is reserved; use 1000 or above, but not 61000 to 61099")]
    ReservedUser(i64),
    /// Not a name of an environment variable.
    #[error("spec.agent.env has {0:?}, which is no name of an environment variable")]
    EnvironmentName(String),
    /// A line of the allowlist breaks a rule.
    #[error("spec.allowlist: {0}")]
    Allowlist(String),
    /// Not a duration.
    #[error(transparent)]
    Lifetime(InvalidLifetime),
    /// Not an address range.
    #[error("spec.egress.allowInternal has {0:?}, which is no address range such as 10.20.0.0/16")]
    Range(String),
    /// The engine Pipelock without an image.
    #[error(
        "spec.egress.engine is Pipelock, and this operator has no image of it: set the chart's value pipelock.image, or use Builtin"
    )]
    NoPipelock,
    /// What the engine Pipelock would silently not keep.
    #[error("{0} can't be kept by spec.egress.engine Pipelock; remove it, or use Builtin")]
    Pipelock(String),
    /// Not a proxy that ours can use.
    #[error("spec.egress.parentProxy must be http://HOST:PORT, without user, path and query")]
    ParentProxy,
    /// A path that is taken or not absolute.
    #[error(
        "{field} {path:?} must be absolute, without .., and outside the bottle's own directories"
    )]
    Path {
        /// The field.
        field: &'static str,
        /// Its value.
        path: String,
    },
    /// A route breaks a rule.
    #[error("spec.routes: {0}")]
    Routes(String),
    /// Not a NAME.
    #[error(
        "spec.secrets has {0:?}; a NAME has letters, digits and -._, and does not begin with a dot"
    )]
    SecretName(String),
    /// A host of a secret breaks a rule of an allowlist.
    #[error("spec.secrets.{name}.hosts: {error}")]
    SecretHosts {
        /// The NAME.
        name: String,
        /// The rule.
        error: String,
    },
    /// A secret would go where it never may.
    #[error(
        "{place} would send {name} to {host}, which spec.secrets.{name}.hosts does not list; correct one of them"
    )]
    SecretHost {
        /// The NAME.
        name: String,
        /// The upstream.
        host: String,
        /// Where it is used.
        place: String,
    },
    /// A secret with hosts would stand in the agent's home.
    #[error(
        "{place} gives {name} to the agent itself, so spec.secrets.{name}.hosts can't be kept; use another secret there"
    )]
    SecretInTheOpen {
        /// The NAME.
        name: String,
        /// Where it is used.
        place: String,
    },
    /// What belongs to a model without its secret.
    #[error(
        "spec.agent.modelApi and modelUpstream need spec.agent.modelSecret; set it, or remove them"
    )]
    ModelSecret,
    /// Nobody says which API the model has.
    #[error(
        "agents of kind {0:?} can use several models; set spec.agent.modelApi to Anthropic, OpenAI or Gemini"
    )]
    ModelApi(AgentKind),
    /// A secret without `spec.secrets.NAME`.
    #[error("secret {name} is used by {place} but not declared; add spec.secrets.{name}")]
    UndeclaredSecret {
        /// The NAME.
        name: String,
        /// Where it is used.
        place: String,
    },
    /// The settings can't be rendered.
    #[error(transparent)]
    Settings(RenderError),
    /// The ConfigMap would not fit.
    #[error(
        "the effective config has {0} bytes and does not fit into a ConfigMap; shorten the allowlist"
    )]
    TooLarge(usize),
    /// The rendered pod is not sealed: a mistake of ours, never of the Bottle.
    #[error(
        "the rendered pod is not sealed ({0}); this is a bug of the operator, please report it"
    )]
    NotSealed(String),
    /// An object of our name belongs to somebody else.
    #[error("{kind} {name} exists and is not this bottle's; remove it or rename the Bottle")]
    NameTaken {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

impl Problem {
    /// The Ready condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownClass(_) => "UnknownClass",
            Self::NoKind
            | Self::NoImage(_)
            | Self::NoCommand(_)
            | Self::ModelSecret
            | Self::ModelApi(_) => "Incomplete",
            Self::NoPipelock | Self::Pipelock(_) | Self::NoBuilds(_) => "Unsupported",
            Self::ReservedUser(_)
            | Self::EnvironmentName(_)
            | Self::Range(_)
            | Self::ParentProxy
            | Self::ClassWithoutSize
            | Self::RollLosesWork
            | Self::Dockerfile(_)
            | Self::Lifetime(_)
            | Self::Path { .. } => "InvalidSpec",
            Self::Allowlist(_) => "InvalidAllowlist",
            Self::Routes(_) => "InvalidRoutes",
            Self::SecretName(_)
            | Self::SecretHosts { .. }
            | Self::SecretHost { .. }
            | Self::SecretInTheOpen { .. } => "InvalidSecret",
            Self::UndeclaredSecret { .. } => "MissingSecret",
            Self::Settings(_) => "SettingsFailed",
            Self::TooLarge(_) => "ConfigTooLarge",
            Self::NotSealed(_) => "NotSealed",
            Self::NameTaken { .. } => "NameTaken",
        }
    }
}
