//! `record.yaml`: what this machine knows about a bottle and no cluster would: its runtime, its directories.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How an agent is run here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Its own user, mount, pid and network namespace, by bubblewrap (Linux).
    #[default]
    Sandbox,
    /// Containers of Docker or Podman: the same pod as in a cluster.
    Docker,
    /// Ordinary processes of this user: nothing is isolated.
    Process,
}

impl Runtime {
    /// The word in messages and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// One bottle's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// How the agent is run.
    pub runtime: Runtime,
    /// The daemon's socket, of the runtime docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<PathBuf>,
    /// The image of the bottle's own containers, of the runtime docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervise_image: Option<String>,
    /// A person said that this machine's programs stand for the image that the Bottle names.
    pub host_programs: bool,
    /// The directory that is the workspace; without it the bottle has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
    /// Files and directories of this machine that the agent may read besides the system's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<PathBuf>,
    /// Hosts with a fixed address, `HOST=IP[:PORT]`: for demos and tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolve: Vec<String>,
    /// Whether the workspace's start-up files are read-only and `.git/config` is a private copy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
}
