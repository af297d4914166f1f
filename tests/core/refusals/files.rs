//! Lines and routes that no agent may ask for, one row each.

use super::{Row, row};
use serde_json::{Value, json};

/// Every kind of line that an agent may not ask for: the line, the character in it, and a word of the message.
pub fn hosts() -> Vec<Row> {
    let label = "a".repeat(64);
    let long = format!("{}com", "abcdefgh.".repeat(28));
    let lines = [
        ("com", 1, "dot inside"),
        (".com", 2, "dot inside"),
        ("localhost", 1, "dot inside"),
        (".co.uk", 1, "belong to everybody"),
        (".github.io.", 11, "dot at the end"),
        (".blogspot.com", 1, "belong to everybody"),
        ("a..example", 3, "two dots"),
        ("..example", 2, "two dots"),
        (&format!("{label}.example"), 64, "63 characters"),
        ("-a.example", 1, "'-'"),
        ("a-.example", 2, "'-'"),
        ("a.-example", 3, "'-'"),
        ("a.example.", 10, "dot at the end"),
        ("a.example:443", 10, "without a port"),
        ("other.example:8443", 14, "without a port"),
        ("a.example:99999", 10, "without a port"),
        ("https://a.example", 6, "without a scheme"),
        ("a.example/path", 10, "without a path"),
        ("*.a.example", 1, "not `*.example.com`"),
        ("a.*.example", 3, "can't stand in a host"),
        ("a b.example", 2, "a space"),
        ("a@b.example", 2, "can't stand in a host"),
        ("bücher.example", 2, "xn--"),
        ("127.1", 5, "number"),
        ("127.0.0.1", 9, "number"),
        ("0x7f.1", 6, "number"),
        ("a.0x7F", 3, "number"),
        ("a.0x", 3, "number"),
        ("2130706433", 1, "dot inside"),
        (&long, 254, "253 characters"),
    ];
    let mut rows: Vec<Row> = lines
        .into_iter()
        .map(|(line, character, word)| {
            // Fine lines before it, and a wrong one behind it.
            let file = format!("# hosts\r\nfine.example\n \t{line}\t\nbad..example\n");
            let place = format!("line 3, character {}:", character + 2);
            let arguments = json!({"allowlist": file, "justification": "needed"});
            row(
                json!({"name": "pipelock-block", "arguments": arguments}),
                &["pipelock-block", "`allowlist`", &place, word],
            )
        })
        .collect();
    let marked = json!({"allowlist": "\u{feff}fine.example\n", "justification": "needed"});
    rows.push(row(
        json!({"name": "pipelock-block", "arguments": marked}),
        &["pipelock-block", "line 1, character 1:", "byte-order mark"],
    ));
    rows
}

/// Every kind of file that is no `routes.json` of an agent, and a word of the message.
pub fn routes() -> Vec<Row> {
    let good = json!({"path": "/good/", "upstream": "https://good.example"});
    let route = |path: &str, upstream: &str| json!({"path": path, "upstream": upstream});
    let with_auth =
        |auth: Value| json!({"path": "/a/", "upstream": "https://a.example", "auth": auth});
    let whole = [
        ("{\"routes\": [1,", "line 1 column"),
        ("[]", "expected"),
        ("{}", "missing field `routes`"),
        (r#"{"routes": {}}"#, "expected a sequence"),
        (r#"{"routes": null}"#, "expected a sequence"),
        (r#"{"routes": [], "more": 1}"#, "unknown field `more`"),
        (r#"{"routes": [], "routes": []}"#, "duplicate field"),
        (r#"{"routes": []} x"#, "trailing characters"),
    ];
    let single = [
        (json!("x"), "invalid type"),
        (json!({"path": "/a/"}), "missing field `upstream`"),
        (
            json!({"upstream": "https://a.example"}),
            "missing field `path`",
        ),
        (
            json!({"path": "/a/", "upstream": "https://a.example", "x": 1}),
            "unknown field `x`",
        ),
        (route("a/", "https://a.example"), "route 2: `path`"),
        (route("/a", "https://a.example"), "route 2: `path`"),
        (route("/a//b/", "https://a.example"), "route 2: `path`"),
        (route("/../", "https://a.example"), "route 2: `path`"),
        (route("/%2e%2e/", "https://a.example"), "route 2: `path`"),
        (route("/mcp/", "https://a.example"), "reserved"),
        (route("/model/x/", "https://a.example"), "reserved"),
        (route("/good/", "https://a.example"), "stands twice"),
        (route("/a/", "http://a.example"), "https"),
        (route("/a/", "HTTP://a.example"), "https"),
        (route("/a/", "ftp://a.example"), "`upstream`"),
        (route("/a/", "a.example"), "`upstream`"),
        (route("/a/", "https://user@a.example"), "user info"),
        (route("/a/", "https://a.example?q=1"), "query"),
        (route("/a/", "https://a.example/#f"), "fragment"),
        (
            json!({"path": "/a/", "upstream": "http://a.example", "plain": true}),
            "operator only",
        ),
        (
            json!({"path": "/a/", "upstream": "https://a.example", "plain": true}),
            "operator only",
        ),
        (with_auth(json!({})), "`secret`"),
        (with_auth(json!({"scheme": "Bearer"})), "`secret`"),
        (with_auth(json!({"secret": "A"})), "exactly one"),
        (
            with_auth(json!({"scheme": "Digest", "secret": "A"})),
            "unknown variant",
        ),
        (
            with_auth(json!({"scheme": "Bearer", "header": "X-A", "secret": "A"})),
            "exactly one",
        ),
        (
            with_auth(json!({"scheme": "Bearer", "secret": "A", "user": "u"})),
            "Basic",
        ),
        (
            with_auth(json!({"scheme": "Bearer", "secret": "../A"})),
            "`auth.secret`",
        ),
        (
            with_auth(json!({"header": "Host", "secret": "A"})),
            "`auth.header`",
        ),
        (
            with_auth(json!({"header": "X-A", "template": "none", "secret": "A"})),
            "`auth.template`",
        ),
        (
            with_auth(json!({"query": "a&b", "secret": "A"})),
            "`auth.query`",
        ),
        (
            with_auth(json!({"scheme": "Bearer", "secret": "A", "more": 1})),
            "unknown field `more`",
        ),
    ];
    let whole = whole.map(|(file, word)| (file.to_owned(), word));
    let single = single.map(|(wrong, word)| {
        // A fine route before it, and a wrong one behind it.
        let routes = json!({"routes": [good, wrong, {"path": "x", "upstream": "y"}]});
        (routes.to_string(), word)
    });
    let row = |(file, word): (String, &str)| {
        let arguments = json!({"routes": file, "justification": "needed"});
        row(
            json!({"name": "cred-proxy-block", "arguments": arguments}),
            &["cred-proxy-block", "`routes`", word],
        )
    };
    whole.into_iter().chain(single).map(row).collect()
}
