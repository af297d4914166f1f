//! Plain HTTP: what passes, what is refused and how it is told.

use crate::support::proxy::{LOOPBACK, Proxy, json_body, status};
use crate::support::upstream::Http;
use bot_bottle::egress::Limits;

#[tokio::test]
async fn an_allowed_host_answers_and_a_refused_one_names_the_tool() {
    let upstream = Http::start().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[upstream.address]);
    let answer = proxy.get("http://A.Example/x?y=1").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(
        answer.contains("x-from: upstream") && answer.ends_with("ok\n"),
        "{answer}"
    );
    let seen = upstream.seen();
    assert!(seen.starts_with("GET /x?y=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("host: a.example\r\n"), "{seen}");

    let refused = proxy.get("http://b.example/").await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let body = json_body(&refused);
    assert_eq!(body["host"], "b.example");
    assert_eq!(body["port"], 80);
    assert_eq!(body["tool"], "pipelock-block");
    assert!(
        body["hint"].as_str().unwrap().contains("full content"),
        "{body}"
    );
}

#[tokio::test]
async fn a_refused_name_makes_no_dns_query() {
    let proxy = Proxy::start("a.example\n.b.example\n").await;
    for host in [
        "evil.example",
        "data.a.example",
        "b.example",
        "a.example.",
        "a.example:8080",
    ] {
        assert_eq!(
            status(&proxy.get(&format!("http://{host}/")).await),
            403,
            "{host}"
        );
        let connect = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:443")
        };
        assert_eq!(status(&proxy.connect(&connect).await.0), 403, "{host}");
    }
    assert_eq!(proxy.dns.asked(), Vec::<String>::new());
    assert_eq!(status(&proxy.get("http://x.b.example/").await), 502);
    assert_eq!(proxy.dns.asked(), ["x.b.example"]);
}

#[tokio::test]
async fn refusals_are_one_line_of_text_for_those_who_want_it() {
    let proxy = Proxy::start("").await;
    let request = b"GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\nAccept: text/plain\r\nConnection: close\r\n\r\n";
    let answer = proxy.send(request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain"), "{head}");
    assert_eq!(body.lines().count(), 1, "{body}");
    assert!(
        body.contains("b.example:80") && body.contains("pipelock-block"),
        "{body}"
    );
}

#[tokio::test]
async fn addresses_in_any_spelling_are_refused_even_if_internal_ones_are_allowed() {
    let upstream = Http::start().await;
    let proxy = Proxy::start("a.example\n").await;
    let port = upstream.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        let answer = proxy.get(&format!("http://{host}:{port}/")).await;
        assert_eq!(status(&answer), 403, "{host}: {answer}");
        assert!(answer.contains("IP addresses are not allowed"), "{answer}");
        let (head, _) = proxy.connect(&format!("{host}:443")).await;
        assert_eq!(status(&head), 403, "{host}");
    }
    assert_eq!(upstream.seen(), "");
    assert!(proxy.dns.asked().is_empty());
}

#[tokio::test]
async fn names_that_lead_inside_are_refused_and_of_mixed_answers_the_good_ones_are_dialled() {
    let upstream = Http::start().await;
    let egress = r#"{"allowInternal": ["127.0.0.1/32"]}"#;
    let proxy = Proxy::start_with("a.example\nb.example\n", egress, Limits::default()).await;
    let port = upstream.address.port();
    let at = |ip: &str| format!("{ip}:{port}").parse().unwrap();
    // 127.0.0.2 would reach nothing of ours, and isn't in the list.
    let inside = [
        at("127.0.0.2"),
        at("10.0.0.1"),
        at("169.254.169.254"),
        at("[::1]"),
        at("[::ffff:127.0.0.2]"),
    ];
    proxy.dns.answer("a.example", &inside);
    let answer = proxy.get("http://a.example/").await;
    assert_eq!(status(&answer), 403);
    assert!(answer.contains("internal addresses"), "{answer}");
    let mut mixed = inside.to_vec();
    mixed.push(upstream.address);
    proxy.dns.answer("b.example", &mixed);
    assert_eq!(status(&proxy.get("http://b.example/").await), 200);
}

#[tokio::test]
async fn without_internal_ranges_the_loopback_is_closed() {
    let upstream = Http::start().await;
    let proxy = Proxy::start_with("a.example\n", "{}", Limits::default()).await;
    proxy.dns.answer("a.example", &[upstream.address]);
    assert_eq!(status(&proxy.get("http://a.example/").await), 403);
    assert_eq!(status(&proxy.connect("a.example:443").await.0), 403);
    assert_eq!(upstream.seen(), "");
}

#[tokio::test]
async fn dns_and_connection_failures_have_their_own_status() {
    let proxy = Proxy::start(".example.test\n").await;
    assert_eq!(status(&proxy.get("http://none.example.test/").await), 502);
    proxy.dns.answer_ips("closed.example.test", &["127.0.0.1"]);
    let closed = Proxy::start("closed.example.test:1\n").await;
    closed.dns.answer_ips("closed.example.test", &["127.0.0.1"]);
    let answer = closed.get("http://closed.example.test:1/").await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(answer.contains("did not take the connection"), "{answer}");
}

#[tokio::test]
async fn a_slow_dns_is_a_gateway_time_out() {
    let proxy = Proxy::start("slow.example\n").await;
    assert_eq!(status(&proxy.get("http://slow.example/").await), 504);
    assert_eq!(status(&proxy.connect("slow.example:443").await.0), 504);
}

#[tokio::test]
async fn url_and_host_must_agree() {
    let upstream = Http::start().await;
    let proxy = Proxy::start("a.example\nb.example\n").await;
    proxy.dns.answer("a.example", &[upstream.address]);
    proxy.dns.answer("b.example", &[upstream.address]);
    let send = async |hosts: &str| {
        let request = format!("GET http://a.example/ HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        status(&proxy.send(request.as_bytes()).await)
    };
    assert_eq!(send("Host: b.example\r\n").await, 403);
    assert_eq!(send("Host: a.example:8080\r\n").await, 403);
    assert_eq!(send("Host: a.example\r\nHost: a.example\r\n").await, 400);
    assert_eq!(send("").await, 400);
    assert_eq!(upstream.seen(), "");
    assert_eq!(send("Host: A.EXAMPLE:80\r\n").await, 200);
}

#[tokio::test]
async fn http2_without_tls_is_refused() {
    let upstream = Http::start().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[upstream.address]);
    let request = b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(status(&proxy.send(request).await), 403);
    let preface = proxy.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!preface.starts_with("HTTP/1.1 200"), "{preface}");
    assert_eq!(upstream.seen(), "");
}

#[tokio::test]
async fn ambiguous_framing_never_passes_as_it_came() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    let shapes = [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}",
            chunked.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n{chunked}",
            chunked.len()
        ),
        format!(
            "Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!("Content-Length: +0\r\n\r\n{hidden}"),
        format!("Content-Length: 0, {}\r\n\r\n{hidden}", hidden.len()),
        format!("Transfer-Encoding: xchunked\r\n\r\n{chunked}"),
        format!("Transfer-Encoding: gzip, chunked\r\n\r\n{chunked}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{chunked}"),
        format!("Transfer-Encoding : chunked\r\n\r\n{chunked}"),
        format!("Transfer-Encoding:\x0bchunked\r\n\r\n{chunked}"),
        format!("X: y\r\n Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("X: y\nTransfer-Encoding: chunked\n\n{chunked}"),
        format!("X: y\rTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0\n\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n{hidden}"),
    ];
    for shape in shapes {
        let upstream = Http::start().await;
        let proxy = Proxy::start("a.example\n").await;
        proxy.dns.answer("a.example", &[upstream.address]);
        let request = format!("POST http://a.example/x HTTP/1.1\r\nHost: a.example\r\n{shape}");
        let mut stream = proxy.open().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        let answer = crate::support::proxy::rest(&mut stream).await;
        let seen = upstream.seen();
        assert!(matches!(status(&answer), 200 | 400), "{shape:?}: {answer}");
        // The hidden request names no allowed host: as one of its own it is refused, as a body it is framed.
        let heads = seen.matches(" HTTP/1.1\r\n").count();
        let as_body = seen.contains(&format!("content-length: {}\r\n", hidden.len()));
        assert!(
            heads <= 1 || as_body,
            "{shape:?} reached the upstream as {seen:?}, answered {answer:?}"
        );
        for line in seen.split_inclusive('\n') {
            assert!(
                line.ends_with("\r\n"),
                "{shape:?} passed a bare line end: {seen:?}"
            );
        }
        let both = seen.contains("content-length") && seen.contains("transfer-encoding");
        assert!(!both, "{shape:?} passed two lengths: {seen:?}");
    }
}

#[tokio::test]
async fn bodies_pass_in_both_framings() {
    let upstream = Http::start().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[upstream.address]);
    let head = "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n";
    let sized = format!("{head}Content-Length: 5\r\n\r\nhello");
    assert_eq!(status(&proxy.send(sized.as_bytes()).await), 200);
    assert!(upstream.seen().ends_with("hello"), "{}", upstream.seen());
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(status(&proxy.send(chunked.as_bytes()).await), 200);
    let empty = format!("{head}Content-Length: 0\r\n\r\n");
    assert_eq!(status(&proxy.send(empty.as_bytes()).await), 200);
    assert!(
        upstream.seen().contains("content-length: 0\r\n"),
        "{}",
        upstream.seen()
    );
}

#[tokio::test]
async fn the_proxys_own_pages_are_not_a_way_out_and_list_denials() {
    let proxy = Proxy::start_with("a.example\n", LOOPBACK, Limits::default()).await;
    let own = async |request: &str| {
        proxy
            .send(
                format!("{request} HTTP/1.1\r\nHost: egress\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await
    };
    let health = own("GET /health").await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok\n"),
        "{health}"
    );
    assert!(own("GET /health?x=1").await.ends_with("ok\n"));
    assert_eq!(status(&own("POST /health").await), 405);
    assert_eq!(status(&own("GET /").await), 404);
    assert_eq!(proxy.denials().await, serde_json::json!({"denials": []}));
    for _ in 0..3 {
        proxy.get("http://b.example/").await;
    }
    proxy.get("http://c.example/").await;
    let list = proxy.denials().await;
    assert_eq!(list["denials"][0]["host"], "c.example");
    assert_eq!(list["denials"][1]["host"], "b.example");
    assert_eq!(list["denials"][1]["count"], 3);
    assert_eq!(
        list["denials"][1]["reason"],
        "the host is not on the allowlist"
    );
}
