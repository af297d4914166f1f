//! Flags and environment of the roles `mcp` and `report`.

use super::store::kubernetes::{ConnectError, Kubernetes};
use super::store::queue::OpenError;
use super::store::socket::Remote;
use crate::config_directory;
use crate::names::{env, path, port};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use thiserror::Error;

/// What the roles `mcp` and `report` have in common.
#[derive(Clone, Debug, clap::Args)]
pub struct Sidecar {
    /// Name of the bottle.
    #[arg(long, env = env::BOTTLE_SLUG)]
    pub bottle: Option<String>,
    /// Uid of the Bottle object; with it proposals are Kubernetes objects.
    #[arg(long, env = env::BOTTLE_UID, requires = "namespace")]
    pub bottle_uid: Option<String>,
    /// Namespace of the Bottle object.
    #[arg(long, env = env::NAMESPACE, requires = "bottle_uid")]
    pub namespace: Option<String>,
    /// Socket on which the proposals of a Bottle outside Kubernetes are kept.
    #[arg(long, env = env::STORE, value_name = "SOCKET", requires = "bottle_uid")]
    pub store: Option<PathBuf>,
    /// Directory of the config, read-only.
    #[arg(long, env = "SUPERVISE_CONFIG_DIR", default_value = path::CONFIG)]
    pub config: PathBuf,
    /// Directory of the hashes that the sidecars enforce.
    #[arg(long, env = "SUPERVISE_STATE_DIR", default_value = path::STATE)]
    pub state: PathBuf,
    /// Roles that must enforce a config before it counts as in force; default: egress in a cluster, none with a queue,
    /// whose decisions are the word that they are in force.
    #[arg(long, env = "SUPERVISE_ENFORCERS", value_delimiter = ',')]
    pub enforcers: Option<Vec<String>>,
    /// Volume shared with pipelock, when it keeps the allowlist: its config is written there, and its enforcement is
    /// reported for the role egress.
    #[arg(long, value_name = "DIR", requires = "bottle_uid")]
    pub pipelock: Option<PathBuf>,
}

/// `supervise mcp`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Whose proposals, and where the config is.
    #[command(flatten)]
    pub sidecar: Sidecar,
    /// Address to serve on; in a pod the loopback.
    #[arg(long, env = "SUPERVISE_BIND", default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// Port to serve on.
    #[arg(long, env = "SUPERVISE_PORT", default_value_t = port::SUPERVISE)]
    pub port: u16,
    /// Directory of the proposals, outside Kubernetes.
    #[arg(
        long,
        env = "SUPERVISE_QUEUE_DIR",
        default_value = "/run/supervise/queue"
    )]
    pub queue_dir: PathBuf,
    /// Seconds that a call may take without an event stream.
    #[arg(long, default_value_t = 45, value_name = "SECONDS")]
    pub max_wait: u64,
    /// Seconds that a call may take over an event stream without a progress token.
    #[arg(long, default_value_t = 170, value_name = "SECONDS")]
    pub max_stream_wait: u64,
    /// Proposals that may wait for a decision (queue only).
    #[arg(long, default_value_t = 20)]
    pub max_pending: usize,
    /// New proposals in an hour (queue only).
    #[arg(long, default_value_t = 30)]
    pub max_hourly: usize,
    /// Log each request.
    #[arg(long, env = "SUPERVISE_DEBUG", value_parser = clap::builder::FalseyValueParser::new())]
    pub debug: bool,
}

/// Why a role doesn't start.
#[derive(Debug, Error)]
pub enum Error {
    /// Nobody said whose proposals these are.
    #[error(
        "{} is not set: it must name the bottle that this sidecar belongs to",
        env::BOTTLE_SLUG
    )]
    NoBottle,
    /// The name becomes a part of file and object names.
    #[error(
        "{} must be letters, digits and `-._`, begin with a letter or digit, and have at most 63 characters",
        env::BOTTLE_SLUG
    )]
    BadBottle,
    /// The role `report` without a Bottle.
    #[error(
        "{} and {} are not set: the role needs a Bottle to report to",
        env::BOTTLE_UID,
        env::NAMESPACE
    )]
    NoBottleObject,
    /// The config or the state directory can't be used.
    #[error("the config or state directory can't be used")]
    Directory(#[from] config_directory::Error),
    /// The queue can't be used.
    #[error("the queue directory can't be used")]
    Queue(#[from] OpenError),
    /// The API server can't be used.
    #[error("Kubernetes can't be used")]
    Kubernetes(#[from] ConnectError),
    /// The port is taken, or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Signals can't be received.
    #[error("can't receive signals")]
    Signals(#[source] io::Error),
}

impl Sidecar {
    /// The bottle's name, safe as a part of a file's name.
    pub(super) fn bottle(&self) -> Result<String, Error> {
        let name = self
            .bottle
            .clone()
            .filter(|name| !name.is_empty())
            .ok_or(Error::NoBottle)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if name.len() <= 63 && begins && name.bytes().all(plain) {
            Ok(name)
        } else {
            Err(Error::BadBottle)
        }
    }

    /// The Bottle's objects, when somebody on this machine keeps them.
    pub(super) fn socket(&self) -> Option<Remote> {
        let path = self.store.clone();
        path.filter(|path| !path.as_os_str().is_empty())
            .map(Remote::new)
    }

    /// The Bottle's objects, when it is one.
    pub(super) fn kubernetes(&self) -> Result<Option<Kubernetes>, Error> {
        let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let (Some(uid), Some(namespace)) = (set(&self.bottle_uid), set(&self.namespace)) else {
            return Ok(None);
        };
        Ok(Some(Kubernetes::in_cluster(
            &namespace,
            &self.bottle()?,
            &uid,
        )?))
    }

    /// The roles that must enforce a config.
    pub(super) fn enforcers(&self, default: &[&str]) -> Vec<String> {
        match &self.enforcers {
            Some(roles) => roles
                .iter()
                .filter(|role| !role.is_empty())
                .cloned()
                .collect(),
            None => default.iter().map(|role| (*role).to_owned()).collect(),
        }
    }
}
