//! SHELL: bottles on this machine: the same `plan`, applied to a directory of YAML objects and to processes.
//!
//! One process per bottle, the keeper ([`keeper`], [`daemon`]), is operator, kubelet and sidecars at once: it reads the objects of
//! its bottle ([`place`]), plans, writes what the plan says ([`apply`]), and runs the pod ([`runner`]) with a runtime
//! ([`sandbox`], [`docker`] or [`process`]). The command line writes Bottles and decisions into the same directory.
//!
//! # Guarantees
//!
//! - Everything that matters is in the directory, each object replaced as a whole and only under the lock. Killing
//!   everything at any moment loses nothing that was written, and nothing is applied twice.
//! - A bottle is a project and a name: two checkouts with the same bottle never touch each other.
//! - What a runtime can't do for a Bottle is an error that names the field; nothing is ignored ([`honour`]).

pub mod admit;
pub mod apply;
mod begin;
pub mod class;
pub mod config_map;
pub mod daemon;
pub mod docker;
mod end;
mod handover;
mod helpers;
pub mod honour;
pub mod identity;
pub mod keeper;
mod kept;
pub mod mount;
pub mod place;
mod pod_status;
pub mod process;
mod reconcile;
pub mod record;
pub mod resources;
pub mod runner;
pub mod sandbox;
mod settings;
pub mod shelf;
pub mod sidecars;
pub mod state;
pub mod store;
pub mod workspace;
mod write;

use crate::{config_directory, egress, yaml};
use std::{io, path::PathBuf};

/// What went wrong with a bottle on this machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory.
    #[error("can't {operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no such object.
    #[error("{} is no valid object: correct or remove it", path.display())]
    Object {
        /// Which.
        path: PathBuf,
        /// Why.
        source: yaml::Error,
    },
    /// Somebody else wrote it since it was read; reading again helps.
    #[error("{kind} {name} has changed meanwhile: look again")]
    Conflict {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// There is none.
    #[error("there is no {kind} {name} in project {project}; `bottle get` lists what there is")]
    Missing {
        /// What kind of object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        project: String,
    },
    /// A decision that is not legal.
    #[error(transparent)]
    Decision(#[from] admit::Refused),
    /// A name that can't be one.
    #[error(transparent)]
    Name(#[from] identity::InvalidName),
    /// A ConfigMap that no API server would take.
    #[error(transparent)]
    ConfigMap(#[from] config_map::Invalid),
    /// The runtime can't do what the Bottle says.
    #[error(transparent)]
    NotHonoured(#[from] honour::NotHonoured),
    /// The runtime does not work here.
    #[error(transparent)]
    Runtime(#[from] sandbox::SandboxError),
    /// The daemon of the runtime docker.
    #[error(transparent)]
    Docker(#[from] docker::DockerError),
    /// The secrets of the agent's settings.
    #[error(transparent)]
    Secret(#[from] crate::agents::secrets::ResolveError),
    /// Directories can't be watched.
    #[error("the bottle's directory can't be watched")]
    Watch(#[from] config_directory::Error),
    /// The proxy.
    #[error("the egress proxy can't run")]
    Egress(#[from] egress::Error),
    /// The credentials' proxy.
    #[error("the credential proxy can't run")]
    CredProxy(#[from] crate::cred_proxy::Error),
    /// A process of ours can't be started.
    #[error("can't start {what}")]
    Start {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Another keeper has this bottle.
    #[error("bottle {0} runs already")]
    Kept(String),
}

impl Error {
    fn file(operation: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }
}

/// Closes whatever this program's parent left open beyond standard input and outputs: a shell's descriptor must not
/// reach an agent, and a pipe that stays open would keep its reader waiting. To be called first, before anything is
/// opened.
pub fn close_inherited() {
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| name.parse::<i32>().ok())
            .collect::<Vec<_>>()
    });
    for number in listed
        .unwrap_or_default()
        .into_iter()
        .filter(|number| *number > 2)
    {
        // The directory's own is closed already.
        let _ = nix::unistd::close(number);
    }
}

/// The clock of this shell.
#[expect(
    clippy::disallowed_methods,
    reason = "a shell: the plan takes the time as an argument, from here"
)]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
