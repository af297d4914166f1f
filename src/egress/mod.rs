//! SHELL: the forward proxy that keeps the allowlist (engine Builtin).
//!
//! # Layout
//!
//! Pure: `target` (which host is asked for), `policy` (what a config allows), `client_hello` (the name in TLS),
//! `headers` (what passes), `refusal` (what a client is told), `denials` (the last refusals).
//! Effects: `server` (accepting, limits), `proxy` (one request), `forward` (passing it on), `tunnel`
//! (after CONNECT), `copy` (its bytes), `upstream` (resolve, check, dial), `parent` (a company's proxy), `resolve` (DNS), `connections` (what is
//! open), `mark` (sockets of a build's proxy), `reload` (a new config), `report` (the last refusals, for `supervise`).
//!
//! # Guarantees
//!
//! - A name that isn't allowed makes no DNS query. The addresses that are checked are the ones that are dialled.
//! - TLS in a tunnel asks for the tunnel's host; in plain HTTP every request's URL and `Host` name one allowed host,
//!   and every message is parsed and framed anew.
//! - `egress.hash` names a config only after every connection that it forbids is closed.
//!
//! # Caveats
//!
//! What is inside TLS can't be seen: a server that serves several hosts under one certificate can be asked, inside,
//! for another of its own. An upgrade to WebSocket passes in TLS only.

pub mod client_hello;
mod connections;
mod copy;
mod denials;
mod forward;
pub(crate) mod headers;
pub(crate) mod mark;
pub(crate) mod options;
pub(crate) mod parent;
mod policy;
mod proxy;
mod refusal;
mod reload;
mod report;
mod resolve;
pub(crate) mod server;
mod splice;
pub(crate) mod target;
mod tunnel;
pub(crate) mod upstream;

use crate::config_directory::{self, Snapshot, enforce_all};
use crate::names::container;
use connections::Connections;
use denials::Denials;
use policy::Policy;
use refusal::{Cause, shortened};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;
use target::Target;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

pub(crate) use options::fixed;
pub use options::{Error, Options, main};
pub use policy::PolicyError;
pub use resolve::{Dns, Fixed, LookupError, Resolve};

/// File descriptors that are no connection's, nor its upstream's: those of [`splice`], of lookups, of connections that
/// are turned away, and of files.
const RESERVED_FILES: usize = 320;

/// What [`run`] is built from.
pub struct Setup {
    /// The config now, and from here on: [`config_directory::watch`].
    pub snapshots: watch::Receiver<Snapshot>,
    /// Directory for `egress.hash`.
    pub state: PathBuf,
    /// DNS.
    pub resolver: Arc<dyn Resolve>,
    /// Bounds.
    pub limits: Limits,
    /// What every packet to an upstream is marked with, where the lock goes by that.
    pub mark: Option<u32>,
}

/// Bounds (contract section 2b).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open client connections; more are told 503.
    pub connections: usize,
    /// To send a request's head, or a tunnel's first bytes.
    pub head: Duration,
    /// For the open connections after the end has been asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// With this many file descriptors. Each connection may take two; what is kept free is for DNS and pipes, and
    /// above all for a new config, which nobody may keep from being read.
    #[must_use]
    pub fn within(self, files: usize) -> Self {
        let room = files.saturating_sub(RESERVED_FILES) / 2;
        Self {
            connections: self.connections.min(room).max(1),
            ..self
        }
    }
}

/// What all connections share.
struct Shared {
    policy: RwLock<Arc<Policy>>,
    denials: Mutex<Denials>,
    denied: Notify,
    connections: Arc<Connections>,
    resolver: Arc<dyn Resolve>,
    limits: Limits,
    mark: Option<u32>,
}

impl Shared {
    fn policy(&self) -> Arc<Policy> {
        let policy = self.policy.read();
        Arc::clone(&policy.expect("nothing panics while it holds the policy"))
    }

    fn set_policy(&self, policy: Arc<Policy>) {
        *self
            .policy
            .write()
            .expect("nothing panics while it holds the policy") = policy;
    }

    fn denials(&self) -> MutexGuard<'_, Denials> {
        self.denials
            .lock()
            .expect("nothing panics while it holds the denials")
    }

    /// Lists and logs a refusal that is the policy's.
    fn note(&self, cause: Cause, target: Option<&Target>) {
        let (Some(target), true) = (target, cause.is_denial()) else {
            return;
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where a refusal gets its time"
        )]
        let now = jiff::Timestamp::now();
        let is_new = self.denials().record(target, cause, now);
        self.denied.notify_one();
        let (host, port, reason) = (shortened(&target.host), target.port, cause.reason());
        if is_new {
            tracing::info!(host, port, reason, "Refused");
        } else {
            tracing::debug!(host, port, reason, "Refused again");
        }
    }
}

/// Serves the proxy on `listener` until `shutdown`, then lets the rest end within [`Limits::drain`].
///
/// Fails only at the start, on a broken config or when its hash can't be written.
pub async fn run(listener: TcpListener, setup: Setup, shutdown: impl Future) -> Result<(), Error> {
    let Setup {
        mut snapshots,
        state,
        resolver,
        limits,
        mark,
    } = setup;
    let first = snapshots.borrow_and_update().clone();
    let shared = Arc::new(Shared {
        policy: RwLock::new(Arc::new(Policy::parse(&first.files)?)),
        denials: Mutex::default(),
        denied: Notify::new(),
        connections: Arc::default(),
        resolver,
        limits,
        mark,
    });
    config_directory::write_hash(&state, container::EGRESS, &first.hash)?;
    let state: Arc<Path> = state.into();
    let reporting = tokio::spawn(report::follow(Arc::clone(&shared), Arc::clone(&state)));
    let reloading = tokio::spawn(enforce_all(Arc::clone(&shared), snapshots, state));
    server::serve(listener, shared, shutdown).await;
    reloading.abort();
    reporting.abort();
    Ok(())
}
