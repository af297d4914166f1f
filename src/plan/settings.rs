//! What the operator itself was told at start-up: images, the cluster's own ranges, the builtin scope.

use crate::api::{AgentKind, BottleClassSpec};
use ipnet::IpNet;
use serde::Deserialize;
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
    /// Where images are built and pushed to; none: no approval of a Dockerfile can be carried out.
    pub builds: Option<Builds>,
    /// The runtime, where the bottle is one of this machine, and workspace and HOME outlive its pod; none: a cluster.
    pub runtime: Option<&'static str>,
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

/// How images are built: the chart's value `builds`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Builds {
    /// Registry, and a path in it, below which each namespace has a repository.
    pub registry: String,
    /// Whether it speaks plain HTTP.
    pub insecure: bool,
    /// Who builds.
    pub builder: Builder,
    /// Image with its programs: `buildah`, or `buildkitd`, `buildctl` and `runc`.
    pub image: String,
    /// When that image is pulled.
    pub pull_policy: String,
    /// Secret (type kubernetes.io/dockerconfigjson) in the bottle's namespace with which images are pushed.
    pub push_secret: String,
    /// The same with which bases and built images are pulled.
    pub pull_secret: String,
    /// ConfigMap in the bottle's namespace whose key `ca.crt` holds certificates that registries are trusted by, besides
    /// the web's own.
    pub ca_bundle: String,
    /// Images that may be built on, or beginnings of their names.
    pub bases: Vec<String>,
    /// Seconds for one build, pull and push included.
    pub timeout_seconds: i64,
    /// CPU that a build may use.
    pub cpu: String,
    /// Memory that a build may use.
    pub memory: String,
    /// Disk that a build may use.
    pub storage: String,
    /// On one machine: its Docker daemon builds and keeps what is built, nothing is pushed.
    #[serde(skip)]
    pub daemon: bool,
}

/// Who builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Builder {
    /// buildah, with chroot isolation.
    #[default]
    Buildah,
    /// BuildKit, its daemon in a user namespace.
    BuildKit,
}

impl Default for Builds {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            registry: String::new(),
            insecure: false,
            builder: Builder::default(),
            image: String::new(),
            pull_policy: text("IfNotPresent"),
            push_secret: String::new(),
            pull_secret: String::new(),
            ca_bundle: String::new(),
            bases: Vec::new(),
            timeout_seconds: 900,
            cpu: text("2"),
            memory: text("2Gi"),
            storage: text("10Gi"),
            daemon: false,
        }
    }
}

impl Builds {
    /// The repository of a namespace.
    pub fn repository(&self, namespace: &str) -> String {
        format!("{}/{namespace}", self.registry.trim_end_matches('/'))
    }

    /// What a bottle of the namespace is run in, by the digest that the build has reported; a daemon's by its id.
    pub fn image(&self, namespace: &str, digest: &str) -> String {
        if self.daemon {
            return digest.to_owned();
        }
        format!("{}@{digest}", self.repository(namespace))
    }

    /// Whether an image was built here for that namespace.
    pub fn made_for(&self, namespace: &str, image: &str) -> bool {
        if self.daemon {
            return image.starts_with("sha256:");
        }
        image.starts_with(&format!("{}@", self.repository(namespace)))
    }

    /// Whether an image was built here.
    pub fn made(&self, image: &str) -> bool {
        if self.daemon {
            return image.starts_with("sha256:");
        }
        image.starts_with(&format!("{}/", self.registry))
    }

    /// Whether an image is asked for without TLS.
    pub fn serves_insecurely(&self, image: &str) -> bool {
        self.insecure && image.starts_with(&format!("{}/", self.host()))
    }

    /// The registry's host and port.
    pub fn host(&self) -> &str {
        self.registry.split('/').next().unwrap_or_default()
    }
}
