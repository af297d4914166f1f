//! The sidecars of one bottle, inside its keeper: the same code as in a pod, on sockets that were handed over.

mod trust;

use super::{Error, place::Place, record::Record, store::LocalStore};
use crate::{
    config_directory, cred_proxy, egress,
    names::container,
    supervise::{
        State, Waits,
        call::{Desk, Settings},
        connections::Limits,
        feed::{self, Sources},
        remarks::Remarks,
        server,
        told::Told,
    },
    telemetry::chain,
};
use k8s_openapi::api::core::v1::Pod;
use std::{
    io,
    net::TcpListener as StdListener,
    path::PathBuf,
    sync::{Arc, mpsc::Sender},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The sockets on which they serve.
#[derive(Debug)]
pub struct Listeners {
    /// MCP.
    pub supervise: StdListener,
    /// The credentials' proxy.
    pub cred_proxy: StdListener,
    /// The forward proxy.
    pub egress: StdListener,
}

/// Running sidecars, on a thread of their own: planning and writing files hold no connection up. They end when this is
/// dropped.
#[derive(Debug)]
pub struct Sidecars {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// How long connections may take to end.
const DRAIN: Duration = Duration::from_secs(2);

/// What the thread needs.
struct Parts {
    place: Place,
    arguments: Vec<String>,
    record: Record,
    uid: String,
    listeners: Listeners,
    stop: CancellationToken,
    bundle: Option<PathBuf>,
}

impl Sidecars {
    /// Starts what the pod names; returns when they serve.
    pub fn start(
        place: &Place,
        pod: &Pod,
        record: &Record,
        uid: &str,
        listeners: Listeners,
    ) -> Result<Self, Error> {
        let stop = CancellationToken::new();
        let parts = Parts {
            place: place.clone(),
            arguments: arguments(pod, container::SUPERVISE),
            record: record.clone(),
            uid: uid.to_owned(),
            listeners,
            stop: stop.clone(),
            bundle: trust::bundle(place, pod),
        };
        let (started, outcome) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || run(parts, &started));
        match outcome.recv() {
            Ok(Ok(())) => Ok(Self {
                stop,
                thread: Some(thread),
            }),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(Error::Start {
                what: "the sidecars",
                source: io::Error::other(error),
            }),
        }
    }

    /// Lets them end in order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It has its own bound.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Sidecars {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn run(parts: Parts, started: &Sender<Result<(), Error>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => {
            let what = "the sidecars";
            let _ = started.send(Err(Error::Start { what, source }));
            return;
        }
    };
    runtime.block_on(async {
        let stop = parts.stop.clone();
        let mut tasks = match serve(parts) {
            Ok(tasks) => tasks,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        stop.cancelled().await;
        // The reporter never ends by itself; the servers have their own bounds.
        let _ = tokio::time::timeout(DRAIN, async {
            while tasks.len() > 1 && tasks.join_next().await.is_some() {}
        })
        .await;
    });
    runtime.shutdown_background();
}

/// Starts the servers and the reporter.
fn serve(parts: Parts) -> Result<JoinSet<()>, Error> {
    let Parts {
        place,
        arguments,
        record,
        uid,
        listeners,
        stop,
        bundle,
    } = parts;
    let (config, state) = (place.path("run/config"), place.path("run/state"));
    std::fs::create_dir_all(&state).map_err(Error::file("make", &state))?;
    let listen = |listener: StdListener| {
        let set = listener.set_nonblocking(true);
        set.and_then(|()| TcpListener::from_std(listener))
    };
    let started = |what| move |source| Error::Start { what, source };
    let mut tasks = JoinSet::new();
    let setup = egress::Setup {
        snapshots: config_directory::watch(&config)?,
        state: state.clone(),
        resolver: Arc::new(resolver(&record)?),
        limits: limits(),
        mark: None,
    };
    let listener = listen(listeners.egress).map_err(started("egress"))?;
    let stopped = stop.clone();
    tasks.spawn(async move {
        if let Err(error) = egress::run(listener, setup, stopped.cancelled_owned()).await {
            tracing::error!(error = chain(&error), "egress ended");
        }
    });

    let snapshots = config_directory::watch(&config)?;
    let secrets = cred_proxy::Secrets::new(&place.path("run/secrets"));
    let resolver = Arc::new(resolver(&record)?);
    let hashes = state.clone();
    let listener = listen(listeners.cred_proxy).map_err(started("cred-proxy"))?;
    let setup = move |tls| cred_proxy::Setup {
        snapshots,
        state: hashes,
        secrets,
        means: cred_proxy::Means { resolver, tls },
        limits: cred_proxy::Limits {
            serving: limits(),
            ..cred_proxy::Limits::default()
        },
    };
    tasks.spawn(trust::serve(listener, setup, bundle, stop.clone()));

    let enforcers = enforcers(&arguments);
    let refused = config_directory::watch_denials(&state)?;
    let hashes = config_directory::watch_state(&state)?;
    let view = feed::start(Sources {
        config: Some(config_directory::watch(&config)?),
        hashes: Some(hashes.clone()),
        queue: None,
        enforcers: enforcers.clone(),
    });
    let settings = Remarks::open(&state);
    feed::report_own_hash(state, view.clone());
    let bottle = place.key().name.clone();
    let store = Arc::new(LocalStore::new(place, uid.clone()));
    let teller = Arc::clone(&store);
    let remarks = watch::Sender::new(None);
    let told = Told {
        view: view.clone(),
        hashes,
        enforcers,
        denials: refused.clone(),
        remarks: settings,
        said: remarks.subscribe(),
    };
    tasks.spawn(async move { told.tell(&*teller).await });

    if arguments.first().is_some_and(|role| role == "mcp") {
        let settings = Settings {
            bottle,
            bottle_uid: uid,
            grace: Duration::ZERO,
        };
        let listener = listen(listeners.supervise).map_err(started("supervise"))?;
        let desk = Desk::new(store, view, settings).with_denials(refused);
        let state = State {
            remarks,
            ..State::new(desk, Waits::default())
        };
        let state = Arc::new(state);
        tasks.spawn(server::run(
            listener,
            state,
            Limits::default(),
            stop.cancelled_owned(),
        ));
    }
    Ok(tasks)
}

fn limits() -> egress::Limits {
    egress::Limits {
        drain: DRAIN,
        ..egress::Limits::default()
    }
}

pub(super) fn resolver(record: &Record) -> Result<egress::Dns, Error> {
    let answers = record
        .resolve
        .iter()
        .filter_map(|text| egress::fixed(text).ok());
    egress::Dns::new(&[], answers).map_err(|error| Error::Egress(egress::Error::Dns(error)))
}

/// What the plan tells a container.
fn arguments(pod: &Pod, container: &str) -> Vec<String> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .filter(|one| one.name == container)
        .find_map(|one| one.args.clone())
        .unwrap_or_default()
}

fn enforcers(arguments: &[String]) -> Vec<String> {
    let at = arguments.iter().position(|word| word == "--enforcers");
    let names = at.and_then(|at| arguments.get(at + 1));
    names.map_or_else(
        || vec![container::EGRESS.to_owned()],
        |names| names.split(',').map(str::to_owned).collect(),
    )
}
