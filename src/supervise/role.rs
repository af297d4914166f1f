//! The roles `mcp` and `report`: flags, parts, and how they end.

use super::{
    State, Waits,
    call::{Desk, Settings},
    live,
    report::Reporter,
    server,
    store::kubernetes::Kubernetes,
    view::View,
};
use crate::{
    config_directory,
    names::{self, container, env},
};
use kube::Client;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// 128 + SIGTERM.
const TERMINATED: u8 = 143;

/// What both roles need.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Name of the bottle.
    #[arg(long, env = env::BOTTLE_SLUG)]
    pub bottle: String,
    /// Uid of the Bottle: with it proposals are Kubernetes objects, without it files of the queue directory.
    #[arg(long, env = env::BOTTLE_UID)]
    pub bottle_uid: Option<String>,
    /// Namespace of the Bottle.
    #[arg(long, env = env::NAMESPACE, default_value = "default")]
    pub namespace: String,
    /// Directory with the bottle's config files
    #[arg(long, value_name = "DIR", env = "SUPERVISE_CONFIG_DIR", default_value = names::path::CONFIG)]
    pub config: PathBuf,
    /// Directory where each role writes the hash that it enforces
    #[arg(long, value_name = "DIR", env = "SUPERVISE_STATE_DIR", default_value = names::path::STATE)]
    pub state: PathBuf,
    /// Roles that must enforce a config before an approval is answered
    #[arg(long, value_name = "ROLE", value_delimiter = ',', default_value = container::EGRESS)]
    pub enforcers: Vec<String>,
    /// Address to serve on
    #[arg(
        long,
        value_name = "IP",
        env = "SUPERVISE_BIND",
        default_value = "0.0.0.0"
    )]
    pub bind: IpAddr,
    /// Port to serve on
    #[arg(long, value_name = "PORT", env = "SUPERVISE_PORT", default_value_t = names::port::SUPERVISE)]
    pub port: u16,
}

/// Flags of `supervise mcp`.
#[derive(Clone, Debug, clap::Args)]
pub struct Mcp {
    /// What `report` takes as well.
    #[command(flatten)]
    pub common: Common,
    /// Seconds that a call waits before it is answered as pending, when the client takes plain JSON only
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    pub max_wait: u64,
    /// The same over an event stream, when the client can't be sent progress
    #[arg(long, value_name = "SECONDS", default_value_t = 170)]
    pub max_stream_wait: u64,
    /// Log more
    #[arg(long, env = "SUPERVISE_DEBUG", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", action = clap::ArgAction::Set)]
    pub debug: bool,
}

/// Why a role can't start.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// Config or state can't be watched.
    #[error(transparent)]
    Directory(#[from] config_directory::Error),
    /// The port can't be had.
    #[error("listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no way to the API server.
    #[error("connect to the Kubernetes API server")]
    Kubernetes(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A role that has no meaning without Kubernetes.
    #[error("{} is not set: this role reports to a Bottle", env::BOTTLE_UID)]
    NoBottle,
}

/// Serves MCP until SIGTERM.
pub async fn mcp(options: Mcp) -> Result<ExitCode, RoleError> {
    let Mcp {
        common,
        max_wait,
        max_stream_wait,
        ..
    } = options;
    let parts = Parts::new(&common)?;
    let uid = common.bottle_uid.clone().ok_or(RoleError::NoBottle)?;
    let client = client()?;
    let store = Kubernetes::new(
        client.clone(),
        &common.namespace,
        common.bottle.clone(),
        uid.clone(),
    );
    let settings = Settings {
        bottle: common.bottle.clone(),
        bottle_uid: uid,
        // Config and decision come in one write.
        grace: Duration::ZERO,
    };
    let waits = Waits {
        plain: Duration::from_secs(max_wait),
        stream: Duration::from_secs(max_stream_wait),
        ..Waits::default()
    };
    let desk = Desk::new(Arc::new(store), parts.views.clone(), settings);
    let state = Arc::new(State::new(desk, waits));
    let address = SocketAddr::new(common.bind, common.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RoleError::Listen { address, source })?;
    tokio::spawn(parts.report(client, &common));
    server::run(listener, state, terminated()).await;
    Ok(ExitCode::from(TERMINATED))
}

/// Reports until SIGTERM.
pub async fn report(options: Common) -> Result<ExitCode, RoleError> {
    if options.bottle_uid.is_none() {
        return Err(RoleError::NoBottle);
    }
    let parts = Parts::new(&options)?;
    tokio::select! {
        () = parts.report(client()?, &options) => {}
        () = terminated() => {}
    }
    Ok(ExitCode::from(TERMINATED))
}

/// What is watched.
struct Parts {
    views: watch::Receiver<Arc<View>>,
    hashes: watch::Receiver<BTreeMap<String, String>>,
    enforcers: Vec<String>,
}

impl Parts {
    fn new(common: &Common) -> Result<Self, RoleError> {
        let snapshots = config_directory::watch(&common.config)?;
        let hashes = config_directory::watch_state(&common.state)?;
        let enforcers = common.enforcers.clone();
        let views = live::watch(
            snapshots,
            hashes.clone(),
            enforcers.clone(),
            common.state.clone(),
        );
        Ok(Self {
            views,
            hashes,
            enforcers,
        })
    }

    fn report(self, client: Client, common: &Common) -> impl Future<Output = ()> + use<> {
        Reporter::new(client, &common.namespace, common.bottle.clone()).run(
            self.views,
            self.hashes,
            self.enforcers,
        )
    }
}

/// By the pod's own environment and token. Everything is bounded in time: a call waits for a person, not for a socket.
fn client() -> Result<Client, RoleError> {
    let mut config =
        kube::Config::incluster_env().map_err(|error| RoleError::Kubernetes(error.into()))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(30));
    config.write_timeout = Some(Duration::from_secs(30));
    Client::try_from(config).map_err(|error| RoleError::Kubernetes(error.into()))
}

async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut term) => drop(term.recv().await),
        // Without a handler the default action ends the process.
        Err(_) => std::future::pending().await,
    }
}
