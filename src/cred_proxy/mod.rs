//! SHELL: the reverse proxy that holds the credentials: `http://cred-proxy:9099/<path>/…` → the route's upstream.
//!
//! # Layout
//!
//! Pure: `path` (no way out of the upstream's prefix), `origin` (a server), `headers` (what passes), `inject` (where
//! the secret goes), `location` (redirects), `refusal` (what a client is told), `table` (the routes in force).
//! Effects: `serve` (a client's connection), `forward` (one request), `send` (to the upstream), `web_socket`, `body` (bodies on their way),
//! `link` and `pool` (connections to upstreams), `wire` (resolve, check, dial, TLS), `tls`, `secrets` (the mounted files), `reload` (a new config).
//!
//! # Guarantees
//!
//! - A secret goes to the upstream of the route that names it, and nowhere else: no redirect is followed, and the
//!   request's path can't leave the upstream's prefix.
//! - What a client sends as its own credential, or about who asks, is dropped.
//! - The addresses that are checked are the ones that are dialled.
//! - A request uses the secret as its file is when the request comes; a file that can't be used is a refusal.
//! - `cred-proxy.hash` names a config only after every request of a route that it removes or changes has ended.
//!
//! # Caveats
//!
//! An upstream that repeats a secret in a body hands it to the agent; only headers are looked at. Through a parent
//! proxy that one resolves names, so addresses can't be checked here.

mod body;
mod forward;
mod headers;
mod inject;
mod link;
mod location;
mod options;
mod origin;
mod path;
mod pool;
mod refusal;
mod reload;
mod secrets;
mod send;
mod serve;
mod table;
mod tls;
mod web_socket;
mod wire;

use crate::config_directory::{self, Snapshot, enforce_all};
use crate::egress::{Resolve, server};
use crate::names::container;
use refusal::Refusal;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use table::Table;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use options::{Error, Options, main};
pub use secrets::Secrets;
pub use table::TableError;
pub use tls::{Tls, TlsError};

/// Between two looks at the connections that nobody uses.
const SWEEP: Duration = Duration::from_secs(10);

/// What [`run`] is built from.
pub struct Setup {
    /// The config now, and from here on: [`config_directory::watch`].
    pub snapshots: watch::Receiver<Snapshot>,
    /// Directory for `cred-proxy.hash`.
    pub state: PathBuf,
    /// The mounted secrets.
    pub secrets: Secrets,
    /// How upstreams are reached.
    pub means: Means,
    /// Bounds.
    pub limits: Limits,
}

/// How upstreams are reached.
pub struct Means {
    /// DNS.
    pub resolver: Arc<dyn Resolve>,
    /// Whom to trust.
    pub tls: Tls,
}

/// Bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Towards clients (contract section 2b).
    pub serving: crate::egress::Limits,
    /// For an upstream to begin its answer: a model may think for long.
    pub answer: Duration,
    /// For the requests of a route that a new config removes or changes.
    pub grace: Duration,
}

impl Limits {
    /// With this many file descriptors.
    pub fn within(files: usize) -> Self {
        let limits = Self::default();
        Self {
            serving: limits.serving.within(files),
            ..limits
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            serving: crate::egress::Limits::default(),
            answer: Duration::from_secs(900),
            grace: Duration::from_millis(500),
        }
    }
}

/// What all connections share.
struct Shared {
    table: RwLock<Arc<Table>>,
    secrets: Secrets,
    means: Means,
    limits: Limits,
}

impl Shared {
    fn table(&self) -> Arc<Table> {
        let table = self.table.read();
        Arc::clone(&table.expect("nothing panics while it holds the table"))
    }

    fn set_table(&self, table: Arc<Table>) {
        *self
            .table
            .write()
            .expect("nothing panics while it holds the table") = table;
    }
}

/// Serves the proxy on `listener` until `shutdown`, then lets the rest end within [`Limits::serving`]'s drain.
///
/// Fails only at the start, on a broken config or when its hash can't be written.
pub async fn run(listener: TcpListener, setup: Setup, shutdown: impl Future) -> Result<(), Error> {
    let Setup {
        mut snapshots,
        state,
        secrets,
        means,
        limits,
    } = setup;
    let first = snapshots.borrow_and_update().clone();
    let shared = Arc::new(Shared {
        table: RwLock::new(Arc::new(Table::new(&first.files, &Table::default())?)),
        secrets,
        means,
        limits,
    });
    config_directory::write_hash(&state, container::CRED_PROXY, &first.hash)?;
    let reloading = tokio::spawn(enforce_all(Arc::clone(&shared), snapshots, state.into()));
    let sweeping = tokio::spawn(sweep(Arc::clone(&shared)));
    let open = |stream, drain| serve::connection(stream, Arc::clone(&shared), drain);
    let turn_away = |stream| serve::farewell(stream, Refusal::TooMany);
    server::accept(listener, &shared.limits.serving, shutdown, open, turn_away).await;
    reloading.abort();
    sweeping.abort();
    Ok(())
}

async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        for upstream in shared.table().upstreams() {
            upstream.sweep();
        }
    }
}
