//! SHELL: the verbs of `bottle`, the same on a cluster and on this machine.
//!
//! A verb asks a [`backend::Backend`] and prints. Deciding is writing to the Proposal, as `kubectl edit` would.
//!
//! Exit codes: 0 done; 1 it failed; 2 wrong usage; 3 there is no such object; 4 refused by a rule (an illegal decision,
//! a field that can't be honoured, no right to do it). `run` and `exec` pass on the program's own code.

pub mod apply;
pub mod backend;
pub mod complete;
pub mod decide;
pub mod delete;
pub mod describe;
pub mod doctor;
pub mod editor;
pub mod exec;
pub mod kind;
pub mod logs;
pub mod manifest;
pub mod on_cluster;
pub mod on_machine;
pub mod output;
pub mod places;
mod progress;
pub mod proposals;
pub mod resume;
pub mod run;
mod shared;
pub mod show;
pub mod table;
pub mod terminal;
pub mod up;

use crate::{local, telemetry, yaml};
use backend::Backend;
use clap::{Args, Subcommand};
use std::{io, path::PathBuf, process::ExitCode};

/// Where the bottles are.
#[derive(Clone, Debug, Default, Args)]
pub struct Where {
    /// Bottles of this machine; the default when no cluster is configured.
    #[arg(long, global = true, env = "BOTTLE_LOCAL", value_parser = clap::builder::FalseyValueParser::new())]
    pub local: bool,
    /// Context of the kubeconfig.
    #[arg(long, global = true, conflicts_with = "local")]
    pub context: Option<String>,
    /// Namespace; on this machine the project. Default: the context's, or that of the current directory.
    #[arg(short, long, global = true, visible_alias = "project")]
    pub namespace: Option<String>,
    /// Directory of this machine's bottles. Default: bot-bottle in the XDG state home.
    #[arg(long, global = true, env = "BOTTLE_STATE_DIR", value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// What `bottle` can do, `demo` apart.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Make or change Bottles, BottleClasses and ConfigMaps from YAML files, and start the Bottles.
    Apply(apply::Options),
    /// List Bottles, BottleClasses or ConfigMaps, or show one.
    Get(show::Get),
    /// All about one Bottle: conditions, proposals, events; or about a BottleClass or ConfigMap.
    Describe(describe::Options),
    /// List what agents ask for, or watch it come.
    Proposals(proposals::Options),
    /// What a proposal would change.
    Diff(decide::Named),
    /// Grant what a proposal asks for, or an edited version of it.
    Approve(decide::Approve),
    /// Refuse a proposal.
    Reject(decide::Said),
    /// Take a grant back: the hole closes.
    Revoke(decide::Said),
    /// What an agent or a sidecar wrote.
    Logs(logs::Options),
    /// Run a program beside the agent.
    Exec(exec::Options),
    /// Join this terminal with the agent's own.
    Attach(exec::Attach),
    /// Have an agent go on that was suspended or has ended.
    Resume(resume::Options),
    /// End a Bottle and remove it, its proposals stay as a record; or remove a BottleClass or ConfigMap.
    Delete(delete::Delete),
    /// Run an agent with the current directory in a bottle of this machine.
    Run(run::Options),
    /// What works on this machine, and what to do about the rest.
    Doctor(doctor::Options),
    /// Make a place for bottles: a cluster by kind, or the image that Docker needs.
    Up(up::Options),
}

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine's bottles.
    #[error(transparent)]
    Local(#[from] local::Error),
    /// The API server.
    #[error("can't {operation}")]
    Cluster {
        /// What was tried.
        operation: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The kubeconfig.
    #[error("the kubeconfig can't be used: correct it, choose another --context, or use --local")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// No such object.
    #[error("there is no {kind} {name} in {place}: `bottle {list}` lists what there is")]
    Missing {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Namespace or project.
        place: String,
        /// The verb that lists.
        list: &'static str,
    },
    /// No such object, of a kind that belongs to no namespace.
    #[error("there is no {kind} {name}: `bottle {list}` lists what there is")]
    MissingShared {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The verb that lists.
        list: &'static str,
    },
    /// A file or the terminal.
    #[error("can't {operation}")]
    Io {
        /// What was tried.
        operation: String,
        /// Why.
        source: io::Error,
    },
    /// A manifest.
    #[error("{file} can't be read as YAML")]
    Yaml {
        /// Which.
        file: String,
        /// Why.
        source: yaml::Error,
    },
    /// A rule of ours.
    #[error("{0}")]
    Refused(String),
    /// A wrong combination of flags or arguments.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// For a file or the terminal.
    pub fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Io { operation, source }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Missing { .. }
            | Self::MissingShared { .. }
            | Self::Local(local::Error::Missing { .. }) => 3,
            Self::Refused(_)
            | Self::Local(
                local::Error::Decision(_)
                | local::Error::Name(_)
                | local::Error::ConfigMap(_)
                | local::Error::NotHonoured(_),
            ) => 4,
            Self::Cluster { source, .. } => match &**source {
                kube::Error::Api(status) => match status.code {
                    404 => 3,
                    403 | 422 => 4,
                    _ => 1,
                },
                _ => 1,
            },
            _ => 1,
        }
    }
}

/// Runs a verb to its end; prints an error with its causes.
pub async fn main(place: &Where, verb: Verb) -> ExitCode {
    match run_verb(place, verb).await {
        Ok(code) => ExitCode::from(code),
        // The reader of a pipe has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::complain(&telemetry::chain(&error));
            ExitCode::from(error.code())
        }
    }
}

async fn run_verb(place: &Where, verb: Verb) -> Result<u8, Error> {
    let done = match verb {
        Verb::Run(options) => return Box::pin(run::run(place, options)).await,
        Verb::Doctor(options) => return doctor::run(place, &options).await,
        Verb::Up(options) => return up::up(&options).await,
        verb => {
            let backend = Backend::choose(place).await?;
            match verb {
                Verb::Apply(options) => apply::apply(&backend, &options).await,
                Verb::Get(options) => show::get(&backend, &options).await,
                Verb::Describe(options) => describe::describe(&backend, &options).await,
                Verb::Proposals(options) => proposals::proposals(&backend, &options).await,
                Verb::Diff(named) => decide::diff(&backend, &named).await,
                Verb::Approve(options) => decide::approve(&backend, &options).await,
                Verb::Reject(said) => decide::reject(&backend, &said).await,
                Verb::Revoke(said) => decide::revoke(&backend, &said).await,
                Verb::Logs(options) => logs::logs(&backend, &options).await,
                Verb::Exec(options) => return exec::exec(&backend, &options).await,
                Verb::Attach(options) => return exec::attach(&backend, &options).await,
                Verb::Resume(options) => resume::resume(&backend, &options).await,
                Verb::Delete(options) => delete::delete(&backend, &options).await,
                Verb::Run(_) | Verb::Doctor(_) | Verb::Up(_) => Ok(()),
            }
        }
    };
    done.map(|()| 0)
}
