//! A pod that runs as containers.

use super::{
    DockerError,
    agent::{Agent, follow, seen},
    attach,
    begin::{begin, create, start},
    containers::{Place as Names, limits, render},
    daemon::Daemon,
    found::{remove, remove_container, runs},
    questions, resize, secrets,
    watch::{Ended, watch, watch_agent},
};
use crate::{
    api::Bottle,
    config::hex,
    local::{
        Error, config_map,
        place::Place,
        record::Record,
        resources::Limits,
        runner::{Attach, agent},
        workspace,
    },
    names::{self, container},
    plan::volumes,
};
use bollard::query_parameters::{KillContainerOptionsBuilder, StopContainerOptionsBuilder};
use k8s_openapi::api::core::v1::Pod;
use nix::sys::signal::Signal;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};

/// Seconds from SIGTERM to SIGKILL.
const GRACE: i32 = 10;
/// For what an agent that is replaced wrote last.
const REST: Duration = Duration::from_secs(2);
/// Hexadecimal digits of a place's id.
const DIGITS: usize = 12;

/// A pod's containers, and what of them is in this process. Dropped, it leaves the containers as they are.
#[derive(Debug)]
pub struct Running {
    /// The other side of the agent's terminal.
    pub terminal: Option<OwnedFd>,
    /// What the agent runs in.
    pub agent: Agent,
    /// What it is kept to; unknown of one that an earlier keeper left.
    limits: Option<Limits>,
    daemon: Daemon,
    names: Names,
    ended: mpsc::UnboundedReceiver<Ended>,
    ends: mpsc::UnboundedSender<Ended>,
    // Ended with this.
    tasks: JoinSet<()>,
    copies: JoinSet<()>,
    of_agent: JoinSet<()>,
    watch: JoinSet<()>,
    watch_agent: JoinSet<()>,
}

/// Whose containers these are: one state directory, one project, one bottle.
pub(super) fn id(place: &Place) -> String {
    let mut hasher = Sha256::new();
    hasher.update(place.state().root().as_os_str().as_encoded_bytes());
    hasher.update([0]);
    hasher.update(place.key().to_string());
    let mut digits = hex(&hasher.finalize());
    digits.truncate(DIGITS);
    digits
}

impl Running {
    /// Starts the pod, or takes it over where it runs.
    pub async fn start(
        place: &Place,
        bottle: &Bottle,
        pod: &Pod,
        record: &Record,
        attached: Attach,
    ) -> Result<Self, Error> {
        let daemon = Daemon::of(record).await?;
        secrets::deliver(place, bottle)?;
        config_map::deliver(place, pod)?;
        let names = names(place, pod, record, attached)?;
        let made = render(pod, &names)?;
        let bottle_uid = bottle.metadata.uid.clone().unwrap_or_default();
        let mut tasks = JoinSet::new();
        let listener = questions::bind(place)?;
        tasks.spawn(questions::serve(listener, place.clone(), bottle_uid));
        tasks.spawn(secrets::follow(place.clone()));
        let agent_name = names.container(container::AGENT);

        let pod_uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let taken_over = attached == Attach::Log && runs(&daemon, &names.id, pod_uid).await?;
        let mut terminal = None;
        let mut copies = JoinSet::new();
        if !taken_over {
            daemon.check().await?;
            for image in made
                .sidecars
                .iter()
                .filter_map(|(_, one)| one.image.as_deref())
            {
                daemon.own_image(image).await?;
            }
            daemon
                .agent_image(made.agent.image.as_deref().unwrap_or_default())
                .await?;
            remove(&daemon, &names.id, false).await?;
            last_word(place)?;
            let begun = async {
                begin(&daemon, &names, made).await?;
                match attach::join(&daemon, &agent_name, place, attached).await? {
                    attach::Joined::Terminal(file) => terminal = Some(file),
                    attach::Joined::Copies(tasks) => copies = tasks,
                }
                Ok::<_, Error>(start(&daemon, &names, container::AGENT).await?)
            };
            if let Err(error) = Box::pin(begun).await {
                let _ = remove(&daemon, &names.id, false).await;
                return Err(error);
            }
        }
        let (ends, ended) = mpsc::unbounded_channel();
        Ok(Self {
            limits: limits(agent(pod)).ok().filter(|_| !taken_over),
            terminal,
            agent: seen(&daemon, &agent_name).await?,
            of_agent: follow(&daemon, &agent_name, place, attached, taken_over),
            watch: watch(&daemon, &names, &ends),
            watch_agent: watch_agent(&daemon, &names, &ends),
            daemon,
            names,
            ended,
            ends,
            tasks,
            copies,
        })
    }

    /// Puts an agent of the pod's image in the place of the one that runs: volumes, network, sidecars and the calls that
    /// wait in them stay.
    pub async fn replace(
        &mut self,
        place: &Place,
        pod: &Pod,
        attached: Attach,
    ) -> Result<(), Error> {
        let made = render(pod, &self.names)?;
        let image = made.agent.image.as_deref().unwrap_or_default();
        self.daemon.agent_image(image).await?;
        let name = self.names.container(container::AGENT);
        self.watch_agent.abort_all();
        let options = StopContainerOptionsBuilder::new().t(GRACE).build();
        let _ = self
            .daemon
            .docker
            .stop_container(&name, Some(options))
            .await;
        // What it wrote last is still on its way; a person's input and terminal never end.
        let rest = async {
            while self.copies.join_next().await.is_some() {}
            while self.of_agent.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(REST, rest).await;
        self.copies = JoinSet::new();
        self.of_agent = JoinSet::new();
        remove_container(&self.daemon, &name).await?;
        // What it may have said of its own end is over; of the pod's it is not.
        let mut left = Vec::new();
        while let Ok(end) = self.ended.try_recv() {
            left.extend((!end.agent).then_some(end));
        }
        for end in left {
            let _ = self.ends.send(end);
        }
        last_word(place)?;
        create(&self.daemon, &self.names, container::AGENT, made.agent).await?;
        self.limits = Some(limits(agent(pod))?);
        match attach::join(&self.daemon, &name, place, attached).await? {
            attach::Joined::Terminal(file) => self.terminal = Some(file),
            attach::Joined::Copies(tasks) => self.copies = tasks,
        }
        start(&self.daemon, &self.names, container::AGENT).await?;
        self.agent = seen(&self.daemon, &name).await?;
        self.of_agent = follow(&self.daemon, &name, place, attached, false);
        self.watch_agent = watch_agent(&self.daemon, &self.names, &self.ends);
        Ok(())
    }

    /// Keeps the agent to the pod's resources. One that has a limit can't be without it again while it runs.
    pub async fn resize(&mut self, pod: &Pod) -> Result<(), DockerError> {
        let wanted = limits(agent(pod))?;
        if self.limits == Some(wanted) {
            return Ok(());
        }
        let name = self.names.container(container::AGENT);
        resize::resize(&self.daemon, &name, wanted).await?;
        self.limits = Some(wanted);
        Ok(())
    }

    /// Waits for the agent's end; its exit code.
    pub async fn ended(&mut self) -> i32 {
        match self.ended.recv().await {
            Some(end) => end.code,
            None => std::future::pending().await,
        }
    }

    /// Passes a signal on to the agent.
    pub fn signal(&self, signal: Signal) {
        let (daemon, name) = (self.daemon.clone(), self.names.container(container::AGENT));
        tokio::spawn(async move {
            let options = KillContainerOptionsBuilder::new()
                .signal(signal.as_str())
                .build();
            let _ = daemon.docker.kill_container(&name, Some(options)).await;
        });
    }

    /// Ends agent and sidecars, and removes all but what a next start needs.
    pub async fn stop(mut self) {
        let name = self.names.container(container::AGENT);
        let options = StopContainerOptionsBuilder::new().t(GRACE).build();
        let _ = self
            .daemon
            .docker
            .stop_container(&name, Some(options))
            .await;
        // What it wrote last is still on its way.
        while self.copies.join_next().await.is_some() {}
        // What ends from here on is meant to.
        self.watch.shutdown().await;
        self.watch_agent.shutdown().await;
        if let Err(error) = remove(&self.daemon, &self.names.id, false).await {
            let error = crate::telemetry::chain(&error);
            tracing::warn!(error, "Containers are left; the next start removes them");
        }
        self.tasks.shutdown().await;
    }
}

fn names(place: &Place, pod: &Pod, record: &Record, attached: Attach) -> Result<Names, Error> {
    let agent = agent(pod);
    let mounts = agent.volume_mounts.iter().flatten();
    let at = mounts
        .filter(|mount| mount.name == volumes::WORKSPACE)
        .map(|mount| PathBuf::from(&mount.mount_path))
        .next()
        .unwrap_or_else(|| names::path::WORKSPACE.into());
    let user = agent
        .security_context
        .as_ref()
        .and_then(|context| context.run_as_user)
        .and_then(|user| u32::try_from(user).ok())
        .unwrap_or_default();
    if let Some(directory) = &record.workspace {
        writable(directory, user)?;
    }
    let over = match &record.workspace {
        Some(directory) if record.protected => {
            let copy = place.path("run/git-config");
            give(&copy, user)?;
            workspace::over(directory, &at, &copy)
        }
        _ => Vec::new(),
    };
    Ok(Names {
        id: id(place),
        bottle: place.key().name.clone(),
        project: place.key().project.clone(),
        directory: place.path(""),
        workspace: record.workspace.clone(),
        over,
        resolve: record.resolve.clone(),
        terminal: attached == Attach::Terminal,
        input: attached == Attach::Inherit,
    })
}

/// An agent that can't write where it works would only be a riddle.
fn writable(directory: &Path, agent: u32) -> Result<(), Error> {
    let meta = fs::metadata(directory).map_err(Error::file("look at", directory))?;
    let mode = meta.mode();
    if meta.uid() == agent || mode & 0o002 != 0 || meta.gid() == agent && mode & 0o020 != 0 {
        return Ok(());
    }
    Err(DockerError::Workspace {
        directory: directory.display().to_string(),
        owner: meta.uid(),
        agent,
    }
    .into())
}

/// A file of ours that the agent may write. Who is not root has the agent's uid, or it could not write the workspace.
fn give(path: &Path, agent: u32) -> Result<(), Error> {
    match std::os::unix::fs::chown(path, Some(agent), Some(agent)) {
        Err(error)
            if nix::unistd::geteuid().is_root() && error.kind() != io::ErrorKind::NotFound =>
        {
            Err(Error::file("give away", path)(error))
        }
        _ => Ok(()),
    }
}

/// An empty file that any uid may write: only the agent's container has it.
fn last_word(place: &Place) -> Result<(), Error> {
    let path = place.path("run/last-word");
    fs::write(&path, "")
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o666)))
        .map_err(Error::file("write", &path))
}
