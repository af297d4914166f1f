//! Tables of closed and open addresses.

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
