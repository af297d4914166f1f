//! What the operator itself was told at start-up: images, the cluster's own ranges, the builtin scope.

use crate::api::{AgentKind, BottleClassSpec};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// Chart values, as `plan` needs them.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Image of `prepare`, `supervise`, `egress`, `cred-proxy`; it also holds `seal`.
    pub supervise_image: String,
    /// `imagePullPolicy` of that image.
    pub pull_policy: String,
    /// The cluster's own ranges, refused by both proxies besides the registries' special ones.
    pub deny: Vec<IpNet>,
    /// The engine Pipelock; none: Bottles can't have it.
    pub pipelock: Option<Pipelock>,
    /// Images of agents whose Bottle and class name none, by kind.
    pub images: BTreeMap<AgentKind, String>,
    /// The outermost scope, below every class.
    pub builtin: BottleClassSpec,
}

/// Where the engine Pipelock comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipelock {
    /// Its image, unmodified.
    pub image: String,
    /// The program in it.
    pub program: String,
}
