//! Which upstream a path leads to, and that none leads elsewhere.

use super::support::{Authority, Proxy, route, with_auth};
use crate::support::proxy::status;

#[tokio::test]
async fn an_unknown_route_names_the_path_and_the_tool() {
    let authority = Authority::new();
    let proxy = Proxy::start(&authority, &[]).await;
    let answer = proxy.get("/foo/bar?token=private").await;
    assert_eq!(status(&answer), 404);
    assert!(answer.contains("no route for /foo/bar;"), "{answer}");
    assert!(answer.contains("cred-proxy-block"), "{answer}");
    assert!(!answer.contains("private"), "{answer}");
    assert!(proxy.dns.asked().is_empty());
}

#[tokio::test]
async fn paths_are_put_behind_the_upstreams_as_they_came() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let routes = [
        with_auth("/x/", "https://up.example", "null"),
        with_auth("/x/deep/", "https://up.example/v1/", "null"),
        with_auth("/mcp/tools/", "https://up.example/mcp", "null"),
    ];
    let proxy = Proxy::start(&authority, &routes).await;
    proxy.dns.answer("up.example", &[upstream.address]);
    for (path, expected) in [
        ("/x", "/"),
        ("/x/", "/"),
        ("/x?q=/../", "/?q=/../"),
        ("/x/a%2fb%2Fc", "/a%2fb%2Fc"),
        ("/x/a//b", "/a//b"),
        ("/x/a;v=1/b", "/a;v=1/b"),
        ("/x/%zz", "/%zz"),
        ("/x/deep", "/v1/"),
        ("/x/deep/a/", "/v1/a/"),
        ("/x/deeper", "/deeper"),
        ("/mcp/tools", "/mcp"),
        ("/mcp/tools/", "/mcp"),
        ("/mcp/tools/a", "/mcp/a"),
    ] {
        assert_eq!(status(&proxy.get(path).await), 200, "{path}");
        let seen = upstream.last();
        assert!(
            seen.starts_with(&format!("GET {expected} HTTP/1.1\n")),
            "{path}: {seen}"
        );
    }
}

#[tokio::test]
async fn nothing_leaves_the_upstreams_prefix() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let proxy = Proxy::start(&authority, &[route("/x/", "https://up.example/v1/")]).await;
    proxy.dns.answer("up.example", &[upstream.address]);
    for path in [
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x/.%2E/admin",
        "/x/..%2fadmin",
        "/x/a/..%5c..%5cadmin",
        "/x/..\\admin",
        "/x\\..\\admin",
        "/x/..;/admin",
        "/x/%252e%252e/admin",
        "/x/%c0%ae%c0%ae/admin",
        "/x/..%00/admin",
        "/x//../../admin",
        "/x/..",
    ] {
        let answer = proxy.get(path).await;
        assert_eq!(status(&answer), 400, "{path}: {answer}");
    }
    for path in ["//x/a", "/y/../x/a", "/%78/a", "/X/a", "/xa"] {
        let answer = proxy.get(path).await;
        assert!(matches!(status(&answer), 400 | 404), "{path}: {answer}");
    }
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(status(&proxy.get("/x/admin").await), 200);
    assert!(upstream.last().starts_with("GET /v1/admin HTTP/1.1\n"));
}

#[tokio::test]
async fn it_is_no_open_proxy_and_shows_no_request_back() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    for (request, expected) in [
        (
            "GET http://up.example/x/ HTTP/1.1\r\nHost: up.example\r\n",
            400,
        ),
        (
            "GET https://up.example/x/ HTTP/1.1\r\nHost: up.example\r\n",
            400,
        ),
        (
            "CONNECT up.example:443 HTTP/1.1\r\nHost: up.example:443\r\n",
            405,
        ),
        ("TRACE /x/ HTTP/1.1\r\nHost: cred-proxy\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\nHost: cred-proxy\r\n", 400),
    ] {
        let answer = proxy
            .send(format!("{request}Connection: close\r\n\r\n").as_bytes())
            .await;
        assert_eq!(status(&answer), expected, "{request}: {answer}");
    }
    assert_eq!(upstream.seen().len(), 0);
    assert!(proxy.get("/health").await.ends_with("\r\n\r\nok\n"));
}

#[tokio::test]
async fn internal_addresses_are_not_dialled_whoever_names_them() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let port = upstream.address.port();
    let routes = [
        route("/name/", "https://up.example"),
        route("/literal/", &format!("https://127.0.0.1:{port}")),
        route("/mapped/", &format!("https://[::ffff:127.0.0.1]:{port}")),
        route("/metadata/", "https://169.254.169.254"),
    ];
    let limits = bot_bottle::cred_proxy::Limits::default;
    let closed = Proxy::start_with(&authority, &routes, "{}", limits()).await;
    closed.dns.answer("up.example", &[upstream.address]);
    for path in ["/name/", "/literal/", "/mapped/", "/metadata/"] {
        let answer = closed.get(path).await;
        assert_eq!(status(&answer), 403, "{path}: {answer}");
        assert!(answer.contains("spec.egress.allowInternal"), "{answer}");
    }
    // The same road without the wall: the name's certificate is right, the literals' is not.
    let open = Proxy::start(&authority, &routes).await;
    open.dns.answer("up.example", &[upstream.address]);
    assert_eq!(status(&open.get("/name/").await), 200);
    assert_eq!(status(&open.get("/literal/").await), 502);
}

#[tokio::test]
async fn a_name_that_comes_to_point_inside_is_not_followed_there() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    proxy
        .dns
        .answer("up.example", &["169.254.169.254:443".parse().unwrap()]);
    assert_eq!(status(&proxy.get("/x/").await), 403);
    // Of mixed answers the good one is dialled.
    let mixed = ["10.0.0.1:443".parse().unwrap(), upstream.address];
    proxy.dns.answer("up.example", &mixed);
    assert_eq!(status(&proxy.get("/x/").await), 200);
}
