//! `egress.json`: what the proxies need besides the allowlist and the routes.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Egress {
    /// Ranges that would be refused as internal, and may be reached all the same.
    pub allow_internal: Vec<IpNet>,
    /// Ranges that are refused besides those of the registries: the cluster's own, from chart values.
    pub deny: Vec<IpNet>,
    /// A company's proxy that all traffic has to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_proxy: Option<String>,
}
