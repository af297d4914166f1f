//! Requests to the credential proxy that carry credentials of the agent's own, or that two readers read in two ways.

use super::row::{Row, Shown, row, shown};

/// Credentials of the agent's own, and headers that only some readers see.
pub const HEADERS: &[Row] = &[
    shown(
        Shown::Text("authorization: bearer N"),
        "cred-proxy: a credential of its own",
        "route('/x/', f'Authorization: Bearer {N}\\r\\n')",
    ),
    shown(
        Shown::Text("cookie: a=N"),
        "cred-proxy: a cookie of its own",
        "route('/x/', f'Cookie: a={N}\\r\\n')",
    ),
    shown(
        Shown::Text("private-token: N"),
        "cred-proxy: a token of its own in a header of its own",
        "route('/x/', f'Private-Token: {N}\\r\\n')",
    ),
    shown(
        Shown::Text("proxy-authorization: N"),
        "cred-proxy: a credential for the proxy",
        "route('/x/', f'Proxy-Authorization: {N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-api-key: N"),
        "cred-proxy: a header behind a bare line feed",
        "route('/x/', f'X: y\\nX-Api-Key: {N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-api-key: N"),
        "cred-proxy: a header behind a bare carriage return",
        "route('/x/', f'X: y\\rX-Api-Key: {N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-api-key: N"),
        "cred-proxy: a header in a folded line",
        "route('/x/', f'X: y\\r\\n X-Api-Key: {N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-api-key : N"),
        "cred-proxy: a header with a blank before its colon",
        "route('/x/', f'X-Api-Key : {N}\\r\\n')",
    ),
    shown(
        Shown::Text("\0N"),
        "cred-proxy: a zero byte in a header",
        "route('/x/', f'X: \\0{N}\\r\\n')",
    ),
    shown(
        Shown::Text("x-api-key: N"),
        "cred-proxy: a credential in the trailers",
        "route('/x/', 'Transfer-Encoding: chunked\\r\\nTrailer: X-Api-Key\\r\\n', f'0\\r\\nX-Api-Key: {N}\\r\\n\\r\\n', 'POST')",
    ),
    shown(
        Shown::Text("x-hop: N"),
        "cred-proxy: a header that Connection names",
        "route('/x/', f'Connection: x-hop\\r\\nX-Hop: {N}\\r\\n')",
    ),
    shown(
        Shown::Text("http2-settings: N"),
        "cred-proxy: an upgrade to h2c",
        "route('/x/', f'Connection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: {N}\\r\\n')",
    ),
    row(
        "cred-proxy: a page of another site",
        "route('/x/' + M, 'Origin: https://evil.example\\r\\n')",
    ),
];

/// Requests whose end is where the reader wants it.
pub const FRAMING: &[Row] = &[
    shown(
        Shown::Text("content-length: N"),
        "cred-proxy: two lengths, chunked and a number",
        "route('/x/', f'Content-Length: {N}\\r\\nTransfer-Encoding: chunked\\r\\n', '0\\r\\n\\r\\nGET /admin/' + M + ' HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', 'POST')",
    ),
    row(
        "cred-proxy: a request that hides behind the chunks",
        "route('/x/', 'Content-Length: 80\\r\\nTransfer-Encoding: chunked\\r\\n', '0\\r\\n\\r\\nGET /admin/' + M + ' HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', 'POST')",
    ),
    row(
        "cred-proxy: a request that hides in a body without a length",
        "route('/x/', '', 'GET /admin/' + M + ' HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', 'POST')",
    ),
    shown(
        Shown::Text("content-length: N\r\n"),
        "cred-proxy: two numbers",
        "route('/x/', f'Content-Length: {N}\\r\\nContent-Length: 5\\r\\n', 'abcde', 'POST')",
    ),
    shown(
        Shown::Text("content-length: +N"),
        "cred-proxy: a number with a sign",
        "route('/x/', f'Content-Length: +{N}\\r\\n', 'abcde', 'POST')",
    ),
    shown(
        Shown::Text("transfer-encoding : chunked\r\nx: N"),
        "cred-proxy: a blank before the colon",
        "route('/x/', f'Transfer-Encoding : chunked\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n', 'POST')",
    ),
    shown(
        Shown::Text("transfer-encoding: xchunked\r\nx: N"),
        "cred-proxy: a coding that looks like chunked",
        "route('/x/', f'Transfer-Encoding: xchunked\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n', 'POST')",
    ),
    shown(
        Shown::Text("transfer-encoding: chunked, identity\r\nx: N"),
        "cred-proxy: a coding behind chunked",
        "route('/x/', f'Transfer-Encoding: chunked, identity\\r\\nX: {N}\\r\\n', '0\\r\\n\\r\\n', 'POST')",
    ),
    shown(
        Shown::Text("5;N\nabcde"),
        "cred-proxy: a chunk's length that ends in a bare line feed",
        "route('/x/', 'Transfer-Encoding: chunked\\r\\n', f'5;{N}\\nabcde\\r\\n0\\r\\n\\r\\n', 'POST')",
    ),
];
