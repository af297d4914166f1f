//! The `docker` runtime: a bottle's pod as containers of Docker or Podman, on this machine.
//!
//! The same containers as in a pod, made of the same Pod object ([`containers`]): `prepare` has the network namespace,
//! lays the lock there and stays without any capability; the others join that network. In place of an API server the
//! `supervise` in its container has a socket, on which this keeper writes the bottle's objects ([`questions`]).
//!
//! # Guarantees
//!
//! - The agent's container starts only after `prepare` said that the lock stands, and `seal` looks again from inside.
//! - What belongs to a bottle is found by its labels alone, so a keeper that was killed leaves nothing that the next one
//!   does not find: containers that still run are taken over, with the calls that wait in them; anything else is removed.
//! - A sidecar that ends is started again in the same network. When `prepare` ends or the daemon goes, the agent does,
//!   too, and all of them begin anew.

mod agent;
mod archive;
mod attach;
mod begin;
pub mod build;
pub mod containers;
pub mod daemon;
mod found;
pub mod hold;
mod questions;
mod resize;
mod running;
mod secrets;
mod socket;
mod vsock;
mod watch;

pub use agent::Agent;
pub use begin::log;
pub use found::clean;
pub use running::Running;

use super::{honour::NotHonoured, place::Place};

/// The runtime can't do its work.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// Nobody serves.
    #[error(
        "the runtime docker needs Docker or Podman, and there is no socket of either: start the daemon, or name its \
         socket by DOCKER_HOST=unix:///…"
    )]
    NoSocket,
    /// Another machine's.
    #[error(
        "DOCKER_HOST is {0}: the runtime docker needs a socket of this machine (unix:///…), whose daemon can mount the \
         bottle's directories"
    )]
    Elsewhere(String),
    /// It does not answer.
    #[error(
        "the daemon at {socket} does not answer: is it running, and may you use its socket (group docker)?"
    )]
    Unreachable {
        /// Where.
        socket: String,
        /// Why.
        source: Box<bollard::errors::Error>,
    },
    /// It filters no system calls.
    #[error(
        "the daemon has no seccomp profile for its containers: start it with its default profile, or use another runtime"
    )]
    NoSeccomp,
    /// Our own image.
    #[error(
        "there is no image {0} at the daemon: make it in this repository by `DOCKER_BUILDKIT=1 docker build -f Dockerfile.supervise -t {0} .`, \
         or load one and name it by --supervise-image"
    )]
    NoSuperviseImage(String),
    /// The agent's image.
    #[error("can't pull the agent's image {image}: build or load it, or correct spec.agent.image")]
    Pull {
        /// Which.
        image: String,
        /// Why.
        source: Box<bollard::errors::Error>,
    },
    /// A limit that goes.
    #[error("a limit can't be taken from a container that runs")]
    NoLess,
    /// The daemon refused something.
    #[error("the daemon could not {operation}")]
    Asked {
        /// What was asked.
        operation: String,
        /// Why.
        source: Box<bollard::errors::Error>,
    },
    /// No lock, no agent.
    #[error("the lock was not laid, so no agent starts: {0}")]
    NoLock(String),
    /// The agent could not write where it works.
    #[error(
        "the workspace {directory} belongs to uid {owner}, and the agent is uid {agent}: give it the directory (chown), or \
         set spec.agent.user to its owner"
    )]
    Workspace {
        /// Which.
        directory: String,
        /// Whose it is.
        owner: u32,
        /// Who the agent is.
        agent: u32,
    },
    /// A part of the pod.
    #[error(transparent)]
    NotHonoured(#[from] NotHonoured),
    /// A file or socket.
    #[error("can't {operation} for the container")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// The name of a container of this place.
pub fn container(place: &Place, role: &str) -> String {
    let names = containers::Place {
        id: running::id(place),
        bottle: place.key().name.clone(),
        ..containers::Place::default()
    };
    names.container(role)
}

impl DockerError {
    fn asked(operation: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Asked {
            operation,
            source: Box::new(source),
        }
    }

    fn io(operation: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }
}
