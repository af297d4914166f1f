//! An agent's first process, in either runtime: begun, and waiting for its sidecars.

use super::{
    Error, handover,
    place::Place,
    process::{self, Places},
    record::Record,
    runner::Attach,
    sandbox::{self, Bubblewrap, Needs, SandboxError, inside, layout},
    sidecars::Listeners,
    workspace,
};
use crate::{
    config::seal::Instructions,
    names::{self, path},
};
use k8s_openapi::api::core::v1::Container;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// How long the sandbox may take to hand its sockets over; it needs about 20 ms.
const HANDOVER: Duration = Duration::from_secs(20);

/// An agent's first process that waits for its sidecars.
pub(super) struct Begun {
    pub child: Child,
    pub listeners: Listeners,
    pub terminal: Option<OwnedFd>,
    /// Where the word is said that it may go on.
    pub go: Option<UnixStream>,
}

/// Begins in namespaces of its own; the sockets that were bound inside come out.
pub(super) async fn in_sandbox(
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
pub(super) fn in_the_open(
    place: &Place,
    agent: &Container,
    mut instructions: Instructions,
    workspace: &Path,
    shared: &[(PathBuf, PathBuf)],
    attach: Attach,
) -> Result<Begun, Error> {
    let (listeners, ports) = process::listen()?;
    let home = (path::HOME.into(), place.path("home"));
    let places = Places(shared.iter().cloned().chain([home]).collect());
    places.instruct(&mut instructions);
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
        let value = variable.value.as_deref().unwrap_or_default();
        command.env(&variable.name, places.lead(&ports.lead(value)));
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

/// What the sandbox is made of.
pub(super) fn needs(place: &Place, agent: &Container, record: &Record, workspace: &Path) -> Needs {
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
        shared: Vec::new(),
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
