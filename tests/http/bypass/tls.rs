//! What a tunnel carries.

use super::row::{Row, row};

/// Tunnels to a listed host, with something else in them.
pub const ROWS: &[Row] = &[
    row(
        "another server name",
        "tunnel('good.example:443', tls(M, 'evil.example'))",
    ),
    row(
        "no server name",
        "tunnel('good.example:443', tls(M, extensions=b''))",
    ),
    row(
        "extensions without a server name",
        "tunnel('good.example:443', tls(M, extensions=extension(43, b'\\2\\3\\4')))",
    ),
    row(
        "another server name, one byte a segment",
        "tunnel('good.example:443', *bytewise(tls(M, 'evil.example')))",
    ),
    row(
        "another server name over many records",
        "tunnel('good.example:443', record(hello(M, 'evil.example')[:70]) + b''.join(record(b) for b in bytewise(hello(M, 'evil.example')[70:])))",
    ),
    row(
        "another server name over records and segments",
        "tunnel('good.example:443', record(hello(M, 'evil.example')[:70]), *[record(b) for b in bytewise(hello(M, 'evil.example')[70:])])",
    ),
    row(
        "two server name extensions",
        "tunnel('good.example:443', tls(M, extensions=sni('good.example') + sni('evil.example')))",
    ),
    row(
        "two names in one extension",
        "tunnel('good.example:443', tls(M, 'good.example', 'evil.example'))",
    ),
    row(
        "a name with an end in it",
        "tunnel('good.example:443', tls(M, 'good.example\\0.evil.example'))",
    ),
    row(
        "a server name with a trailing dot",
        "tunnel('good.example:443', tls(M, 'good.example.'))",
    ),
    row(
        "a server name below the host",
        "tunnel('good.example:443', tls(M, 'x.good.example'))",
    ),
    row(
        "an address as server name",
        "tunnel('good.example:443', tls(M, '10.96.0.1'))",
    ),
    row(
        "a name of another type",
        "tunnel('good.example:443', tls(M, extensions=extension(0, v16(b'\\1' + v16(b'good.example')))))",
    ),
    row(
        "an encrypted hello behind a provider's name",
        "tunnel('good.example:443', tls(M, extensions=sni('ech.provider.example') + extension(0xfe0d, b'\\0' * 60)))",
    ),
    row(
        "an encrypted hello without an outer name",
        "tunnel('good.example:443', tls(M, extensions=extension(0xfe0d, b'\\0' * 60)))",
    ),
    row(
        "another message before the hello",
        "tunnel('good.example:443', record(b'\\0\\0\\0\\0') + tls(M, 'good.example'))",
    ),
    row(
        "another record before the hello",
        "tunnel('good.example:443', record(b'\\1', 20) + tls(M, 'evil.example'))",
    ),
    row(
        "an empty record before the hello",
        "tunnel('good.example:443', record(b'') + tls(M, 'evil.example'))",
    ),
    row(
        "a second hello in the same record",
        "tunnel('good.example:443', record(hello(M, 'good.example') + hello(M, 'evil.example')))",
    ),
    row(
        "a hello of SSL 2",
        "tunnel('good.example:443', b'\\x80\\x2e\\1\\3\\1' + M.encode() + b'.' * 40)",
    ),
    row(
        "a hello that was sent with CONNECT",
        "proxy('CONNECT good.example:443 HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n'.encode() + tls(M, 'evil.example'))",
    ),
    row(
        "plain HTTP on 443",
        "tunnel('good.example:443', 'GET /' + M + ' HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n')",
    ),
    row(
        "SSH on 443",
        "tunnel('good.example:443', 'SSH-2.0-' + M + '\\r\\n')",
    ),
    row(
        "another server name on port 80",
        "tunnel('good.example:80', tls(M, 'evil.example'))",
    ),
    row(
        "another server name on a declared port",
        "tunnel('port.example:8443', tls(M, 'evil.example'))",
    ),
    row(
        "a hello without end",
        "tunnel('good.example:443', record(b'\\1\\0\\xff\\xff' + M.encode() + b'.' * 16000), record(b'.' * 16000))",
    ),
];
