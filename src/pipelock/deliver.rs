//! `supervise`'s side: the config written, enforced, and only then reported.

use super::{file, probe};
use crate::config::Files;
use crate::config::allowlist::{Allowlist, Entry, LineError};
use crate::config::egress::Egress;
use crate::config::pipelock::{self, Unfit};
use crate::config_directory::{self, Snapshot, replace, write_hash};
use crate::names::container;
use crate::telemetry::chain;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;

/// First and longest pause between two probes; a reload takes pipelock a tenth of a second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(2));
/// How many of the removed hosts are probed; the marker speaks for the rest.
const MAX_PROBES: usize = 4;

/// What [`run`] is built from.
#[derive(Debug)]
pub struct Setup {
    /// The config now, and from here on.
    pub snapshots: watch::Receiver<Snapshot>,
    /// Directory for `egress.hash`.
    pub state: PathBuf,
    /// The volume that pipelock's container shares.
    pub directory: PathBuf,
    /// Where pipelock listens.
    pub proxy: SocketAddr,
}

/// A config that is not passed on.
#[derive(Debug, Error)]
enum Error {
    #[error("the file allowlist is broken")]
    Allowlist(#[source] LineError),
    #[error("pipelock can't keep the allowlist")]
    Unfit(#[source] Unfit),
    #[error("the file egress.json is broken")]
    Egress(#[source] serde_json::Error),
    #[error("pipelock can't keep allowInternal or parentProxy of egress.json")]
    Internal,
    #[error("the volume shared with pipelock can't be used")]
    Volume(#[source] config_directory::Error),
}

/// A config on its way.
struct Delivery {
    /// Starts that pipelock's keeper must have made.
    starts: u64,
    /// Hosts that must be refused.
    refused: Vec<String>,
}

/// Follows the config until nobody sends any more.
pub async fn run(setup: Setup) {
    let Setup {
        mut snapshots,
        state,
        directory,
        proxy,
    } = setup;
    let mut road = Road::find(&state, &directory, &snapshots.borrow());
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let delivery = road.deliver(&directory, proxy, &snapshot);
        let confirmed = async {
            match &delivery {
                Ok(delivery) => confirm(&directory, proxy, &snapshot.hash, delivery).await,
                Err(_) => std::future::pending().await,
            }
        };
        if let Err(error) = &delivery {
            tracing::warn!(
                hash = snapshot.hash,
                error = chain(error),
                "Keeping the old config"
            );
        }
        tokio::select! {
            () = confirmed => {
                road.confirmed();
                tracing::info!(hash = snapshot.hash, "pipelock enforces a new config");
                if let Err(error) = write_hash(&state, container::EGRESS, &snapshot.hash) {
                    tracing::error!(error = chain(&error), "Can't say which config is enforced");
                }
            }
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// What pipelock may have opened tunnels to.
struct Road {
    /// All entries of the configs that it was given since its last start that we know of; none: we don't know.
    opened: Option<Allowlist>,
    /// The newest one alone.
    newest: Allowlist,
}

impl Road {
    /// After a start of ours: nothing was given to pipelock yet, or what was confirmed is still what is asked for, or
    /// it may have been given anything.
    fn find(state: &Path, directory: &Path, now: &Snapshot) -> Self {
        let confirmed = std::fs::read_to_string(state.join(format!("{}.hash", container::EGRESS)));
        let is_confirmed = confirmed.is_ok_and(|hash| hash.trim() == now.hash);
        let opened = if !directory.join(file::CONFIG).exists() {
            Some(Allowlist::default())
        } else if is_confirmed {
            Allowlist::parse_declared(&now.files.allowlist).ok()
        } else {
            None
        };
        Self {
            opened,
            newest: Allowlist::default(),
        }
    }

    /// Writes the config, and asks for a start where tunnels have to be cut: in this order, so that the start finds
    /// the config.
    fn deliver(
        &mut self,
        directory: &Path,
        proxy: SocketAddr,
        snapshot: &Snapshot,
    ) -> Result<Delivery, Error> {
        let list = read(&snapshot.files)?;
        let text = pipelock::render(&list, &snapshot.hash, proxy).map_err(Error::Unfit)?;
        let there = std::fs::read_to_string(directory.join(file::CONFIG));
        if there.map_or(true, |there| there != text) {
            replace(directory, file::CONFIG, &text).map_err(Error::Volume)?;
        }
        let gone = self
            .opened
            .as_ref()
            .map(|opened| pipelock::closes(opened, &list));
        let mut starts = number(directory, file::WANTED);
        if gone.as_ref().is_none_or(|gone| !gone.is_empty()) {
            starts += 1;
            replace(directory, file::WANTED, &starts.to_string()).map_err(Error::Volume)?;
        }
        let gone = gone.unwrap_or_default();
        let refused = gone
            .iter()
            .filter_map(|entry| pipelock::refused_probe(entry, &list));
        let refused = refused.take(MAX_PROBES).collect();
        let opened = self
            .opened
            .take()
            .map_or_else(|| list.clone(), |opened| both(&opened, &list));
        self.opened = Some(opened);
        self.newest = list;
        Ok(Delivery { starts, refused })
    }

    /// From here on only the newest config can open anything.
    fn confirmed(&mut self) {
        self.opened = Some(self.newest.clone());
    }
}

fn read(files: &Files) -> Result<Allowlist, Error> {
    let egress: Egress = serde_json::from_str(&files.egress).map_err(Error::Egress)?;
    if !egress.allow_internal.is_empty() || egress.parent_proxy.is_some() {
        return Err(Error::Internal);
    }
    Allowlist::parse_declared(&files.allowlist).map_err(Error::Allowlist)
}

fn both(one: &Allowlist, other: &Allowlist) -> Allowlist {
    let all: HashSet<&Entry> = one.entries().iter().chain(other.entries()).collect();
    Allowlist::from_entries(all.into_iter().cloned())
}

/// Until pipelock answers by this config, and has been started as often as was asked for.
async fn confirm(directory: &Path, proxy: SocketAddr, hash: &str, delivery: &Delivery) {
    let mut pause = PAUSE.0;
    loop {
        if number(directory, file::MADE) >= delivery.starts && answers(proxy, hash, delivery).await
        {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn answers(proxy: SocketAddr, hash: &str, delivery: &Delivery) -> bool {
    for host in &delivery.refused {
        if !probe::refuses(proxy, host).await {
            return false;
        }
    }
    probe::is_in_force(proxy, hash).await
}

/// A number in a file; zero when there is none.
pub(super) fn number(directory: &Path, name: &str) -> u64 {
    let text: io::Result<String> = std::fs::read_to_string(directory.join(name));
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}
