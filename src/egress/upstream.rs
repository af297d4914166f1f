//! From a target to an open, checked connection.

use super::Shared;
use super::connections::Place;
use super::mark;
use super::parent::{self, Parent};
use super::policy::Way;
use super::refusal::Cause;
use super::resolve::LookupError;
use super::target::Target;
use crate::config::allowlist::Verdict;
use futures::stream::{FuturesUnordered, StreamExt};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// All addresses of a host together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// After this the next address is tried beside the first (RFC 8305 recommends it).
const STAGGER: Duration = Duration::from_millis(250);
/// More addresses than this help nobody.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// A connection to a host that the policy permits.
pub struct Upstream {
    /// The socket.
    pub stream: TcpStream,
    /// What permitted it.
    pub verdict: Verdict,
    /// Dropped after the socket.
    pub place: Place,
}

/// The policy's word on a name, before anything is sent anywhere.
pub(super) fn check(shared: &Shared, target: &Target) -> Result<Verdict, Cause> {
    if target.is_address() {
        return Err(Cause::AddressLiteral);
    }
    match shared.policy().verdict(target) {
        Verdict::HostRefused => Err(Cause::HostNotListed),
        Verdict::PortRefused => Err(Cause::PortNotListed),
        verdict @ (Verdict::Web | Verdict::Declared) => Ok(verdict),
    }
}

/// Checks the name, resolves it, checks the addresses, dials one of them; or has the parent proxy do the last three.
pub(super) async fn open(shared: &Shared, target: &Target) -> Result<Upstream, Cause> {
    let verdict = check(shared, target)?;
    let parent = shared.policy().parent.clone();
    let (stream, way) = match parent {
        Some(parent) => (
            by_parent(shared, &parent, target).await?,
            Way::Parent(parent),
        ),
        None => direct(shared, target).await?,
    };
    let place = shared.connections.register(target, way.clone(), verdict);
    // The config may have changed while this was dialled.
    if !shared.policy().permits(target, &way, verdict) {
        return Err(Cause::HostNotListed);
    }
    Ok(Upstream {
        stream,
        verdict,
        place,
    })
}

async fn direct(shared: &Shared, target: &Target) -> Result<(TcpStream, Way), Cause> {
    let addresses = resolve(shared, &target.host, target.port).await?;
    let policy = shared.policy();
    let good: Vec<SocketAddr> = addresses
        .into_iter()
        .filter(|address| policy.reachable(address.ip()))
        .take(MAX_ADDRESSES)
        .collect();
    if good.is_empty() {
        return Err(Cause::InternalAddress);
    }
    let (stream, address) = dial_in_time(good, shared.mark).await?;
    Ok((stream, Way::Direct(address.ip())))
}

/// The parent's own address is whatever its name or the Bottle says: a company's proxy is an internal one.
async fn by_parent(shared: &Shared, parent: &Parent, target: &Target) -> Result<TcpStream, Cause> {
    let addresses = match parent.host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, parent.port)],
        Err(_) => resolve(shared, &parent.host, parent.port).await?,
    };
    let (mut stream, _) = dial_in_time(addresses, shared.mark).await?;
    let asked = tokio::time::timeout(CONNECT_TIMEOUT, parent::tunnel(&mut stream, target));
    asked.await.map_err(|_| Cause::ConnectTimedOut)??;
    Ok(stream)
}

async fn resolve(shared: &Shared, host: &str, port: u16) -> Result<Vec<SocketAddr>, Cause> {
    let found = shared.resolver.addresses(host, port).await;
    let addresses = found.map_err(|error| match error {
        LookupError::Failed => Cause::DnsFailed,
        LookupError::TimedOut => Cause::DnsTimedOut,
    })?;
    if addresses.is_empty() {
        return Err(Cause::DnsFailed);
    }
    Ok(addresses)
}

async fn dial_in_time(
    addresses: Vec<SocketAddr>,
    mark: Option<u32>,
) -> Result<(TcpStream, SocketAddr), Cause> {
    match tokio::time::timeout(CONNECT_TIMEOUT, dial(addresses, mark)).await {
        Ok(connected) => connected.ok_or(Cause::ConnectFailed),
        Err(_) => Err(Cause::ConnectTimedOut),
    }
}

/// The first address that takes the connection; one that is slow doesn't hold the others up.
pub(crate) async fn dial(
    addresses: Vec<SocketAddr>,
    mark: Option<u32>,
) -> Option<(TcpStream, SocketAddr)> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    loop {
        match waiting.next() {
            Some(address) => {
                attempts.push(async move { (mark::connect(address, mark).await, address) });
            }
            None if attempts.is_empty() => return None,
            None => {}
        }
        let more = waiting.len() > 0;
        tokio::select! {
            Some((result, address)) = attempts.next() => match result {
                Ok(stream) => {
                    // Small writes of an interactive protocol must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    return Some((stream, address));
                }
                Err(error) => tracing::debug!(%address, %error, "The address did not take the connection"),
            },
            () = tokio::time::sleep(STAGGER), if more => {}
        }
    }
}
