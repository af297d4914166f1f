//! `seal.json`: what `seal` has to do before and while the agent runs.

pub use crate::api::{Format, ProjectFile};
use serde::{Deserialize, Serialize};

/// The instructions, written by `plan`; `prepare` resolves the secrets in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instructions {
    /// First start: program and arguments.
    pub start: Vec<String>,
    /// Start when there is a conversation to go on with; empty: always `start`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<String>,
    /// The word of `resume` that is the agent's prompt; what happened meanwhile is put before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Paths below HOME; one that exists and isn't empty means that there is a conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation: Vec<String>,
    /// HOME, a volume.
    pub home: String,
    /// The image's own home; absent: the one that passwd names for our uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_home: Option<String>,
    /// Sidecars whose ports must be served before the agent starts.
    pub sidecars: Vec<Sidecar>,
    /// Addresses (`ip:port`) that must refuse a direct connection at once, or there is no agent.
    pub wall: Vec<String>,
    /// Settings fragments to merge into files below HOME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fragments: Vec<Fragment>,
    /// Commands of the agent program that enter MCP servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<Exec>,
    /// What is cloned into an empty workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Repository>,
    /// What the workspace could bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// Skills to put below HOME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Skill>,
    /// A company's certificates, for programs that read one file of authorities only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Authorities>,
    /// Failures in a row after which `seal` gives up: exits 0 with the real code as termination message.
    pub max_restarts: u32,
}

/// A sidecar that must be up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sidecar {
    /// Its name, for messages.
    pub name: String,
    /// Its port on 127.0.0.1, where `GET /health` answers 200.
    pub port: u16,
}

/// One file of the agent's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fragment {
    /// Path below HOME, such as `.claude.json`.
    pub path: String,
    /// How the file is written.
    pub format: Format,
    /// What the file must hold: objects are merged by key at every depth, values of ours are set, lists are united.
    pub merge: serde_json::Value,
    /// Top-level keys whose entries are wholly ours by name: an entry replaces the file's one instead of being merged
    /// into it, is removed when it is no longer rendered, and its change by somebody else is reported. The entries are
    /// a map, or a list of objects that carry `name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
}

/// A git repository, for the first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// Where it comes from; without credentials.
    pub url: String,
    /// Commit, tag or branch; none: what its HEAD names.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Branch to make there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The workspace.
    pub directory: String,
}

/// A command of the agent program that enters an MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exec {
    /// Enters it.
    pub add: Vec<String>,
    /// Removes what stands there under its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// Where the workspace could bring servers of the same names as ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Project {
    /// The agent's working directory; those above it are looked at, too.
    pub directory: String,
    /// Files, relative to each of them.
    pub files: Vec<ProjectFile>,
    /// Names of all our servers.
    pub ours: Vec<String>,
    /// Those of them that a project can't get in front of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shielded: Vec<String>,
}

/// Authorities besides the image's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authorities {
    /// Mounted file with them.
    pub extra: String,
    /// Name of the file with the image's and these, in our own directory below HOME.
    pub bundle: String,
}

/// A skill for the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Skill {
    /// Mounted directory.
    pub from: String,
    /// Path below HOME.
    pub to: String,
}
