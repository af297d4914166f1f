//! `bottle exec`.

use super::{Error, backend::Backend, complete};
use crate::{names, seal::probe};
use clap_complete::ArgValueCandidates;
use std::{env, os::unix::process::ExitStatusExt as _};
use tokio::process::Command;

/// `bottle exec`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the Bottle.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    name: String,
    /// Give the program a terminal.
    #[arg(short, long)]
    tty: bool,
    /// Pass standard input on.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs a program beside the agent; its exit code.
pub async fn exec(backend: &Backend, options: &Options) -> Result<u8, Error> {
    backend.bottle(&options.name).await?;
    let mut command = match backend {
        Backend::Cluster(cluster) => {
            // Its protocol has many versions, and kubectl speaks the cluster's own.
            let kubectl =
                probe::find("kubectl", env::var_os("PATH").as_deref()).ok_or_else(|| {
                    Error::Refused(
                        "exec in a cluster is done by kubectl, which is not on PATH: install it"
                            .into(),
                    )
                })?;
            let mut command = Command::new(kubectl);
            command.args(cluster.kubectl()).arg("exec");
            command
                .args(options.stdin.then_some("-i"))
                .args(options.tty.then_some("-t"));
            command.arg(names::object_name(&options.name)).args([
                "-c",
                names::container::AGENT,
                "--",
            ]);
            command.args(&options.command);
            command
        }
        Backend::Machine(_) => {
            return Err(Error::Refused(
                "this version can't enter a bottle of this machine: what a person runs in there would stand outside of the \
                 agent's filter of system calls; see its directory by `bottle describe` instead"
                    .into(),
            ));
        }
    };
    let status = command.status().await.map_err(Error::io("run kubectl"))?;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
