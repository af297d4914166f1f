//! The role `mcp`: flags, and the program around [`server`](super::server).

use super::call::{Desk, Settings};
use super::feed::{self, Hashes, Sources};
use super::store::Store;
use super::store::kubernetes::{ConnectError, Kubernetes};
use super::store::queue::{Limits, OpenError, Queue};
use super::view::View;
use super::{State, Waits, report, server};
use crate::config_directory;
use crate::names::{container, env, path, port};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// In queue mode the config is written before the decision, by programs or by hand.
const QUEUE_GRACE: Duration = Duration::from_secs(3);

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
    pub max_per_hour: usize,
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
    fn bottle(&self) -> Result<String, Error> {
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

    /// The Bottle's objects, when it is one.
    fn kubernetes(&self) -> Result<Option<Kubernetes>, Error> {
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

    fn enforcers(&self, default: &[&str]) -> Vec<String> {
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

/// Reports to the Bottle and watches; the part that both roles have in a cluster.
struct Watched {
    view: watch::Receiver<Arc<View>>,
    hashes: watch::Receiver<Hashes>,
    enforcers: Vec<String>,
}

impl Watched {
    fn start(sidecar: &Sidecar) -> Result<Self, Error> {
        let enforcers = sidecar.enforcers(&[container::EGRESS]);
        let hashes = config_directory::watch_state(&sidecar.state)?;
        let view = feed::start(Sources {
            config: Some(config_directory::watch(&sidecar.config)?),
            hashes: Some(hashes.clone()),
            queue: None,
            enforcers: enforcers.clone(),
        });
        feed::report_own_hash(sidecar.state.clone(), view.clone());
        Ok(Self {
            view,
            hashes,
            enforcers,
        })
    }
}

/// `supervise mcp`. Runs until SIGTERM (exit code 143) or SIGINT (130).
pub async fn main(options: Options) -> Result<ExitCode, Error> {
    let bottle = options.sidecar.bottle()?;
    raise_file_limit();
    if let Some(store) = options.sidecar.kubernetes()? {
        let watched = Watched::start(&options.sidecar)?;
        let store = Arc::new(store);
        let reporter = Arc::clone(&store);
        let view = watched.view.clone();
        tokio::spawn(async move {
            report::run(&*reporter, watched.view, watched.hashes, &watched.enforcers).await;
        });
        let bottle_uid = options.sidecar.bottle_uid.clone().unwrap_or_default();
        return serve(
            &options,
            store,
            view,
            Settings {
                bottle,
                bottle_uid,
                grace: Duration::ZERO,
            },
        )
        .await;
    }
    let limits = Limits {
        pending: options.max_pending,
        hour: options.max_per_hour,
    };
    let queue = Queue::open(&options.queue_dir, &bottle, limits)?;
    let view = queue_view(&options.sidecar, &queue)?;
    serve(
        &options,
        Arc::new(queue),
        view,
        Settings {
            bottle,
            bottle_uid: String::new(),
            grace: QUEUE_GRACE,
        },
    )
    .await
}

/// `supervise report`: no server, only the Bottle's status.
pub async fn report(sidecar: Sidecar) -> Result<ExitCode, Error> {
    sidecar.bottle()?;
    let kubernetes = sidecar.kubernetes()?.ok_or(Error::NoBottleObject)?;
    let Watched {
        view,
        hashes,
        enforcers,
    } = Watched::start(&sidecar)?;
    let mut code = 143;
    tokio::select! {
        () = report::run(&kubernetes, view, hashes, &enforcers) => {}
        signal = ended()? => code = signal,
    }
    Ok(ExitCode::from(code))
}

fn queue_view(sidecar: &Sidecar, queue: &Queue) -> Result<watch::Receiver<Arc<View>>, Error> {
    let enforcers = sidecar.enforcers(&[]);
    // An older tool may give no config at all; one that is there must be whole.
    let config = if sidecar.config.exists() {
        Some(config_directory::watch(&sidecar.config)?)
    } else {
        None
    };
    if config.is_none() {
        tracing::warn!(directory = %sidecar.config.display(), "There is no config directory: nothing counts as in force");
    }
    let hashes = if enforcers.is_empty() {
        None
    } else {
        Some(config_directory::watch_state(&sidecar.state)?)
    };
    let report = config.is_some() && sidecar.state.is_dir();
    let view = feed::start(Sources {
        config,
        hashes,
        queue: Some(queue.watch()?),
        enforcers,
    });
    if report {
        feed::report_own_hash(sidecar.state.clone(), view.clone());
    }
    Ok(view)
}

async fn serve<S: Store>(
    options: &Options,
    store: Arc<S>,
    view: watch::Receiver<Arc<View>>,
    settings: Settings,
) -> Result<ExitCode, Error> {
    let ended = ended()?;
    let address = SocketAddr::new(options.bind, options.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let waits = Waits {
        plain: Duration::from_secs(options.max_wait),
        stream: Duration::from_secs(options.max_stream_wait),
        ..Waits::default()
    };
    tracing::info!(%address, bottle = settings.bottle, "Serving");
    let state = Arc::new(State::new(Desk::new(store, view, settings), waits));
    let mut code = 143;
    server::run(listener, state, async {
        code = ended.await;
        tracing::info!("Ending");
    })
    .await;
    Ok(ExitCode::from(code))
}

/// The exit code of the signal that ends the program.
fn ended() -> Result<impl Future<Output = u8>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => 143,
            _ = interrupt.recv() => 130,
        }
    })
}

/// Each waiting call holds a connection, and the usual soft limit is 1,024.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!(%error, "Can't raise the limit of open files");
    }
}
