//! Whether the wall stands: what happens to a direct connection from here.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// The lock answers within a millisecond; who is silent for so long isn't the lock.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// What became of a direct attempt.
#[derive(Debug)]
pub enum Outcome {
    /// Refused at once, as the lock does it.
    Refused,
    /// Something is reachable, or no lock keeps it from being tried.
    Open(&'static str),
    /// The attempt says nothing about a lock, such as one without a route.
    Unknown(Error),
}

/// Why no agent may start here.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// An address in the instructions that isn't one.
    #[error("the instructions name {0:?} as a wall address, which is no ip:port")]
    Address(String),
    /// The way out is open.
    #[error(
        "the wall does not stand: a direct {protocol} attempt at {address} {what}; is the pod's lock (prepare) in force?"
    )]
    Open {
        /// `TCP` or `UDP`.
        protocol: &'static str,
        /// Where to.
        address: SocketAddr,
        /// What happened.
        what: &'static str,
    },
    /// Nothing was learnt, so nothing may start.
    #[error(
        "whether the wall stands can't be told: a direct {protocol} attempt at {address} was neither refused nor answered"
    )]
    Unknown {
        /// `TCP` or `UDP`.
        protocol: &'static str,
        /// Where to.
        address: SocketAddr,
        /// What the kernel said.
        source: Error,
    },
}

/// Every address must refuse at once, and a datagram to the first one must not leave.
pub fn check(wall: &[String]) -> Result<(), WallError> {
    let wall = wall
        .iter()
        .map(|text| text.parse().map_err(|_| WallError::Address(text.clone())))
        .collect::<Result<Vec<SocketAddr>, _>>()?;
    for address in &wall {
        judge("TCP", *address, tcp(*address))?;
    }
    if let Some(first) = wall.first() {
        let name_server = SocketAddr::new(first.ip(), 53);
        judge("UDP", name_server, udp(name_server))?;
    }
    Ok(())
}

fn judge(protocol: &'static str, address: SocketAddr, outcome: Outcome) -> Result<(), WallError> {
    match outcome {
        Outcome::Refused => Ok(()),
        Outcome::Open(what) => Err(WallError::Open {
            protocol,
            address,
            what,
        }),
        Outcome::Unknown(source) => Err(WallError::Unknown {
            protocol,
            address,
            source,
        }),
    }
}

/// A direct connection.
pub fn tcp(address: SocketAddr) -> Outcome {
    match TcpStream::connect_timeout(&address, AT_ONCE) {
        Ok(_) => Outcome::Open("was answered"),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied => Outcome::Refused,
            ErrorKind::TimedOut => Outcome::Open("was not refused within a second"),
            _ => Outcome::Unknown(error),
        },
    }
}

/// A datagram; without a lock the kernel takes it, whoever listens.
pub fn udp(address: SocketAddr) -> Outcome {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    match UdpSocket::bind((any, 0)).and_then(|socket| socket.send_to(b"?", address)) {
        Ok(_) => Outcome::Open("was sent"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Outcome::Refused,
        Err(error) => Outcome::Unknown(error),
    }
}
