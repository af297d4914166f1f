//! Messages that two readers could read in two ways, and bounds.

use super::support::{Authority, LOOPBACK, Proxy, reply, route};
use crate::support::proxy::{head, status};
use bot_bottle::cred_proxy::Limits;
use bot_bottle::egress;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn ambiguous_framing_is_refused_or_framed_anew() {
    let authority = Authority::new();
    let upstream = authority
        .http(&["http/1.1"], |request| {
            Box::pin(async { reply(request.into_body().collect().await.unwrap().to_bytes()) })
        })
        .await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    let hidden = "GET /x/hidden HTTP/1.1\r\nHost: cred-proxy\r\n\r\n";
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef".to_owned(),
        "Content-Length: 5, 6\r\n\r\nabcdef".to_owned(),
        "Content-Length: +5\r\n\r\nabcde".to_owned(),
        "Content-Length: -1\r\n\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "X: a\r\n folded\r\nConnection: close\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n".to_owned(),
        "X: a\rb\r\nConnection: close\r\n\r\n".to_owned(),
        "X: a\0b\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let request = format!("POST /x/ HTTP/1.1\r\nHost: cred-proxy\r\n{lines}");
        let answer = proxy.send(request.as_bytes()).await;
        assert_eq!(status(&answer), 400, "{lines:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    // Both lengths: the chunks count, and the upstream sees one request with one framing.
    let both = format!(
        "POST /x/both HTTP/1.1\r\nHost: cred-proxy\r\nConnection: close\r\nContent-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        hidden.len() + 5
    );
    let answer = proxy.send(both.as_bytes()).await;
    assert!(matches!(status(&answer), 200 | 400), "{answer}");
    for seen in upstream.seen() {
        assert!(!seen.contains("hidden"), "{seen}");
        assert!(
            !(seen.contains("content-length") && seen.contains("transfer-encoding")),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn trailers_carry_nothing_through() {
    let authority = Authority::new();
    for alpn in ["http/1.1", "h2"] {
        let upstream = authority
            .http(&[alpn], |request| {
                Box::pin(async {
                    let body = request.into_body().collect().await.unwrap();
                    let trailers = format!("{:?}", body.trailers());
                    reply([&body.to_bytes()[..], trailers.as_bytes()].concat())
                })
            })
            .await;
        let proxy = Proxy::to(&authority, upstream.address).await;
        let answer = proxy
            .send(
                b"POST /x/ HTTP/1.1\r\nHost: cred-proxy\r\nConnection: close\r\nTrailer: authorization\r\n\
                  Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: Bearer theirs\r\n\r\n",
            )
            .await;
        assert!(answer.ends_with("abcNone"), "{alpn}: {answer}");
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_answered_431_and_a_slow_head_408() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let limits = Limits {
        serving: egress::Limits {
            head: Duration::from_millis(300),
            ..egress::Limits::default()
        },
        ..Limits::default()
    };
    let routes = [route("/x/", "https://up.example")];
    let proxy = Proxy::start_with(&authority, &routes, LOOPBACK, limits).await;
    proxy.dns.answer("up.example", &[upstream.address]);
    let long = |length: usize| format!("X: {}\r\n", "x".repeat(length));
    assert_eq!(status(&proxy.get_with("/x/", &long(70_000)).await), 431);
    assert_eq!(
        status(&proxy.get_with("/x/", &"X: y\r\n".repeat(20_000)).await),
        431
    );
    assert_eq!(status(&proxy.get_with("/x/", &long(12_000)).await), 200);
    assert_eq!(status(&proxy.send(b"GET /x/ HTT").await), 408);
    assert_eq!(status(&proxy.send(b"").await), 408);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_503() {
    let authority = Authority::new();
    let limits = Limits {
        serving: egress::Limits {
            connections: 2,
            ..egress::Limits::default()
        },
        ..Limits::default()
    };
    let proxy = Proxy::start_with(&authority, &[], LOOPBACK, limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = proxy.open().await;
        let health = b"GET /health HTTP/1.1\r\nHost: cred-proxy\r\n\r\n";
        stream.write_all(health).await.unwrap();
        assert_eq!(status(&head(&mut stream).await), 200);
        held.push(stream);
    }
    let refused = proxy.get("/health").await;
    assert_eq!(status(&refused), 503, "{refused}");
    held.pop();
    while status(&proxy.get("/health").await) != 200 {}
}
