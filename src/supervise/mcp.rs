//! The roles `mcp` and `report`: what they are built from, and their end.

use super::call::{Desk, Settings};
use super::connections::Limits;
use super::feed::{self, Sources};
use super::options::{Error, Options, Sidecar};
use super::remarks::Remarks;
use super::report::BottleStatus;
use super::store::Store;
use super::store::queue::{self, Queue};
use super::told::Told;
use super::view::View;
use super::{State, Waits, server};
use crate::names::{container, port};
use crate::{config_directory, open_files, pipelock, signals};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// In queue mode the config is written before the decision, by programs or by hand.
const QUEUE_GRACE: Duration = Duration::from_secs(3);

/// Watches what is reported to the Bottle; `said`: what `seal` says about the agent's settings.
fn watched(sidecar: &Sidecar, said: watch::Receiver<Option<Vec<String>>>) -> Result<Told, Error> {
    let enforcers = sidecar.enforcers(&[container::EGRESS]);
    let hashes = config_directory::watch_state(&sidecar.state)?;
    let config = config_directory::watch(&sidecar.config)?;
    let view = feed::start(Sources {
        config: Some(config.clone()),
        hashes: Some(hashes.clone()),
        queue: None,
        enforcers: enforcers.clone(),
    });
    feed::report_own_hash(sidecar.state.clone(), view.clone());
    if let Some(directory) = &sidecar.pipelock {
        tokio::spawn(pipelock::run(pipelock::Setup {
            snapshots: config.clone(),
            state: sidecar.state.clone(),
            directory: directory.clone(),
            proxy: SocketAddr::from((Ipv4Addr::LOCALHOST, port::EGRESS)),
        }));
    }
    Ok(Told {
        view,
        hashes,
        denials: config_directory::watch_denials(&sidecar.state)?,
        remarks: Remarks::open(&sidecar.state),
        enforcers,
        said,
    })
}

/// `supervise mcp`. Runs until SIGTERM (exit code 143) or SIGINT (130).
pub async fn main(options: Options) -> Result<ExitCode, Error> {
    let bottle = options.sidecar.bottle()?;
    if let Some(store) = options.sidecar.socket() {
        return with_objects(options, bottle, store).await;
    }
    if let Some(store) = options.sidecar.kubernetes()? {
        return with_objects(options, bottle, store).await;
    }
    let limits = queue::Limits {
        pending: options.max_pending,
        hour: options.max_hourly,
    };
    let queue = Queue::open(&options.queue_dir, &bottle, limits)?;
    let view = queue_view(&options.sidecar, &queue)?;
    let settings = Settings {
        bottle,
        bottle_uid: String::new(),
        grace: QUEUE_GRACE,
    };
    // A queue has no place for what `seal` says; its own log has it.
    let remarks = watch::Sender::new(None);
    serve(
        &options,
        Desk::new(Arc::new(queue), view, settings),
        remarks,
    )
    .await
}

/// Where proposals and the Bottle's status are objects: a decision comes with the config that it is in force by.
async fn with_objects(
    options: Options,
    bottle: String,
    store: impl Store + BottleStatus,
) -> Result<ExitCode, Error> {
    let remarks = watch::Sender::new(None);
    let told = watched(&options.sidecar, remarks.subscribe())?;
    let store = Arc::new(store);
    let reporter = Arc::clone(&store);
    let (view, refused) = (told.view.clone(), told.denials.clone());
    tokio::spawn(async move { told.tell(&*reporter).await });
    let bottle_uid = options.sidecar.bottle_uid.clone().unwrap_or_default();
    let settings = Settings {
        bottle,
        bottle_uid,
        grace: Duration::ZERO,
    };
    let desk = Desk::new(store, view, settings).with_denials(refused);
    serve(&options, desk, remarks).await
}

/// `supervise report`: no server, only the Bottle's status.
pub async fn report(sidecar: Sidecar) -> Result<ExitCode, Error> {
    sidecar.bottle()?;
    if let Some(status) = sidecar.socket() {
        return report_to(&sidecar, &status).await;
    }
    let kubernetes = sidecar.kubernetes()?.ok_or(Error::NoBottleObject)?;
    report_to(&sidecar, &kubernetes).await
}

async fn report_to(sidecar: &Sidecar, status: &impl BottleStatus) -> Result<ExitCode, Error> {
    // Without a server nobody can say anything.
    let (_says, nobody) = watch::channel(None);
    let told = watched(sidecar, nobody)?;
    let ended = signals::ended().map_err(Error::Signals)?;
    let mut code = 143;
    tokio::select! {
        () = told.tell(status) => {}
        signal = ended => code = signal,
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
    desk: Desk<S>,
    remarks: watch::Sender<Option<Vec<String>>>,
) -> Result<ExitCode, Error> {
    let ended = signals::ended().map_err(Error::Signals)?;
    let address = SocketAddr::new(options.bind, options.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let waits = Waits {
        plain: Duration::from_secs(options.max_wait),
        stream: Duration::from_secs(options.max_stream_wait),
        ..Waits::default()
    };
    tracing::info!(%address, bottle = desk.bottle(), "Serving");
    let state = State {
        remarks,
        ..State::new(desk, waits)
    };
    let state = Arc::new(state);
    let tally = Arc::clone(state.desk.tally());
    let reporting = Arc::clone(&tally);
    tokio::spawn(async move { reporting.report().await });
    let limits = Limits::default().within(open_files::raise());
    let mut code = 143;
    server::run(listener, state, limits, async {
        code = ended.await;
        tracing::info!("Ending");
    })
    .await;
    tally.log();
    Ok(ExitCode::from(code))
}
