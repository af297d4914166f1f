//! Runs one pod: the files that `prepare` would lay out, the sidecars, the agent under `seal`.

use super::{
    Error,
    place::Place,
    process,
    record::{Record, Runtime},
    sandbox::{self, Bubblewrap, Needs, SandboxError, handover, inside, layout},
    sidecars::{Listeners, Sidecars},
    workspace,
};
use crate::{
    agents::secrets::{resolve, secrets_used},
    api::Bottle,
    config::seal::Instructions,
    names::{self, container, path},
};
use k8s_openapi::api::core::v1::{Container, Pod};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::symlink, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::process::{Child, Command};

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
    child: Child,
    sidecars: Sidecars,
}

/// How long the sandbox may take to hand its sockets over; it needs about 20 ms.
const HANDOVER: Duration = Duration::from_secs(20);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// An agent's first process that waits for its sidecars.
struct Begun {
    child: Child,
    listeners: Listeners,
    terminal: Option<OwnedFd>,
    /// Where the word is said that it may go on.
    go: Option<UnixStream>,
}

/// Begins in namespaces of its own; the sockets that were bound inside come out.
async fn in_sandbox(
    place: &Place,
    agent: &Container,
    mut instructions: Instructions,
    needs: &Needs,
    attach: Attach,
    search: Option<&std::ffi::OsStr>,
) -> Result<Begun, Error> {
    // What the lock is in a pod, the first process inside looks at itself.
    instructions.wall.clear();
    instructions.image_home = Some("/etc/skel".into());
    write_instructions(place, &instructions)?;
    let layout = sandbox::prepare(needs)?;
    let bubblewrap = Bubblewrap::find(search)?;
    let mut command = bubblewrap.command(&layout);
    command.arg(layout::PROGRAM).args(["local", "inside"]);
    command.args(["--instructions", path::SEAL_INSTRUCTIONS]);
    if attach == Attach::Terminal {
        command.arg("--tty");
    }
    command
        .env_clear()
        .envs(environment(agent, &needs.readable));
    let (outside, inside) = UnixStream::pair().map_err(SandboxError::io("make a socket"))?;
    command.stdin(Stdio::from(OwnedFd::from(inside)));
    // A key of the terminal is ours to pass on: bubblewrap would end at once, and the agent with it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = spawn(place, command.into(), attach)?;
    let mut files = take_over(place, &outside).await?;
    let terminal = (files.len() > inside::PORTS.len())
        .then(|| files.pop())
        .flatten();
    let mut sockets = files.into_iter().map(TcpListener::from);
    let (Some(supervise), Some(cred_proxy), Some(egress)) =
        (sockets.next(), sockets.next(), sockets.next())
    else {
        return Err(SandboxError::NotStarted("it handed too few sockets over".into()).into());
    };
    Ok(Begun {
        child,
        listeners: Listeners {
            supervise,
            cred_proxy,
            egress,
        },
        terminal,
        go: Some(outside),
    })
}

/// Begins as any other process: nothing holds it.
fn in_the_open(
    place: &Place,
    agent: &Container,
    mut instructions: Instructions,
    workspace: &Path,
    attach: Attach,
) -> Result<Begun, Error> {
    let (listeners, ports) = process::listen()?;
    instructions.wall.clear();
    // Without one named, seal would fill the home from the person's own.
    instructions.image_home = Some("/etc/skel".into());
    ports.instruct(&mut instructions, &place.path("home").to_string_lossy());
    write_instructions(place, &instructions)?;
    let program = std::env::current_exe().map_err(Error::file("find", Path::new("bottle")))?;
    let mut command = std::process::Command::new(program);
    command.args(["local", "inside", "--plain", "--instructions"]);
    command.arg(place.path("run/seal/seal.json"));
    command.arg("--last-word").arg(place.path("run/last-word"));
    command.current_dir(workspace);
    for variable in agent.env.iter().flatten() {
        command.env(
            &variable.name,
            ports.lead(variable.value.as_deref().unwrap_or_default()),
        );
    }
    command.env("HOME", place.path("home"));
    command.stdin(if matches!(attach, Attach::Log | Attach::Output) {
        Stdio::null()
    } else {
        Stdio::inherit()
    });
    let child = spawn(place, command.into(), attach)?;
    Ok(Begun {
        child,
        listeners,
        terminal: None,
        go: None,
    })
}

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
        let agent = agent(pod);
        let uid = bottle.metadata.uid.clone().unwrap_or_default();
        let instructions = instructions(place, bottle)?;
        link_secrets(place, bottle)?;
        let workspace = open_workspace(place, record)?;
        let home = place.path("home");
        fs::create_dir_all(&home).map_err(Error::file("make", &home))?;
        let begun = match record.runtime {
            Runtime::Sandbox => {
                let needs = needs(place, agent, record, &workspace);
                in_sandbox(place, agent, instructions, &needs, attach, search).await?
            }
            Runtime::Process => in_the_open(place, agent, instructions, &workspace, attach)?,
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
            child,
            sidecars,
        })
    }

    /// Waits for the agent's end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Passes a signal on to the agent.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = self.child.id() else { return };
        // Bubblewrap would end at once and take everything with it; its only child is the first process inside.
        let pid = first_child(pid).unwrap_or(pid);
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends agent and sidecars.
    pub async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(GRACE, self.child.wait())
            .await
            .is_err()
        {
            let _ = self.child.kill().await;
        }
        self.sidecars.stop().await;
    }
}

/// The agent's container in the pod.
fn agent(pod: &Pod) -> &Container {
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

fn write_instructions(place: &Place, instructions: &Instructions) -> Result<(), Error> {
    let directory = place.path("run/seal");
    let path = directory.join("seal.json");
    let text = serde_json::to_vec(instructions).unwrap_or_default();
    super::write::directory(&directory)
        .and_then(|()| super::write::replace(&path, &text))
        .map_err(Error::file("write", &path))?;
    let last_word = place.path("run/last-word");
    fs::write(&last_word, "").map_err(Error::file("write", &last_word))
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

fn needs(place: &Place, agent: &Container, record: &Record, workspace: &Path) -> Needs {
    let mounted = agent.volume_mounts.iter().flatten();
    let at = mounted
        .filter(|mount| mount.name == crate::plan::volumes::WORKSPACE)
        .map(|mount| mount.mount_path.clone())
        .next()
        .unwrap_or_else(|| path::WORKSPACE.to_owned());
    let user = agent
        .security_context
        .as_ref()
        .and_then(|one| one.run_as_user);
    Needs {
        user: user.unwrap_or(names::uid::AGENT_DEFAULT),
        hostname: place.key().name.clone(),
        directory: place.path(""),
        workspace: workspace.to_owned(),
        working_dir: agent
            .working_dir
            .clone()
            .unwrap_or_else(|| at.clone())
            .into(),
        readable: record.readable.clone(),
        over: if record.protected {
            workspace::over(workspace, Path::new(&at), &place.path("run/git-config"))
        } else {
            Vec::new()
        },
        workspace_at: at.into(),
    }
}

/// The agent's environment: the plan's, and what any program expects.
fn environment(agent: &Container, readable: &[PathBuf]) -> BTreeMap<String, String> {
    let mut search: Vec<String> = readable
        .iter()
        .flat_map(|path| [path.join("bin"), path.clone()])
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string())
        .collect();
    search.push("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    let mut all: BTreeMap<String, String> = [
        ("PATH", search.join(":").as_str()),
        ("USER", "agent"),
        ("LOGNAME", "agent"),
        ("SHELL", "/bin/bash"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for name in ["TERM", "COLORTERM", "LANG", "LC_ALL", "TZ"] {
        if let Some(value) = std::env::var_os(name).and_then(|value| value.into_string().ok()) {
            all.insert(name.to_owned(), value);
        }
    }
    let own = agent.env.iter().flatten();
    all.extend(own.map(|one| (one.name.clone(), one.value.clone().unwrap_or_default())));
    all
}

fn spawn(place: &Place, mut command: Command, attach: Attach) -> Result<Child, Error> {
    if attach != Attach::Inherit {
        let path = place.path("log/agent");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(Error::file("write", &path))?;
        let other = log.try_clone().map_err(Error::file("write", &path))?;
        if attach != Attach::Output {
            command.stdout(other);
        }
        command.stderr(log);
    }
    command.kill_on_drop(true);
    command.spawn().map_err(|source| Error::Start {
        what: "the agent",
        source,
    })
}

/// The sockets from inside. A sandbox that ends instead closes its side, which ends the wait.
async fn take_over(place: &Place, outside: &UnixStream) -> Result<Vec<OwnedFd>, Error> {
    let socket = outside
        .try_clone()
        .map_err(SandboxError::io("share a socket"))?;
    socket
        .set_read_timeout(Some(HANDOVER))
        .map_err(SandboxError::io("bound a wait"))?;
    let received = tokio::task::spawn_blocking(move || handover::receive(&socket)).await;
    if let Ok(Ok(files)) = received {
        return Ok(files);
    }
    let log = fs::read_to_string(place.path("log/agent")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(5)..].join(" / ");
    Err(SandboxError::NotStarted(end).into())
}

fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
