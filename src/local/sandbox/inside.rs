//! The first process inside: looks whether the wall stands, binds the sidecars' ports, hands them over, becomes `seal`.
//!
//! It is the first process of its pid namespace and of its session. It runs before any thread is started and holds nothing when the agent begins: the socket to the outside is closed.

use super::calls;
use super::layout::LAST_WORD;
use crate::local::handover;
use crate::names::port;
use crate::seal;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::{process, stdio};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Ports whose sockets are handed over, in this order.
pub const PORTS: [u16; 3] = [port::SUPERVISE, port::CRED_PROXY, port::EGRESS];

/// Addresses that are nobody's: each must be unreachable at once.
const NOBODY: [&str; 2] = ["192.0.2.1:443", "[2001:db8::1]:443"];

/// The flags of the first process.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Give the agent a terminal, and hand its other side over.
    #[arg(long)]
    tty: bool,
    /// Nothing to hand over and no wall: the runtime `process`.
    #[arg(long)]
    plain: bool,
    /// seal's instructions.
    #[arg(long)]
    instructions: PathBuf,
    /// Where seal's last word goes.
    #[arg(long, default_value = LAST_WORD)]
    last_word: PathBuf,
}

/// Why there will be no agent.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// There is a way out.
    #[error("the wall does not stand: {0}")]
    Wall(String),
    /// It can't be made, or looked at.
    #[error("can't {operation} inside")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn failed(operation: &'static str) -> impl Fn(io::Error) -> InsideError {
    move |source| InsideError::Io { operation, source }
}

/// Runs the agent to its end.
pub fn main(options: &Options) -> ExitCode {
    if let Err(error) = calls::refuse() {
        seal::say(crate::telemetry::chain(&error));
        return ExitCode::from(125);
    }
    if options.plain {
        // Nothing else ends the agent when whoever runs it is killed.
        crate::roles::end_with_parent();
    } else if let Err(error) = enter(options.tty) {
        seal::say(crate::telemetry::chain(&error));
        return ExitCode::from(125);
    }
    ExitCode::from(seal::run(&seal::Options {
        instructions: options.instructions.clone(),
        termination_log: options.last_word.clone(),
        ..seal::Options::default()
    }))
}

fn enter(tty: bool) -> Result<(), InsideError> {
    wall()?;
    let listeners = PORTS
        .iter()
        .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed("bind the sidecars' ports"))?;
    let terminal = tty
        .then(terminal)
        .transpose()
        .map_err(failed("open a terminal"))?;
    let outside = io::stdin();
    let mut files: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    files.extend(terminal.iter().map(|(master, _)| master.as_fd()));
    handover::send(&outside, &files).map_err(failed("hand the sockets over"))?;
    let input = handover::receive(&outside).map_err(failed("be let in"))?;
    match (terminal, input.first()) {
        (Some((_, slave)), _) => take_terminal(&slave),
        (None, Some(input)) => stdio::dup2_stdin(input).map_err(io::Error::from),
        (None, None) => File::open("/dev/null").and_then(|null| Ok(stdio::dup2_stdin(null)?)),
    }
    .map_err(failed("set standard input"))
}

/// A terminal of the sandbox's own, so that its name is right inside.
fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    Ok((master, slave))
}

fn take_terminal(slave: &OwnedFd) -> io::Result<()> {
    process::ioctl_tiocsctty(slave)?;
    stdio::dup2_stdin(slave)?;
    stdio::dup2_stdout(slave)?;
    Ok(stdio::dup2_stderr(slave)?)
}

/// There is one interface, and no way to anywhere.
pub fn wall() -> Result<(), InsideError> {
    let devices = fs::read_to_string("/proc/net/dev").map_err(failed("list the interfaces"))?;
    if let Some(other) = interfaces(&devices).find(|name| *name != "lo") {
        return Err(InsideError::Wall(format!("there is an interface {other}")));
    }
    for address in NOBODY
        .iter()
        .filter_map(|text| text.parse::<SocketAddr>().ok())
    {
        let tcp = TcpStream::connect_timeout(&address, Duration::from_secs(1)).map(drop);
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let udp = UdpSocket::bind(any).and_then(|socket| socket.send_to(b"?", address).map(drop));
        for (protocol, outcome) in [("TCP", tcp), ("UDP", udp)] {
            match outcome {
                Err(error) if unreachable(&error) => {}
                Ok(()) => {
                    return Err(InsideError::Wall(format!(
                        "{protocol} to {address} gets out"
                    )));
                }
                Err(error) => {
                    return Err(InsideError::Wall(format!(
                        "{protocol} to {address}: {error}"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// No route, no address, or no such family at all.
fn unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable | ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}

fn interfaces(devices: &str) -> impl Iterator<Item = &str> {
    devices
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_is_listed() {
        let devices = "Inter-|   Receive\n face |bytes\n    lo: 0 0\n  eth0: 12 3\n";
        assert_eq!(interfaces(devices).collect::<Vec<_>>(), ["lo", "eth0"]);
    }

    #[test]
    fn a_machine_with_a_network_is_no_sandbox() {
        // The tests run with a network; where they don't, there is nothing to refuse.
        let devices = fs::read_to_string("/proc/net/dev").unwrap();
        assert_eq!(
            wall().is_err(),
            interfaces(&devices).any(|name| name != "lo")
        );
    }
}
