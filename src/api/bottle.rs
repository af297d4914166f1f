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
    /// image. With agent.image in this Bottle, that is taken as built from it, and it is not built until a change of it is
    /// approved. Without, it is built before the agent's first start, whatever image a class names, and again when it is
    /// edited; the agent works on in its old image until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 131_072))]
    pub dockerfile: Option<String>,
    /// The directory that the agent works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// Running, or Suspended: the pod is gone, everything else is kept. Default Running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_mode: Option<OperatingMode>,
    /// How an approval of hosts or routes reaches the pod: Reload (default), or Roll, which replaces the whole pod; that
    /// needs a workspace that is kept, or one that may be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// How long questions and records live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposals: Option<Proposals>,
    /// How long a Bottle is kept after its agent has ended, well or not, such as `2h`: then it is deleted, and with it
    /// all that is its own, the workspace's claim too. Without it, it is kept.
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

/// The agent's working directory, and how long it lives; its HOME lives as long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Workspace {
    /// Size of a claim (PersistentVolumeClaim) for workspace and HOME, such as `10Gi`: both outlive the pod, and end
    /// with the Bottle. Without it they live as long as the pod. A claim that is there is neither resized nor removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub size: Option<String>,
    /// Storage class of that claim; without it the cluster's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub storage_class_name: Option<String>,
    /// Whether workspace and HOME may be lost with the pod where there is no claim. Without it a running pod is not
    /// replaced by the operator; the condition WorkspaceKept says what waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_loss: Option<bool>,
    /// Where the agent sees it; default `/bottle/workspace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::mount_path")]
    pub mount_path: Option<String>,
    /// Repository to clone into an empty workspace, before the agent's first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
}

/// A git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Git {
    /// URL without credentials: `http://cred-proxy:9099/<path>/…` for a route that has them, or `https://…` of a host
    /// that the allowlist has.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^https?://[^\s@?#\\]+$")
    )]
    pub url: String,
    /// Commit, tag or branch to start from; without it, what the repository's HEAD names.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")
    )]
    pub reference: Option<String>,
    /// Branch to create there for the agent's work, in the clone only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")
    )]
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
