//! `Bottle`: one sealed agent.

use super::{
    Agent, BottleStatus, Egress, Marketplace, McpServer, PodTemplate, Route, Toggle, schema,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the bottle holds and what it may reach. The operator never edits this: approvals live in Proposals.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bot-bottle.dev",
    version = "v1alpha1",
    kind = "Bottle",
    namespaced,
    shortname = "bt",
    category = "bot-bottle",
    status = "BottleStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A coding agent sealed in a pod: it reaches only the hosts of its allowlist and asks for more by Proposals.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Pending",
        type_ = "integer",
        json_path = ".status.pendingProposals",
        description = "Proposals that wait for a decision"
    ),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.agent.kind"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Image",
        type_ = "string",
        json_path = ".status.image",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase", default)]
pub struct BottleSpec {
    /// Name of the BottleClass whose settings stand below this bottle's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub class: Option<String>,
    /// The agent.
    pub agent: Agent,
    /// Whether the agent can ask for changes over MCP; default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervise: Option<bool>,
    /// MCP servers, by name, merged over those of the class.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<McpServer>")]
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Plugins, by `name@marketplace`, merged over those of the class.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<Toggle>")]
    pub plugins: BTreeMap<String, Toggle>,
    /// Marketplaces, by name, merged over those of the class.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<Marketplace>")]
    pub marketplaces: BTreeMap<String, Marketplace>,
    /// Secrets that this bottle may use, by NAME. The operator never reads them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<Secret>")]
    pub secrets: BTreeMap<String, Secret>,
    /// Hosts that the agent may reach: `api.example.com` (ports 80 and 443), `.example.com` (everything below it),
    /// `host:8443` (that port only). Approved Proposals add to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<4096, 300>")]
    pub allowlist: Vec<String>,
    /// Routes of the credential proxy, `http://cred-proxy:9099/<path>/…`. Approved Proposals add to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub routes: Vec<Route>,
    /// How the allowlist is kept.
    pub egress: Egress,
    /// The Dockerfile of the agent's image, as the agent may see and change it; without it the agent sees FROM and its
    /// image. It is not built until an agent's change of it is approved: agent.image names what was built from it, and
    /// without that it is refused until this version builds declared ones, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 131_072))]
    pub dockerfile: Option<String>,
    /// The directory that the agent works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// Running, or Suspended: the pod is gone, everything else is kept. Default Running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_mode: Option<OperatingMode>,
    /// How an approval reaches the pod: Reload (default) or Roll. Roll is refused until this version does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// How long questions and records live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposals: Option<Proposals>,
    /// How long a finished bottle is kept, such as `2h`. Refused until this version deletes finished bottles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub ttl_after_finished: Option<String>,
    /// Secrets that pull the agent's image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// RuntimeClass of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub runtime_class_name: Option<String>,
    /// Harmless parts of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// A Secret of the bottle's namespace, under a NAME of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// Key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// The only upstream hosts that it may ever be sent to, whoever approves, in the form of `allowlist`. None: any
    /// that a person approves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 300>")]
    pub hosts: Vec<String>,
}

/// The agent's working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Workspace {
    /// Size of a claim for it, such as `10Gi`. Refused until this version makes claims; without it the workspace
    /// lives as long as the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub size: Option<String>,
    /// Storage class of that claim. Refused until this version makes claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
    /// Where the agent sees it; default `/bottle/workspace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::mount_path")]
    pub mount_path: Option<String>,
    /// Repository to clone at the first start. Refused until this version has the credential proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
}

/// A git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Git {
    /// URL, through the credential proxy.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// Commit, tag or branch to start from.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reference: Option<String>,
    /// Branch to create for the agent's work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub branch: Option<String>,
}

/// Whether the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OperatingMode {
    /// The pod runs.
    Running,
    /// The pod is gone, everything else is kept.
    Suspended,
}

/// How an approval reaches the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rollout {
    /// The sidecars take the new config while everything runs.
    Reload,
    /// The whole pod is replaced.
    Roll,
}

/// Life times of proposals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Proposals {
    /// How long a question waits before it expires, such as `24h`; without it, for as long as it
    /// takes.
    #[serde(rename = "pendingTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pending_ttl: Option<String>,
    /// How long a closed proposal is kept, such as `30d`, which is the default. A grant in force is never
    /// removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub retention: Option<String>,
}

/// The name of an object in the bottle's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
