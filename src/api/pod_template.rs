//! `spec.podTemplate`: the paths of a pod that a Bottle may set.

use super::schema;
use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapVolumeSource, EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource,
    Toleration, TopologySpreadConstraint,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a Bottle may say about its pod. Nothing here can open the seal; what could is not here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels added to the pod; those of bot-bottle win.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<64, 63>")]
    pub labels: BTreeMap<String, String>,
    /// Annotations added to the pod; those of bot-bottle win.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<64, 4096>")]
    pub annotations: BTreeMap<String, String>,
    /// Labels that the node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::string_map::<64, 63>")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pod tolerates, as in any pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes_list")]
    pub tolerations: Vec<Toleration>,
    /// Affinity rules, as in any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub affinity: Option<Affinity>,
    /// How pods spread over the cluster, as in any pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes_list")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Priority class of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub priority_class_name: Option<String>,
    /// Further volumes for the agent, of harmless kinds only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub volumes: Vec<Volume>,
}

/// A volume that the agent mounts: exactly one of `configMap`, `emptyDir`, `persistentVolumeClaim`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.configMap), has(self.emptyDir), has(self.persistentVolumeClaim)].filter(x, x).size() == 1",
     "message": "name exactly one of configMap, emptyDir and persistentVolumeClaim"},
]))]
pub struct Volume {
    /// Name of the volume, unique in the bottle.
    #[schemars(
        length(min = 1, max = 56),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Where the agent sees it.
    #[schemars(schema_with = "schema::mount_path")]
    pub mount_path: String,
    /// Whether the agent may only read it.
    #[serde(default)]
    pub read_only: bool,
    /// A ConfigMap of the bottle's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub config_map: Option<ConfigMapVolumeSource>,
    /// An empty directory that lives as long as the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub empty_dir: Option<EmptyDirVolumeSource>,
    /// A claim of the bottle's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes_object")]
    pub persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource>,
}
