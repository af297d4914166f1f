//! Flags, and the program around [`run`].

use super::secrets::Secrets;
use super::table::TableError;
use super::tls::{Tls, TlsError};
use super::{Limits, Means, Setup, run};
use crate::config_directory;
use crate::egress::options::{fixed, nameserver};
use crate::egress::{Dns, Fixed};
use crate::names::{path, port};
use crate::open_files;
use crate::signals;
use nix::sys::resource::{Resource, setrlimit};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpListener;

/// `supervise cred-proxy`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory of the config, read-only.
    #[arg(long, env = "SUPERVISE_CONFIG_DIR", default_value = path::CONFIG)]
    pub config: PathBuf,
    /// Directory for the hash of the config that is enforced.
    #[arg(long, env = "SUPERVISE_STATE_DIR", default_value = path::STATE)]
    pub state: PathBuf,
    /// Directory of the secrets, one file per NAME.
    #[arg(long, env = "SUPERVISE_SECRETS_DIR", default_value = path::SECRETS)]
    pub secrets: PathBuf,
    /// Address to serve on; in a pod the loopback, which only the pod's containers reach.
    #[arg(long, default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Port to serve on.
    #[arg(long, default_value_t = port::CRED_PROXY)]
    pub port: u16,
    /// PEM file of certificates that are trusted besides those of the web; read once.
    #[arg(long, value_name = "FILE", env = "SUPERVISE_CA_BUNDLE")]
    pub ca_bundle: Option<PathBuf>,
    /// DNS server as IP or IP:PORT, instead of those of the system; may be repeated.
    #[arg(long, value_name = "IP[:PORT]", value_parser = nameserver)]
    pub nameserver: Vec<SocketAddr>,
    /// Static answer for a host, instead of DNS; may be repeated. The address is checked like any other; a port is
    /// dialled instead of the one that was asked for.
    #[arg(long, value_name = "HOST=IP[:PORT]", value_parser = fixed)]
    pub resolve: Vec<(String, Fixed)>,
}

/// Why cred-proxy doesn't start.
#[derive(Debug, Error)]
pub enum Error {
    /// The config or the state directory can't be used.
    #[error("the config or state directory can't be used")]
    Directory(#[from] config_directory::Error),
    /// The config can't be enforced.
    #[error("the config can't be enforced")]
    Table(#[from] TableError),
    /// The certificates can't be used.
    #[error("TLS can't be used")]
    Tls(#[from] TlsError),
    /// The port is taken, or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Neither the system's DNS configuration nor the flags are usable.
    #[error("can't set DNS up")]
    Dns(#[source] hickory_resolver::net::NetError),
    /// Signals can't be received.
    #[error("can't receive signals")]
    Signals(#[source] io::Error),
    /// A dump of this process would hold the credentials.
    #[error("can't forbid memory dumps")]
    Dumps(#[source] nix::Error),
}

/// Runs until SIGTERM (exit code 143) or SIGINT (130).
pub async fn main(options: Options) -> Result<ExitCode, Error> {
    forbid_dumps().map_err(Error::Dumps)?;
    let ended = signals::ended().map_err(Error::Signals)?;
    let resolver = Dns::new(&options.nameserver, options.resolve).map_err(Error::Dns)?;
    let setup = Setup {
        snapshots: config_directory::watch(&options.config)?,
        state: options.state,
        secrets: Secrets::new(&options.secrets),
        means: Means {
            resolver: Arc::new(resolver),
            tls: Tls::new(options.ca_bundle.as_deref())?,
        },
        limits: Limits::within(open_files::raise()),
    };
    let address = SocketAddr::new(options.bind, options.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    tracing::info!(%address, "Serving");
    let mut code = 143;
    let shutdown = async {
        code = ended.await;
        tracing::info!("Ending");
    };
    run(listener, setup, shutdown).await?;
    Ok(ExitCode::from(code))
}

/// No core file, and nobody of the same uid reads this process' memory.
fn forbid_dumps() -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}
