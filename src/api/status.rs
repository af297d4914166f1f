//! `Bottle.status`.

use super::build::DeclaredBuild;
use super::schema::{self, Condition};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator and the bottle's sidecar report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BottleStatus {
    /// Where the bottle is in its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<BottlePhase>,
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, SettingsRendered, SettingsIntact, SecretsResolved, EgressLocked, ConfigEnforced, AgentFinished, ImageBuilt,
    /// WorkspaceKept: each with a sentence that says what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions::<16>")]
    pub conditions: Vec<Condition>,
    /// Hash of the effective config: what was declared and what was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub config_hash: Option<String>,
    /// Proposals that wait for a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_proposals: Option<u32>,
    /// Declared hosts that a granted removal hides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 300>")]
    pub hidden: Vec<String>,
    /// Name of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pod_name: Option<String>,
    /// Image that the agent runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// What has become of `spec.dockerfile`, where it is built before the agent's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<DeclaredBuild>,
    /// The last Event about hosts that the agent was refused; no other follows for some minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denials_told: Option<DenialsTold>,
    /// What the bottle's own sidecar reports; nobody else writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<Sidecar>,
}

/// Where a bottle is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BottlePhase {
    /// Something is missing before there can be a pod; the Ready condition says what.
    Pending,
    /// The agent's image is being built.
    Building,
    /// The pod is on its way.
    Starting,
    /// The agent runs.
    Running,
    /// Taken down by `spec.operatingMode`.
    Suspended,
    /// The agent ended with success.
    Finished,
    /// The agent failed too often, or can't start.
    Failed,
}

/// Written by the `supervise` sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Sidecar {
    /// Counts the sidecar's starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Hash of the config that every sidecar enforces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub enforced_hash: Option<String>,
    /// Sidecars that don't enforce the newest config yet, 30 seconds after it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub lagging: Option<String>,
    /// Hosts that the agent was refused, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub denials: Vec<Denial>,
    /// What happened to the agent's settings at its last start, in the agent's own words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<20, 512>")]
    pub settings: Vec<String>,
}

/// A host that the agent was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Denial {
    /// The host, as the agent wrote it, in lower case. An agent chooses it, so it is nothing but the letters of one.
    #[schemars(length(max = 253), regex(pattern = r"^[a-z0-9._:\[\]-]*$"))]
    pub host: String,
    /// The port.
    pub port: u16,
    /// Why it was refused, in one word: HostNotListed, PortNotListed, AddressLiteral, InternalAddress, HostsDisagree,
    /// H2c, NotTls, OtherName.
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z0-9]*$"))]
    pub reason: String,
    /// How often, up to when it was reported.
    pub count: u64,
    /// The last time, up to when it was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_at: Option<Timestamp>,
}

/// The last Event about refused hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DenialsTold {
    /// When it was made.
    #[schemars(schema_with = "schema::time")]
    pub at: Timestamp,
    /// The last refusal in it.
    #[schemars(schema_with = "schema::time")]
    pub until: Timestamp,
}
