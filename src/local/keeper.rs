//! Keeps one bottle: watches its directory, plans, applies, and has the pod run. Nothing is decided here.

use super::{
    Error, apply, honour,
    identity::Key,
    now,
    place::Place,
    record::{Record, Runtime},
    runner::{Attach, Run},
    state::State,
};
use crate::{
    api::{Bottle, BottleClassSpec, Proposal},
    config_directory::watcher::Changes,
    names::container,
    plan::{Observed, plan, seen, settings::Settings},
    proposal::{condition, progress},
    telemetry::chain,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, Pod, PodStatus,
};
use std::{
    ffi::OsString, fs, future::Future, os::fd::OwnedFd, path::PathBuf, pin::pin, process::ExitCode,
    time::Duration,
};
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

/// `bottle local keep`.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The state directory.
    #[arg(long)]
    state: PathBuf,
    /// The project.
    #[arg(long)]
    project: String,
    /// The bottle.
    #[arg(long)]
    bottle: String,
}

/// Keeps a bottle as a process of its own, until SIGTERM or the Bottle's end.
pub async fn main(flags: Flags) -> ExitCode {
    // The credentials' proxy is in this process: nobody of the same uid shall read its memory.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    // Out of the terminal's session: closing it must not end the bottle.
    let _ = nix::unistd::setsid();
    let kept = async {
        let key = Key::new(&flags.project, &flags.bottle)?;
        let place = State::open(&flags.state)?.place(key);
        let options = Options {
            search: std::env::var_os("PATH"),
            ..Options::default()
        };
        keep(&place, options, terminated_by_signal()).await
    };
    match kept.await {
        // Another one was faster.
        Ok(()) | Err(Error::Kept(_)) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "The bottle can't be kept");
            ExitCode::FAILURE
        }
    }
}

async fn terminated_by_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
}

/// First and longest pause before an agent that failed starts again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// Plans in a row that still have something to do: more would mean that they never end.
const ROUNDS: u32 = 16;

/// What this operator was told.
pub fn settings() -> Settings {
    let mut builtin = BottleClassSpec::default();
    builtin.agent.image = Some(honour::HOST_IMAGE.into());
    Settings {
        supervise_image: "bot-bottle".into(),
        pull_policy: "Never".into(),
        deny: Vec::new(),
        pipelock: None,
        builtin,
    }
}

/// Keeps the bottle until `shutdown`, or until it is deleted.
pub async fn keep(place: &Place, mut options: Options, shutdown: impl Future) -> Result<(), Error> {
    let held = place.keep()?;
    // First the watch, then the read: no change is missed between them.
    let mut objects = Changes::of(&place.path(""))?;
    let mut proposals = Changes::of(&place.path("proposals"))?;
    let settings = settings();
    let mut keeper = Keeper {
        place,
        run: None,
        restart: None,
        pause: PAUSE.0,
    };
    let mut shutdown = pin!(shutdown);
    let ended = loop {
        let Some(bottle) = place.bottle()? else {
            keeper.stop().await;
            break gone(place);
        };
        let recheck = match keeper.reconcile(&bottle, &settings) {
            Err(Error::Conflict { .. }) => continue,
            Err(error) if !options.once => {
                // A person may be editing a file by hand: that ends no agent.
                tracing::error!(error = chain(&error), "Can't go on with this bottle");
                now().checked_add(jiff::SignedDuration::from_secs(5)).ok()
            }
            other => other?,
        };
        keeper.follow(&bottle, &options).await?;
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

struct Keeper<'a> {
    place: &'a Place,
    run: Option<Run>,
    restart: Option<Instant>,
    pause: Duration,
}

impl Keeper<'_> {
    /// Plans and applies until there is nothing left to do; when to look again.
    fn reconcile(&self, bottle: &Bottle, settings: &Settings) -> Result<Option<Timestamp>, Error> {
        let mut bottle = bottle.clone();
        if let Err(refused) = honour::bottle(&bottle, &self.place.record()?) {
            not_honoured(self.place, &refused.to_string())?;
            return Ok(None);
        }
        for _ in 0..ROUNDS {
            let proposals = self.place.proposals()?;
            let (config_map, pod) = (self.place.config_map()?, self.place.pod()?);
            let seen = Observed {
                class: None,
                proposals: &proposals,
                config_map: config_map.as_ref(),
                pod: pod.as_ref(),
                settings,
            };
            let plan = plan(&bottle, seen, now());
            if plan.actions.is_empty() {
                return Ok(plan.recheck);
            }
            for action in plan.actions {
                tracing::debug!(?action, "applying");
                apply::apply(self.place, &bottle, &proposals, action)?;
            }
            match self.place.bottle()? {
                Some(read) => bottle = read,
                None => return Ok(None),
            }
        }
        tracing::warn!(bottle = %self.place.key(), "the plan does not come to rest");
        Ok(None)
    }

    /// Has exactly the stored pod run.
    async fn follow(&mut self, bottle: &Bottle, options: &Options) -> Result<(), Error> {
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
        if self.run.is_some() || self.restart.is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        self.restart = None;
        let record = self.place.record()?;
        match self.start(bottle, &pod, &record, options).await {
            Ok(run) => {
                self.run = Some(run);
                apply::change_pod(self.place, running)
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

/// The Bottle is gone: its grants end, its directories go, the record of what was allowed stays.
pub fn gone(place: &Place) -> Result<(), Error> {
    let locked = place.lock()?;
    for proposal in place.proposals()? {
        if let Some(status) = progress::orphan(&proposal, now()) {
            let orphaned = Proposal {
                status: Some(status),
                ..proposal
            };
            locked.put_proposal(orphaned)?;
        }
    }
    locked.remove_rest()
}

fn not_honoured(place: &Place, message: &str) -> Result<(), Error> {
    let locked = place.lock()?;
    let Some(mut bottle) = place.bottle()? else {
        return Ok(());
    };
    let before = bottle.clone();
    let status = bottle.status.get_or_insert_default();
    let now = condition::whole_seconds(now());
    condition::set(
        &mut status.conditions,
        "Ready",
        condition::FALSE,
        "NotHonoured",
        message,
        now,
    );
    if bottle == before {
        return Ok(());
    }
    locked.put_bottle(bottle)?;
    if place.pod()?.is_some() {
        locked.remove_pod()?;
    }
    Ok(())
}

fn running(pod: &mut Pod) {
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(condition::whole_seconds(now()));
    let running = ContainerState {
        running: Some(ContainerStateRunning {
            started_at: Some(now),
        }),
        ..ContainerState::default()
    };
    let done = ContainerState {
        terminated: Some(ContainerStateTerminated::default()),
        ..ContainerState::default()
    };
    let containers = [
        container::SUPERVISE,
        container::CRED_PROXY,
        container::EGRESS,
        container::AGENT,
    ];
    let old = agent_status(pod);
    pod.status = Some(PodStatus {
        phase: Some("Running".into()),
        init_container_statuses: Some(vec![status(container::PREPARE, done)]),
        container_statuses: Some(
            containers
                .map(|name| status(name, running.clone()))
                .to_vec(),
        ),
        ..PodStatus::default()
    });
    change_agent(pod, |agent| {
        agent.restart_count = old.restart_count;
        agent.last_state = old.last_state;
    });
}

fn terminated(pod: &mut Pod, code: i32, message: &str) {
    let end = ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: code,
            message: Some(message.trim().to_owned()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    if code == 0 {
        change_agent(pod, |agent| agent.state = Some(end));
        return;
    }
    change_agent(pod, |agent| {
        agent.restart_count += 1;
        agent.last_state = Some(end);
    });
    waiting(pod, "CrashLoopBackOff", "the agent starts again");
}

fn waiting(pod: &mut Pod, reason: &str, message: &str) {
    let state = ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
        }),
        ..ContainerState::default()
    };
    let containers = pod.status.get_or_insert_default();
    if containers.container_statuses.is_none() {
        containers.container_statuses = Some(vec![status(container::AGENT, state)]);
    } else {
        change_agent(pod, |agent| agent.state = Some(state));
    }
}

fn status(name: &str, state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        name: name.to_owned(),
        state: Some(state),
        ..ContainerStatus::default()
    }
}

fn agent_status(pod: &Pod) -> ContainerStatus {
    seen::container_status(pod, container::AGENT)
        .cloned()
        .unwrap_or_default()
}

fn change_agent(pod: &mut Pod, change: impl FnOnce(&mut ContainerStatus)) {
    let all = pod
        .status
        .iter_mut()
        .flat_map(|status| status.container_statuses.iter_mut().flatten());
    if let Some(agent) = all.into_iter().find(|one| one.name == container::AGENT) {
        change(agent);
    }
}
