//! `BottleClass`: what many bottles share.

use super::{
    Agent, Egress, LocalReference, Marketplace, McpServer, PodTemplate, Proposals, Toggle, schema,
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
    derive = "PartialEq",
    derive = "Default",
    doc = "Defaults that many bottles share: image, MCP servers, hosts. Cluster-wide, for administrators.",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.agent.kind"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.agent.image"),
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
