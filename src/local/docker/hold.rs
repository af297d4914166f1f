//! `supervise build-hold`: the first process of the container whose network a build's steps are in. There is no way out of
//! it; the socket on which the build's proxy will serve is bound inside and handed over.

use crate::{
    local::{
        handover,
        sandbox::inside::{self, InsideError},
    },
    names::{path, port},
    telemetry::chain,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::{
    io::{self, Read as _},
    net::{Ipv4Addr, TcpListener},
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::PathBuf,
    process::ExitCode,
};

/// Flags of `supervise build-hold`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The socket over which the listening one goes
    #[arg(long, value_name = "FILE", default_value_os_t = PathBuf::from(path::HANDOVER).join(SOCKET))]
    socket: PathBuf,
}

/// The socket's name in its directory.
pub(super) const SOCKET: &str = "socket";

#[derive(Debug, thiserror::Error)]
enum HoldError {
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error("a step could open vsock sockets, which no network namespace holds")]
    Vsock,
    #[error("can't {operation}")]
    Io {
        operation: &'static str,
        source: io::Error,
    },
}

/// Stays until the other side is gone.
pub fn main(options: &Options) -> ExitCode {
    match hold(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "Nothing will be built");
            ExitCode::FAILURE
        }
    }
}

fn hold(options: &Options) -> Result<(), HoldError> {
    let failed = |operation| move |source| HoldError::Io { operation, source };
    inside::wall()?;
    let vsock = socket(
        AddressFamily::Vsock,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    if vsock.is_ok() && super::vsock::leads_out() {
        return Err(HoldError::Vsock);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port::EGRESS))
        .map_err(failed("bind the proxy's port"))?;
    let mut line =
        UnixStream::connect(&options.socket).map_err(failed("reach the bottle's keeper"))?;
    handover::send(&line, &[listener.as_fd()]).map_err(failed("hand the socket over"))?;
    drop(listener);
    // Nothing is ever said: the end is the word.
    let mut rest = Vec::new();
    let _ = line.read_to_end(&mut rest);
    Ok(())
}
