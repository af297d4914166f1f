//! CORE: which addresses the proxies refuse to dial.
//!
//! All that the IANA special-purpose address registries call not globally reachable, the multicast ranges, and the
//! IPv4 address inside an IPv6 form that carries one. Documentation ranges may pass: nobody routes them, and tests
//! and examples need addresses that are nobody's. `allowInternal` lists exceptions, `deny` adds ranges.

use crate::config::egress::Egress;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address isn't dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A range of the registries; its name there.
    Special(&'static str),
    /// `deny` of `egress.json` lists it.
    Denied,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(name) => f.write_str(name),
            Self::Denied => f.write_str("a range of the cluster"),
        }
    }
}

/// Why `ip` may not be dialled; `None`: it may.
///
/// `allowInternal` wins over everything: it is written by whoever owns the Bottle, for exactly this. It is matched
/// against the address as it is and against the IPv4 address that it carries.
pub fn refused(ip: IpAddr, egress: &Egress) -> Option<Reason> {
    let carried = carried(ip);
    let listed = |ranges: &[IpNet]| {
        let within = |ip: &IpAddr| ranges.iter().any(|range| range.contains(ip));
        within(&ip) || carried.is_some_and(|v4| within(&IpAddr::V4(v4)))
    };
    if listed(&egress.allow_internal) {
        return None;
    }
    if listed(&egress.deny) {
        return Some(Reason::Denied);
    }
    let special = match (ip, carried) {
        // What carries an IPv4 address reaches that one, whatever its own prefix says.
        (IpAddr::V4(v4), _) | (IpAddr::V6(_), Some(v4)) => special_v4(v4),
        (IpAddr::V6(v6), None) => special_v6(v6),
    };
    special.map(Reason::Special)
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated,
/// compatible, NAT64, 6to4.
fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let low = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, g, h]
        | [0, 0, 0, 0, 0xffff, 0, g, h]
        | [0x64, 0xff9b, 0, 0, 0, 0, g, h] => Some(low(g, h)),
        [0x2002, b, c, ..] => Some(low(b, c)),
        _ => None,
    }
}

/// First address, prefix length, name in the registry.
type V4Row = ([u8; 4], u32, &'static str);

/// IANA IPv4 special-purpose registry without what is globally reachable, and multicast.
const V4: &[V4Row] = &[
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "private use"),
    ([100, 64, 0, 0], 10, "shared address space"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local, metadata services"),
    ([172, 16, 0, 0], 12, "private use"),
    ([192, 0, 0, 0], 24, "IETF protocol assignments"),
    ([192, 88, 99, 0], 24, "6to4 relay anycast"),
    ([192, 168, 0, 0], 16, "private use"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// The two anycast addresses inside `192.0.0.0/24` that the registry calls reachable.
const V4_REACHABLE: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 9), Ipv4Addr::new(192, 0, 0, 10)];

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    if V4_REACHABLE.contains(&ip) {
        return None;
    }
    let bits = u32::from(ip);
    V4.iter()
        .find(|(first, length, _)| {
            let first = u32::from(Ipv4Addr::from(*first));
            (bits ^ first) >> (32 - length) == 0
        })
        .map(|(_, _, name)| *name)
}

/// First address, prefix length, name, whether it is reachable; the first row that matches counts.
type V6Row = (Ipv6Addr, u32, &'static str, bool);

const fn v6(a: u16, b: u16, c: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
}

/// IANA IPv6 special-purpose registry; then all outside global unicast, which nothing has been given yet.
const V6: &[V6Row] = &[
    (
        Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 1),
        128,
        "port control anycast",
        true,
    ),
    (
        Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 2),
        128,
        "relay anycast",
        true,
    ),
    (
        Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 3),
        128,
        "DNS-SD anycast",
        true,
    ),
    (v6(0x2001, 3, 0), 32, "AMT", true),
    (v6(0x2001, 4, 0x112), 48, "AS112", true),
    (v6(0x2001, 0x20, 0), 28, "ORCHIDv2", true),
    (v6(0x2001, 0x30, 0), 28, "drone identification", true),
    // Teredo is in here. It carries its IPv4 addresses hidden by exclusive or, and nothing uses it: refused whole.
    (v6(0x2001, 0, 0), 23, "IETF protocol assignments", false),
    (v6(0x2001, 0xdb8, 0), 32, "documentation", true),
    (v6(0x3fff, 0, 0), 20, "documentation", true),
    (v6(0x2620, 0x4f, 0x8000), 48, "AS112", true),
    (v6(0x2000, 0, 0), 3, "global unicast", true),
    (Ipv6Addr::LOCALHOST, 128, "loopback", false),
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified", false),
    (v6(0x64, 0xff9b, 1), 48, "local-use translation", false),
    (v6(0xfc00, 0, 0), 7, "unique local", false),
    (v6(0xfe80, 0, 0), 10, "link-local", false),
    (v6(0xfec0, 0, 0), 10, "site-local", false),
    (v6(0xff00, 0, 0), 8, "multicast", false),
    (Ipv6Addr::UNSPECIFIED, 0, "reserved", false),
];

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let bits = u128::from(ip);
    V6.iter()
        .find(|(first, length, ..)| {
            let differs = bits ^ u128::from(*first);
            // A shift by all 128 bits is no shift; length 0 matches everything.
            differs.checked_shr(128 - length).unwrap_or(0) == 0
        })
        .and_then(|(_, _, name, reachable)| (!reachable).then_some(*name))
}

#[cfg(test)]
mod tests;
