//! What a bottle reaches: the egress engine and the credential proxy's routes.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the allowlist is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Egress {
    /// Which proxy keeps the allowlist; default Builtin. Pipelock needs an image that the
    /// operator was told, and refuses allowInternal, parentProxy and entries with a port; its entry `.x` opens `x` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// Internal ranges, such as `10.20.0.0/16`, that hosts of the allowlist may resolve to. Without it every
    /// private, loopback, link-local and cluster address is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 64>")]
    pub allow_internal: Vec<String>,
    /// ConfigMap whose key `ca.crt` holds a company's certificates. cred-proxy trusts them besides the web's own; the
    /// agent finds them at /run/bottle/ca/ca.crt. Both read them when they start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub ca_bundle: Option<String>,
    /// A company's proxy that all traffic has to take, `http://HOST:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub parent_proxy: Option<String>,
}

/// Egress engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// The `supervise egress` role.
    Builtin,
    /// The pipelock program.
    Pipelock,
}

/// A route of the credential proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Path prefix under `http://cred-proxy:9099`, with a slash at both ends; it names the route.
    #[schemars(length(min = 2, max = 256))]
    pub path: String,
    /// URL that the prefix stands for.
    #[schemars(length(min = 1, max = 2048))]
    pub upstream: String,
    /// Credential that is injected; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

/// How a credential is injected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// `Bearer`, `token` or `Basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Bearer", "token", "Basic"]))]
    pub scheme: Option<String>,
    /// Name of the header that carries the credential, instead of a scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub header: Option<String>,
    /// Value of that header, with `{secret}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub template: Option<String>,
    /// Name of the query parameter that carries the credential, instead of a scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub query: Option<String>,
    /// User name for Basic when the secret has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub user: Option<String>,
    /// NAME of the secret, one of `spec.secrets`.
    #[schemars(length(min = 1, max = 128))]
    pub secret: String,
}
