//! CONNECT: what may be inside.

use crate::support::proxy::{Proxy, head, rest, rest_bytes, status};
use crate::support::tls;
use crate::support::upstream::{self, Http};
use bot_bottle::egress::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn tls_for_the_tunnels_host_passes() {
    let (address, config) = tls::line_echo(&["a.example"]);
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[address]);
    let stream = proxy.tunnel("A.example:443").await;
    let answer = tls::hello(stream, config.clone(), "a.example").await;
    assert_eq!(answer.unwrap(), "hello");
    // On port 80, too.
    let stream = proxy.tunnel("a.example:80").await;
    assert_eq!(
        tls::hello(stream, config, "a.example").await.unwrap(),
        "hello"
    );
}

#[tokio::test]
async fn tls_for_another_name_is_refused_and_reaches_nobody() {
    let (address, config) = tls::line_echo(&["a.example", "b.example"]);
    let proxy = Proxy::start("a.example\nb.example\n").await;
    proxy.dns.answer("a.example", &[address]);
    for port in [443, 80] {
        let stream = proxy.tunnel(&format!("a.example:{port}")).await;
        let error = tls::hello(stream, config.clone(), "b.example")
            .await
            .unwrap_err();
        assert!(
            error.to_string().to_lowercase().contains("access"),
            "{error}"
        );
    }
    let reason = &proxy.denials().await["denials"][0]["reason"];
    assert!(reason.as_str().unwrap().contains("by name"), "{reason}");
}

#[tokio::test]
async fn tls_without_a_name_is_refused() {
    let echo = upstream::echo().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[echo]);
    let mut stream = proxy.tunnel("a.example:443").await;
    // An address as name: clients then send none.
    stream
        .write_all(&tls::client_hello("192.0.2.1"))
        .await
        .unwrap();
    let answer = rest_bytes(&mut stream).await;
    assert_eq!(
        answer[..5],
        [0x15, 3, 3, 0, 2],
        "an alert, no echo: {answer:?}"
    );
}

#[tokio::test]
async fn a_name_split_over_many_segments_is_still_checked() {
    let echo = upstream::echo().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[echo]);
    for (name, passes) in [("a.example", true), ("b.example", false)] {
        let hello = tls::client_hello(name);
        let mut stream = proxy.tunnel("a.example:443").await;
        stream.set_nodelay(true).unwrap();
        for part in hello.chunks(20) {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.shutdown().await.unwrap();
        let answer = rest_bytes(&mut stream).await;
        assert_eq!(answer == hello, passes, "{name}");
    }
}

#[tokio::test]
async fn anything_but_tls_on_443_is_refused() {
    let echo = upstream::echo().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[echo]);
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        b"\x80\x2e\x01\x03\x01",
    ] {
        let mut stream = proxy.tunnel("a.example:443").await;
        stream.write_all(bytes).await.unwrap();
        let answer = rest(&mut stream).await;
        assert_eq!(status(&answer), 403, "{answer}");
        assert!(answer.contains("must carry TLS"), "{answer}");
    }
}

#[tokio::test]
async fn bytes_sent_with_the_connect_are_not_lost_and_not_trusted() {
    let echo = upstream::echo().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[echo]);
    for (name, passes) in [("a.example", true), ("b.example", false)] {
        let hello = tls::client_hello(name);
        let mut stream = proxy.open().await;
        let connect = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
        stream
            .write_all(&[connect, &hello[..]].concat())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(status(&head(&mut stream).await), 200);
        assert_eq!(rest_bytes(&mut stream).await == hello, passes, "{name}");
    }
}

#[tokio::test]
async fn plain_http_in_a_tunnel_to_80_has_every_request_checked() {
    let http = Http::start().await;
    let proxy = Proxy::start("a.example\nb.example\n").await;
    proxy.dns.answer("a.example", &[http.address]);
    let mut stream = proxy.tunnel("a.example:80").await;
    stream
        .write_all(b"GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&head(&mut stream).await), 200);
    let mut body = [0; 3];
    stream.read_exact(&mut body).await.unwrap();
    stream
        .write_all(b"GET /2 HTTP/1.1\r\nHost: a.example:80\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&head(&mut stream).await), 200);
    stream.read_exact(&mut body).await.unwrap();
    stream
        .write_all(b"GET /3 HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(status(&answer), 403, "{answer}");
    let seen = http.seen();
    assert!(
        seen.contains("GET /1 ") && seen.contains("GET /2 ") && !seen.contains("GET /3 "),
        "{seen}"
    );
}

#[tokio::test]
async fn nothing_tunnels_inside_a_tunnel_to_80() {
    let http = Http::start().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[http.address]);
    let requests = [
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n",
        "GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\nConnection: upgrade\r\n",
        "GET / HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n",
    ];
    for request in requests {
        let mut stream = proxy.tunnel("a.example:80").await;
        stream
            .write_all(format!("{request}\r\n").as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains(" 200 "), "{request}: {answer}");
    }
    assert_eq!(http.seen(), "");
}

#[tokio::test]
async fn a_declared_port_takes_any_protocol_and_a_server_that_speaks_first() {
    let greeter = upstream::serve(|mut stream| async move {
        stream.write_all(b"hello\n").await.unwrap();
        let mut line = Vec::new();
        stream.read_to_end(&mut line).await.unwrap();
        stream.write_all(&line).await.unwrap();
    })
    .await;
    let proxy = Proxy::start("a.example:22\n.b.example:22\n").await;
    proxy.dns.answer("a.example", &[greeter]);
    proxy.dns.answer("x.b.example", &[greeter]);
    for host in ["a.example", "x.b.example"] {
        let mut stream = proxy.tunnel(&format!("{host}:22")).await;
        let mut greeting = [0; 6];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"hello\n");
        stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, "SSH-2.0-x\r\n");
        for port in [80, 443, 2222] {
            assert_eq!(
                status(&proxy.connect(&format!("{host}:{port}")).await.0),
                403
            );
        }
    }
}

#[tokio::test]
async fn tls_on_a_declared_port_must_name_the_host_if_it_names_one() {
    let echo = upstream::echo().await;
    let proxy = Proxy::start("a.example:8443\n").await;
    proxy.dns.answer("a.example", &[echo]);
    for (name, passes) in [
        ("a.example", true),
        ("b.example", false),
        ("192.0.2.1", true),
    ] {
        let hello = tls::client_hello(name);
        let mut stream = proxy.tunnel("a.example:8443").await;
        stream.write_all(&hello).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest_bytes(&mut stream).await == hello, passes, "{name}");
    }
}

#[tokio::test]
async fn http_1_0_opens_tunnels_too() {
    let echo = upstream::echo().await;
    let proxy = Proxy::start("a.example:9\n").await;
    proxy.dns.answer("a.example", &[echo]);
    let mut stream = proxy.open().await;
    let connect = b"CONNECT a.example:9 HTTP/1.0\r\n\r\n";
    stream.write_all(connect).await.unwrap();
    assert_eq!(status(&head(&mut stream).await), 200);
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "hello");
}

#[tokio::test]
async fn a_connect_with_a_body_or_without_a_port_is_refused() {
    let proxy = Proxy::start("a.example\n").await;
    let requests = [
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT a.example:0 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT u@a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ];
    for request in requests {
        assert_eq!(
            status(&proxy.send(request.as_bytes()).await),
            400,
            "{request}"
        );
    }
    assert!(proxy.dns.asked().is_empty());
}

#[tokio::test]
async fn a_tunnel_that_says_nothing_is_closed() {
    let echo = upstream::echo().await;
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let proxy = Proxy::start_with("a.example\n", crate::support::proxy::LOOPBACK, limits).await;
    proxy.dns.answer("a.example", &[echo]);
    let mut stream = proxy.tunnel("a.example:443").await;
    stream.write_all(&[0x16, 3]).await.unwrap();
    assert_eq!(rest_bytes(&mut stream).await, b"");
}
