//! `BottleClass`: what many bottles share.

use super::{
    Agent, Egress, LocalReference, Marketplace, McpServer, PodTemplate, Proposals, Toggle,
    Workspace, schema,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Defaults for every bottle that names this class. Maps merge by key, a bottle's single values win.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bot-bottle.dev",
    version = "v1alpha1",
    kind = "BottleClass",
    plural = "bottleclasses",
    shortname = "btc",
    category = "bot-bottle",
    status = "BottleClassStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Defaults that many bottles share: image, MCP servers, hosts. Cluster-wide, for administrators.",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.agent.kind"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.agent.image"),
    printcolumn(name = "Bottles", type_ = "integer", json_path = ".status.bottles"),
    printcolumn(
        name = "Updated",
        type_ = "integer",
        json_path = ".status.updated",
        description = "Bottles that are as the class wants them"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase", default)]
pub struct BottleClassSpec {
    /// Defaults for the agent.
    pub agent: Agent,
    /// Whether the agents can ask for changes over MCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervise: Option<bool>,
    /// How many per cent of the class' bottles may lose their running agent at a time for a change of the class; at
    /// least one. Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub roll_percent: Option<u8>,
    /// MCP servers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<McpServer>")]
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Plugins, by `name@marketplace`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<Toggle>")]
    pub plugins: BTreeMap<String, Toggle>,
    /// Marketplaces, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::map_of::<Marketplace>")]
    pub marketplaces: BTreeMap<String, Marketplace>,
    /// Hosts that every bottle of the class may reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<4096, 300>")]
    pub allowlist: Vec<String>,
    /// How the allowlist is kept.
    pub egress: Egress,
    /// How long the workspaces live; a bottle's own fields win, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// How long questions and records live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposals: Option<Proposals>,
    /// Secrets that pull the agent's image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// RuntimeClass of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub runtime_class_name: Option<String>,
    /// Harmless parts of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// How far the class' last change has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BottleClassStatus {
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Bottles that name the class.
    pub bottles: u32,
    /// Those that are as the class wants them.
    pub updated: u32,
    /// Those whose agent is starting anew.
    pub rolling: u32,
    /// Those that still have the old settings.
    pub waiting: u32,
}
