//! Runs one pod: the files that `prepare` would lay out, the sidecars, the agent under `seal`.

use super::{
    Error,
    begin::{Begun, in_sandbox, in_the_open, needs},
    config_map, docker, handover,
    place::Place,
    record::{Record, Runtime},
    sandbox::SandboxError,
    sidecars::Sidecars,
};
use crate::{
    agents::secrets::{resolve, secrets_used},
    api::Bottle,
    config::seal::Instructions,
    names::{self, container},
};
use k8s_openapi::api::core::v1::{Container, Pod};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::symlink, process::ExitStatusExt as _},
    },
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};
use tokio::process::Child;

/// Where the agent's input and output are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attach {
    /// Nowhere: output goes to `log/agent`.
    #[default]
    Log,
    /// This process' own.
    Inherit,
    /// Standard output is this process' own; there is no input, and standard error goes to `log/agent`.
    Output,
    /// A terminal of the agent's own; its other side is [`Run::terminal`].
    Terminal,
}

/// A pod that runs.
#[derive(Debug)]
pub struct Run {
    /// The pod's uid.
    pub uid: String,
    /// The other side of the agent's terminal.
    pub terminal: Option<OwnedFd>,
    kind: Kind,
}

/// What it runs as.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of them, in whoever keeps the bottle"
)]
enum Kind {
    /// A process, and the sidecars in this one.
    Process { child: Child, sidecars: Sidecars },
    /// Containers.
    Docker(docker::Running),
}

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

impl Run {
    /// Starts the pod.
    pub async fn start(
        place: &Place,
        bottle: &Bottle,
        pod: &Pod,
        record: &Record,
        attach: Attach,
        search: Option<&std::ffi::OsStr>,
    ) -> Result<Self, Error> {
        if record.runtime == Runtime::Docker {
            let mut running = {
                // Boxed: of all runtimes this one has the largest future.
                Box::pin(docker::Running::start(place, bottle, pod, record, attach)).await?
            };
            return Ok(Self {
                uid: pod.metadata.uid.clone().unwrap_or_default(),
                terminal: running.terminal.take(),
                kind: Kind::Docker(running),
            });
        }
        let agent = agent(pod);
        let uid = bottle.metadata.uid.clone().unwrap_or_default();
        let instructions = instructions(place, bottle)?;
        link_secrets(place, bottle)?;
        config_map::deliver(place, pod)?;
        let shared = config_map::seen_by(place, pod, agent);
        let workspace = open_workspace(place, record)?;
        let home = place.path("home");
        fs::create_dir_all(&home).map_err(Error::file("make", &home))?;
        let begun = match record.runtime {
            Runtime::Sandbox => {
                let mut needs = needs(place, agent, record, &workspace);
                needs.shared = shared;
                in_sandbox(place, agent, instructions, &needs, attach, search).await?
            }
            Runtime::Process | Runtime::Docker => {
                in_the_open(place, agent, instructions, &workspace, &shared, attach)?
            }
        };
        let Begun {
            mut child,
            listeners,
            terminal,
            go,
        } = begun;
        let sidecars = match Sidecars::start(place, pod, record, &uid, listeners) {
            Ok(sidecars) => sidecars,
            Err(error) => {
                let _ = child.start_kill();
                return Err(error);
            }
        };
        if let Some(terminal) = &terminal
            && let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        {
            // Before it begins: a program asks once, at its start.
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
        if let Some(go) = go {
            let input = io::stdin();
            let files = if attach == Attach::Inherit {
                vec![input.as_fd()]
            } else {
                Vec::new()
            };
            handover::send(&go, &files).map_err(SandboxError::io("let the agent begin"))?;
        }
        Ok(Self {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            terminal,
            kind: Kind::Process { child, sidecars },
        })
    }

    /// What the agent runs in, where that is a container.
    pub fn agent(&self) -> Option<&docker::Agent> {
        match &self.kind {
            Kind::Process { .. } => None,
            Kind::Docker(running) => Some(&running.agent),
        }
    }

    /// Puts an agent of the pod's image in the place of the one that runs, where an image means something.
    pub async fn replace(&mut self, place: &Place, pod: &Pod, attach: Attach) -> Result<(), Error> {
        match &mut self.kind {
            Kind::Process { .. } => Ok(()),
            Kind::Docker(running) => {
                Box::pin(running.replace(place, pod, attach)).await?;
                self.terminal = running.terminal.take();
                Ok(())
            }
        }
    }

    /// Keeps the agent that runs to the pod's resources, where that is done.
    pub async fn resize(&mut self, pod: &Pod) -> Result<(), Error> {
        match &mut self.kind {
            Kind::Process { .. } => Ok(()),
            Kind::Docker(running) => Ok(running.resize(pod).await?),
        }
    }

    /// Waits for the agent's end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.kind {
            Kind::Process { child, .. } => child.wait().await,
            // As `wait` has it: the code is in the second byte.
            Kind::Docker(running) => Ok(ExitStatus::from_raw(running.ended().await << 8)),
        }
    }

    /// Passes a signal on to the agent.
    pub fn signal(&self, signal: Signal) {
        let child = match &self.kind {
            Kind::Process { child, .. } => child,
            Kind::Docker(running) => return running.signal(signal),
        };
        let Some(pid) = child.id() else { return };
        // Bubblewrap would end at once and take everything with it; its only child is the first process inside.
        let pid = first_child(pid).unwrap_or(pid);
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends agent and sidecars.
    pub async fn stop(self) {
        if let Kind::Process { .. } = &self.kind {
            self.signal(Signal::SIGTERM);
        }
        match self.kind {
            Kind::Process {
                mut child,
                sidecars,
            } => {
                if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
                sidecars.stop().await;
            }
            Kind::Docker(running) => running.stop().await,
        }
    }
}

/// The agent's container in the pod.
pub(super) fn agent(pod: &Pod) -> &Container {
    static NONE: std::sync::LazyLock<Container> = std::sync::LazyLock::new(Container::default);
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .into_iter()
        .find(|one| one.name == container::AGENT)
        .unwrap_or(&NONE)
}

/// seal's instructions with the secrets in them, as `prepare` makes them.
fn instructions(place: &Place, bottle: &Bottle) -> Result<Instructions, Error> {
    let file = place.path("run/config").join(names::file::SEAL);
    let text = fs::read(&file).map_err(Error::file("read", &file))?;
    let mut instructions: Instructions = serde_json::from_slice(&text)
        .map_err(io::Error::from)
        .map_err(Error::file("read", &file))?;
    let mut values = BTreeMap::new();
    for name in secrets_used(&instructions.fragments).into_keys() {
        let Some(secret) = bottle.spec.secrets.get(&name) else {
            continue;
        };
        let path = place
            .state()
            .secret(&place.key().project, &secret.secret_name, &secret.key);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let value = text.trim_end_matches(['\r', '\n']).to_owned();
                if !value.trim().is_empty() {
                    values.insert(name, value);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("read", &path)(error)),
        }
    }
    instructions.fragments = resolve(&instructions.fragments, &values)?;
    Ok(instructions)
}

/// One link per NAME, to the file that holds it: a rotated one is seen at once.
fn link_secrets(place: &Place, bottle: &Bottle) -> Result<(), Error> {
    let directory = place.path("run/secrets");
    let link = || {
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => super::write::directory(&directory)?,
        }
        for (name, secret) in &bottle.spec.secrets {
            let project = &place.key().project;
            let file = place
                .state()
                .secret(project, &secret.secret_name, &secret.key);
            symlink(file, directory.join(name))?;
        }
        Ok(())
    };
    link().map_err(Error::file("write", &directory))
}

fn open_workspace(place: &Place, record: &Record) -> Result<PathBuf, Error> {
    let path = record
        .workspace
        .clone()
        .unwrap_or_else(|| place.path("workspace"));
    if record.workspace.is_none() {
        fs::create_dir_all(&path).map_err(Error::file("make", &path))?;
    }
    fs::canonicalize(&path).map_err(Error::file("open the workspace", &path))
}

fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
