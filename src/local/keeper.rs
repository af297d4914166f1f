//! Keeps one bottle: watches its directory, plans, applies, and has the pod run. Nothing is decided here.

use super::{
    Error, apply,
    class::Turn,
    config_map,
    helpers::{self, HELPERS, Helpers},
    honour, now,
    place::Place,
    pod_status::{running, terminated, waiting},
    record::{Record, Runtime},
    runner::{Attach, Run},
};
pub use super::{
    end::{end, gone},
    settings::settings,
};
use crate::{api::Bottle, config_directory::watcher::Changes, plan::seen, telemetry::chain};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::{ffi::OsString, fs, future::Future, os::fd::OwnedFd, pin::pin, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// How a bottle is kept.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the agent's input and output are.
    pub attach: Attach,
    /// PATH, for bubblewrap.
    pub search: Option<OsString>,
    /// Ends with the agent, instead of keeping the bottle's objects up to date for as long as it exists.
    pub once: bool,
    /// Who takes the agent's terminal, each time it starts.
    pub terminals: Option<mpsc::UnboundedSender<OwnedFd>>,
    /// Signals for the agent.
    pub signals: Option<mpsc::UnboundedReceiver<nix::sys::signal::Signal>>,
}

/// First and longest pause before an agent that failed starts again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Keeps the bottle until `shutdown`, or until it is deleted.
pub async fn keep(place: &Place, mut options: Options, shutdown: impl Future) -> Result<(), Error> {
    let held = place.keep()?;
    // First the watch, then the read: no change is missed between them.
    let mut objects = Changes::of(&place.path(""))?;
    let mut proposals = Changes::of(&place.path("proposals"))?;
    let mut beside = Changes::of(&place.path(HELPERS))?;
    let mut classes = Changes::of(place.state().classes().make()?)?;
    let config_maps = place.state().config_maps(&place.key().project)?;
    let mut config_maps = Changes::of(config_maps.make()?)?;
    let settings = settings(&place.record()?);
    let mut keeper = Keeper {
        place,
        run: None,
        helpers: Helpers::default(),
        restart: None,
        pause: PAUSE.0,
        turn: None,
    };
    let mut shutdown = pin!(shutdown);
    let ended = loop {
        let Some(bottle) = place.bottle()? else {
            keeper.helpers = Helpers::default();
            keeper.stop().await;
            break end(place).await;
        };
        let known = helpers::known(place, &place.record()?).await?;
        let recheck = match keeper.reconcile(&bottle, &settings, &known) {
            Err(Error::Conflict { .. }) => continue,
            Err(error) if !options.once => {
                // A person may be editing a file by hand: that ends no agent.
                tracing::error!(error = chain(&error), "Can't go on with this bottle");
                now().checked_add(jiff::SignedDuration::from_secs(5)).ok()
            }
            other => other?,
        };
        // Boxed: a daemon's part of it is large.
        Box::pin(keeper.follow(&bottle, &options)).await?;
        if options.once && keeper.over()? {
            keeper.stop().await;
            break Ok(());
        }
        if let (Some(run), Some(terminals)) = (&mut keeper.run, &options.terminals)
            && let Some(terminal) = run.terminal.take()
        {
            let _ = terminals.send(terminal);
        }
        let alarm = keeper.alarm(recheck);
        tokio::select! {
            () = objects.next() => {}
            () = proposals.next() => {}
            () = beside.next() => {}
            () = classes.next() => {}
            () = config_maps.next() => {}
            () = sleep_until(alarm) => {}
            status = ended(&mut keeper.run) => keeper.agent_ended(status).await?,
            Some(signal) = next(&mut options.signals) => if let Some(run) = &keeper.run { run.signal(signal) },
            _ = &mut shutdown => {
                keeper.stop().await;
                break Ok(());
            }
        }
    };
    drop(held);
    ended
}

pub(super) struct Keeper<'a> {
    pub(super) place: &'a Place,
    pub(super) turn: Option<Turn>,
    run: Option<Run>,
    helpers: Helpers,
    restart: Option<Instant>,
    pause: Duration,
}

impl Keeper<'_> {
    /// Has exactly the stored pod run.
    async fn follow(&mut self, bottle: &Bottle, options: &Options) -> Result<(), Error> {
        let record = self.place.record()?;
        self.helpers.follow(self.place, &record)?;
        let pod = self.place.pod()?;
        let wanted = pod.as_ref().and_then(|pod| pod.metadata.uid.as_deref());
        if self
            .run
            .as_ref()
            .is_some_and(|run| Some(run.uid.as_str()) != wanted)
        {
            self.stop().await;
        }
        let Some(pod) = pod.filter(|pod| seen::ended(pod).is_none()) else {
            return Ok(());
        };
        if self.run.is_some() {
            config_map::deliver(self.place, &pod)?;
            self.follow_image(&pod, options).await?;
            return self.follow_resources(&pod).await;
        }
        if self.restart.is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        self.restart = None;
        match self.start(bottle, &pod, &record, options).await {
            Ok(run) => {
                let inside = run.agent().cloned().unwrap_or_default();
                self.run = Some(run);
                apply::change_pod(self.place, |pod| running(pod, &inside))
            }
            Err(error) if options.once => Err(error),
            Err(error) => {
                let message = chain(&error);
                tracing::error!(error = message, "The agent can't start");
                self.later();
                apply::change_pod(self.place, |pod| waiting(pod, "CannotStart", &message))
            }
        }
    }

    /// Has the agent run in the pod's image, and all else go on.
    async fn follow_image(&mut self, pod: &Pod, options: &Options) -> Result<(), Error> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let wanted = seen::agent_image(pod);
        if run.agent().is_none_or(|agent| Some(&agent.image) == wanted) {
            return Ok(());
        }
        tracing::info!(image = wanted, "Replacing the agent's container");
        let replaced = run.replace(self.place, pod, options.attach).await;
        let inside = run.agent().cloned().unwrap_or_default();
        match replaced {
            Ok(()) => apply::change_pod(self.place, |pod| running(pod, &inside)),
            Err(error) => {
                let message = chain(&error);
                tracing::error!(error = message, "The agent can't be replaced");
                self.stop().await;
                self.later();
                // A kubelet's word: the plan takes the image back where it is the new one's fault.
                apply::change_pod(self.place, |pod| {
                    waiting(pod, "CreateContainerError", &message);
                })
            }
        }
    }

    /// Has the agent kept to the pod's resources.
    async fn follow_resources(&mut self, pod: &Pod) -> Result<(), Error> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        match run.resize(pod).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "The agent's resources can't change in place");
                apply::refuse_resize(self.place)
            }
        }
    }

    async fn start(
        &self,
        bottle: &Bottle,
        pod: &Pod,
        record: &Record,
        options: &Options,
    ) -> Result<Run, Error> {
        honour::pod(pod, record.runtime)?;
        // The directories may be from before a crash, or gone with a reboot.
        if let Some(config_map) = self.place.config_map()? {
            apply::deliver(self.place, &config_map)?;
        }
        if record.runtime == Runtime::Process {
            eprintln!("{}", super::process::WARNING);
        }
        Run::start(
            self.place,
            bottle,
            pod,
            record,
            options.attach,
            options.search.as_deref(),
        )
        .await
    }

    async fn agent_ended(
        &mut self,
        status: std::io::Result<std::process::ExitStatus>,
    ) -> Result<(), Error> {
        use std::os::unix::process::ExitStatusExt as _;
        let code = match status {
            Ok(status) => status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            Err(_) => 125,
        };
        self.stop().await;
        let message = fs::read_to_string(self.place.path("run/last-word")).unwrap_or_default();
        if code != 0 {
            self.later();
        }
        apply::change_pod(self.place, |pod| terminated(pod, code, &message))
    }

    fn later(&mut self) {
        self.restart = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// Whether the agent has ended for good.
    fn over(&self) -> Result<bool, Error> {
        Ok(self.run.is_none()
            && self
                .place
                .pod()?
                .is_some_and(|pod| seen::ended(&pod).is_some()))
    }

    fn alarm(&self, recheck: Option<Timestamp>) -> Option<Instant> {
        let planned = recheck.map(|at| {
            let left = at.duration_since(now()).unsigned_abs();
            // A little later than the moment itself: the plan compares whole seconds.
            Instant::now()
                + if at > now() { left } else { Duration::ZERO }
                + Duration::from_millis(20)
        });
        [planned, self.restart].into_iter().flatten().min()
    }

    async fn stop(&mut self) {
        if let Some(run) = self.run.take() {
            run.stop().await;
        }
    }
}

async fn ended(run: &mut Option<Run>) -> std::io::Result<std::process::ExitStatus> {
    match run {
        Some(run) => run.ended().await,
        None => std::future::pending().await,
    }
}

async fn next<T>(receiver: &mut Option<mpsc::UnboundedReceiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
