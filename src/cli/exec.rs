//! `bottle exec` and `bottle attach`: by the programs that the cluster or the daemon comes with, which speak every
//! version of its protocol.

use super::{Error, backend::Backend, complete, on_cluster::Cluster, on_machine::Machine};
use crate::{
    local::{docker, record::Runtime},
    names,
    seal::probe,
};
use clap_complete::ArgValueCandidates;
use std::{
    env,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// `bottle exec`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the Bottle.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    name: String,
    /// Pass standard input on.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give it a terminal.
    #[arg(short = 't', long)]
    tty: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// `bottle attach`.
#[derive(Clone, Debug, clap::Args)]
pub struct Attach {
    /// Name of a Bottle with spec.agent.tty.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    name: String,
}

/// Runs a program beside the agent; its exit code.
pub async fn exec(backend: &Backend, options: &Options) -> Result<u8, Error> {
    backend.bottle(&options.name).await?;
    let mut command = match backend {
        Backend::Cluster(cluster) => {
            let mut command = kubectl(cluster, "exec")?;
            flags(&mut command, options);
            command.arg(names::object_name(&options.name));
            command.args(["-c", names::container::AGENT, "--"]);
            command
        }
        Backend::Machine(machine) => {
            let why = "what a person runs in there would stand outside of the agent's filter of system calls; see its \
                       directory by `bottle describe` instead";
            let (socket, container) = agents_container(machine, &options.name, "exec", why)?;
            let mut command = client(&socket, "exec")?;
            flags(&mut command, options);
            command.arg(container);
            command
        }
    };
    command.args(&options.command);
    run(command).await
}

fn flags(command: &mut Command, options: &Options) {
    command
        .args(options.stdin.then_some("-i"))
        .args(options.tty.then_some("-t"));
}

/// Joins this terminal with the agent's own, until one of them ends.
pub async fn attach(backend: &Backend, options: &Attach) -> Result<u8, Error> {
    let bottle = backend.bottle(&options.name).await?;
    if bottle.spec.agent.tty != Some(true) {
        return Err(Error::Refused(format!(
            "the agent of bottle {0} has no terminal: set spec.agent.tty, or read `bottle logs -f {0}`",
            options.name
        )));
    }
    let command = match backend {
        Backend::Cluster(cluster) => {
            let mut command = kubectl(cluster, "attach")?;
            command.args(["-i", "-t", "-c", names::container::AGENT]);
            command.arg(names::object_name(&options.name));
            command
        }
        Backend::Machine(machine) => {
            let why = "its agent has the terminal in which `bottle run` was called, and no other";
            let (socket, container) = agents_container(machine, &options.name, "attach", why)?;
            let mut command = client(&socket, "attach")?;
            // A key of this terminal is the agent's, as it comes; ctrl-p ctrl-q leaves it alone again.
            command.args(["--sig-proxy=false"]).arg(container);
            command
        }
    };
    run(command).await
}

fn kubectl(cluster: &Cluster, verb: &str) -> Result<Command, Error> {
    let program = find("kubectl", &format!("{verb} in a cluster is done by it"))?;
    let mut command = Command::new(program);
    command.args(cluster.kubectl()).arg(verb);
    Ok(command)
}

/// Docker's or Podman's own program, whichever is there: they take the same words.
fn client(socket: &Path, verb: &str) -> Result<Command, Error> {
    let search = env::var_os("PATH");
    let address = format!("unix://{}", socket.display());
    let mut command = if let Some(docker) = probe::find("docker", search.as_deref()) {
        let mut command = Command::new(docker);
        command.args(["--host", &address]);
        command
    } else {
        let podman = find("podman", &format!("{verb} is done by it or by docker"))?;
        let mut command = Command::new(podman);
        command.args(["--remote", "--url", &address]);
        command
    };
    command.arg(verb);
    Ok(command)
}

fn find(program: &str, what: &str) -> Result<PathBuf, Error> {
    probe::find(program, env::var_os("PATH").as_deref())
        .ok_or_else(|| Error::Refused(format!("{program} is not on PATH, and {what}: install it")))
}

/// Where the agent's container is; other runtimes have none.
fn agents_container(
    machine: &Machine,
    name: &str,
    verb: &str,
    why: &str,
) -> Result<(PathBuf, String), Error> {
    let place = machine.place(name)?;
    let record = place.record()?;
    match (record.runtime, record.docker) {
        (Runtime::Docker, Some(socket)) => {
            Ok((socket, docker::container(&place, names::container::AGENT)))
        }
        (runtime, _) => Err(Error::Refused(format!(
            "the runtime {} can't {verb}: {why}",
            runtime.as_str()
        ))),
    }
}

async fn run(mut command: Command) -> Result<u8, Error> {
    let status = command
        .status()
        .await
        .map_err(Error::io("run the program"))?;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
