//! Schema helpers: bounds on maps and lists, and shapes that Kubernetes owns.

use jiff::Timestamp;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One observation about an object, as `kubectl describe` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about, in CamelCase.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: String,
    /// True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// One CamelCase word for programs.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// A sentence for people: what is, and what to do next.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// When `status` last changed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// The generation of the object that this was said about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Characters of a map's key: as many as Kubernetes allows a label's, the longest of ours.
const KEY: u32 = 317;

/// A list of at most `ITEMS` conditions, merged by type in a server-side apply.
pub(super) fn conditions<const ITEMS: u32>(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<Condition>();
    json_schema!({
        "type": "array",
        "maxItems": ITEMS,
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}

/// Bounds a map's keys; `propertyNames` is not allowed in a CRD.
fn key_rule() -> serde_json::Value {
    serde_json::json!([{
        "rule": format!("self.all(k, size(k) <= {KEY})"),
        "message": format!("a key may have at most {KEY} characters"),
    }])
}

/// A map of at most 64 `T`, by name.
pub(super) fn map_of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<T>();
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": value,
        "x-kubernetes-validations": key_rule(),
    })
}

/// A map of strings of at most `ENTRIES` entries, each value of at most `VALUE` characters.
pub(super) fn string_map<const ENTRIES: u32, const VALUE: u32>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": ENTRIES,
        "additionalProperties": {"type": "string", "maxLength": VALUE},
        "x-kubernetes-validations": key_rule(),
    })
}

/// A map of quantities such as `500m` or `2Gi`; a bare number is taken too.
pub(super) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 64,
        },
        "x-kubernetes-validations": key_rule(),
    })
}

/// A size as Kubernetes writes it, above zero.
pub(super) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "pattern": "^[1-9][0-9]*([.][0-9]+)?([KMGTPE]i|[kMGTPE])?$",
    })
}

/// Where the agent sees a volume: a path that says where it leads, and none that hides a part of the seal. Two
/// slashes or a dot would lead to the same place past the second rule.
pub(super) fn mount_path(_: &mut SchemaGenerator) -> Schema {
    let taken = "^/(run/bottle|etc/claude-bottle|bottle/home|var/run|proc|sys|dev)(/|$)";
    json_schema!({
        "type": "string",
        "minLength": 2,
        "maxLength": 1024,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^(/[^/:]+)+$') && !self.matches('/[.][.]?(/|$)')",
            "message": "mountPath must be absolute, without empty parts, dots as parts, colons or a slash at the end",
        }, {
            "rule": format!("!self.matches('{taken}')"),
            "message": "mountPath must be outside /run/bottle, /etc/claude-bottle, /bottle/home, /var/run, /proc, /sys and /dev",
        }],
    })
}

/// A list of at most `ITEMS` strings of at most `LENGTH` characters.
pub(super) fn strings<const ITEMS: u32, const LENGTH: u32>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": ITEMS,
        "items": {"type": "string", "maxLength": LENGTH},
    })
}

/// A list that Kubernetes itself validates when the pod is made.
pub(super) fn kubernetes_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}

/// An object that Kubernetes itself validates when the pod is made.
pub(super) fn kubernetes_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A point in time, RFC 3339.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 64})
}
