//! `spec.agent`: the coding agent and how it is started.

use super::{Program, schema};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The coding agent: which program, in which image, started how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.kind) || self.kind != 'custom' || (has(self.command) && size(self.command) > 0) || has(self.program)",
     "message": "an agent of kind custom must name its command, or its program"},
    {"rule": "!has(self.user) || self.user < 61000 || self.user > 61099",
     "message": "the user ids 61000 to 61099 belong to the sidecars; choose another"},
]))]
pub struct Agent {
    /// Which agent program this is: its settings files, its start and resume commands. `custom` is any other program
    /// (then `command` or `program` is required).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<AgentKind>,
    /// The program as data, for one that this version doesn't know or whose files have changed since: it stands
    /// instead of the kind's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<Box<Program>>,
    /// How the program is given its MCP servers: `file` (default) merges them into its own file, `flag` and `env`
    /// name a rendered file at its start, `exec` runs its own command for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injection: Option<Injection>,
    /// Image that holds the agent and its tools. Required, here or in the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// Program and first arguments; default: the kind's own command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 4096>")]
    pub command: Vec<String>,
    /// Further arguments, added to the command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 4096>")]
    pub args: Vec<String>,
    /// Environment of the agent, by name. Not for credentials: everything here is visible to the agent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<128, 4096>")]
    pub env: BTreeMap<String, String>,
    /// CPU and memory of the agent's container. A change is made in place where the cluster can resize pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// User id that the agent runs as; at least 1000, default 1000. The image should have a passwd line for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1000, max = 2_000_000_000))]
    pub user: Option<i64>,
    /// Directory that the agent starts in; default: the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub working_dir: Option<String>,
    /// The home directory inside the image whose files fill the agent's HOME; default: the one that the image's
    /// passwd file names for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub home: Option<String>,
    /// The task of a run without a terminal, or the first message with `tty`. A restart goes on with the last
    /// conversation and says it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub prompt: Option<String>,
    /// Whether the agent gets a terminal, to be reached by `kubectl attach -it`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tty: Option<bool>,
    /// Skills of the agent, each a directory from a ConfigMap, put where the kind looks for them at every start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub skills: Vec<Skill>,
    /// Where the agent's settings lie below HOME, when not at the kind's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub settings_path: Option<String>,
    /// NAME of the secret that pays for the model. The credential proxy sends it; the agent gets a dummy key and the
    /// proxy's address by the variables that its kind reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub model_secret: Option<String>,
    /// Name of the model, for kinds that must be told when `modelSecret` pays for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub model: Option<String>,
    /// API of that model: where its key goes. Default: the one that the kind speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_api: Option<ModelApi>,
    /// URL of that model, for a company's gateway; default: the vendor's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub model_upstream: Option<String>,
    /// Failures in a row after which the agent stays down and the bottle's phase is Failed; default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_restarts: Option<u32>,
}

/// How a program is given its MCP servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Injection {
    /// Merged into the program's own file.
    #[default]
    File,
    /// A flag of its command line.
    Flag,
    /// A variable.
    Env,
    /// Its own command, once for each server; a failure is a warning with the command to run by hand.
    Exec,
}

/// The agent programs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each is the name of a program")]
pub enum AgentKind {
    Claude,
    Codex,
    Gemini,
    Qwen,
    Opencode,
    Copilot,
    Droid,
    Amp,
    Vibe,
    Goose,
    Antigravity,
    Cursor,
    Custom,
}

impl AgentKind {
    /// The word in a Bottle.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Qwen => "qwen",
            Self::Opencode => "opencode",
            Self::Copilot => "copilot",
            Self::Droid => "droid",
            Self::Amp => "amp",
            Self::Vibe => "vibe",
            Self::Goose => "goose",
            Self::Antigravity => "antigravity",
            Self::Cursor => "cursor",
            Self::Custom => "custom",
        }
    }
}

/// Shapes of model APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModelApi {
    /// The key in `x-api-key`.
    Anthropic,
    /// The key as Bearer token.
    OpenAI,
    /// The key in `x-goog-api-key`.
    Gemini,
}

/// CPU and memory, as in any pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What the scheduler keeps free for the agent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What the agent may not exceed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// A skill: a directory of files from a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skill {
    /// Name of the skill's directory.
    #[schemars(length(min = 1, max = 63), extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// ConfigMap in the bottle's namespace that holds its files.
    #[schemars(length(min = 1, max = 253))]
    pub config_map: String,
}
