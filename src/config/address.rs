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
mod tests {
    use super::*;

    fn verdict(ip: &str, egress: &Egress) -> Option<Reason> {
        refused(ip.parse().unwrap(), egress)
    }

    /// First and last address of each refused range, and both neighbours of it where those are open.
    #[test]
    fn nothing_that_the_registries_call_unreachable_is_dialled() {
        let closed = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.8",
            "192.0.0.11",
            "192.0.0.170",
            "192.0.0.255",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "224.0.0.0",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "64:ff9b:1::808:808",
            "64:ff9b:1:ffff:ffff:ffff:808:808",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:808:808::1",
            "2001:1::",
            "2001:1::4",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff:ffff::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:c0a8:101::1",
            "2002:a9fe:a9fe::",
            "5f00::1",
            "4000::1",
            "1fff:ffff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ffff::1",
            "400::1",
            "64:ff9b:2::1",
            "64:ff9a::808:808",
            "0:0:0:1::808:808",
        ];
        for ip in closed {
            assert!(
                matches!(verdict(ip, &Egress::default()), Some(Reason::Special(_))),
                "{ip}"
            );
        }
    }

    #[test]
    fn everything_else_is_open_documentation_too() {
        let open = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.0.9",
            "192.0.0.10",
            "192.0.1.0",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "192.175.48.1",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.100.1",
            "203.0.113.1",
            "223.255.255.255",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2000::1",
            "2001:1::1",
            "2001:1::2",
            "2001:1::3",
            "2001:3::1",
            "2001:4:112::1",
            "2001:20::1",
            "2001:3f:ffff::1",
            "2001:200::1",
            "2001:db8::1",
            "2606:4700::1",
            "2620:4f:8000::1",
            "2a00::1",
            "3fff::1",
            "3fff:1000::1",
        ];
        for ip in open {
            assert_eq!(verdict(ip, &Egress::default()), None, "{ip}");
        }
    }

    #[test]
    fn listed_internal_ranges_open_and_nothing_beside_them() {
        let egress = Egress {
            allow_internal: vec![
                "10.1.0.0/16".parse().unwrap(),
                "fd00:1::/32".parse().unwrap(),
            ],
            ..Egress::default()
        };
        for ip in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::a01:203",
            "fd00:1::5",
        ] {
            assert_eq!(verdict(ip, &egress), None, "{ip}");
        }
        for ip in ["10.2.0.0", "fd00:2::5", "127.0.0.1", "::ffff:10.2.0.0"] {
            assert!(verdict(ip, &egress).is_some(), "{ip}");
        }
    }

    #[test]
    fn denied_ranges_close_public_addresses_in_every_form() {
        let egress = Egress {
            deny: vec![
                "203.0.113.0/24".parse().unwrap(),
                "2001:db8:5::/48".parse().unwrap(),
            ],
            allow_internal: vec!["203.0.113.7/32".parse().unwrap()],
            ..Egress::default()
        };
        for ip in [
            "203.0.113.1",
            "::ffff:203.0.113.1",
            "2002:cb00:7101::1",
            "2001:db8:5::1",
        ] {
            assert_eq!(verdict(ip, &egress), Some(Reason::Denied), "{ip}");
        }
        for ip in ["203.0.113.7", "203.0.114.1", "2001:db8:6::1"] {
            assert_eq!(verdict(ip, &egress), None, "{ip}");
        }
    }
}
