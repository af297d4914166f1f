//! Routes and secrets that change while requests are on their way.

use super::support::{Authority, LOOPBACK, Proxy, reply, route, with_auth};
use crate::support::proxy::{SOON, head, rest, status};
use futures::future::join_all;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_new_route_works_once_its_hash_is_told_and_a_removed_one_is_gone() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let mut proxy = Proxy::to(&authority, upstream.address).await;
    assert_eq!(status(&proxy.get("/y/").await), 404);
    let (x, y) = (
        route("/x/", "https://up.example"),
        route("/y/", "https://up.example"),
    );
    proxy.configure(&[x.clone(), y.clone()], LOOPBACK, "second");
    proxy.enforced("second").await;
    assert_eq!(status(&proxy.get("/y/").await), 200);
    proxy.configure(&[y], LOOPBACK, "third");
    proxy.enforced("third").await;
    assert_eq!(status(&proxy.get("/x/").await), 404);
    assert_eq!(status(&proxy.get("/y/").await), 200);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_not_reported_as_enforced() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let mut proxy = Proxy::to(&authority, upstream.address).await;
    for broken in [
        "",
        r#"{"routes": [{"path": "/x/""#,
        r#"{"routes": [{"path": "/x/", "upstream": "x"}]}"#,
    ] {
        proxy.configure_raw(broken, "broken");
        assert_eq!(status(&proxy.get("/x/").await), 200);
        assert_eq!(proxy.hash(), "first");
    }
    proxy.configure(&[], LOOPBACK, "mended");
    proxy.enforced("mended").await;
    assert_eq!(status(&proxy.get("/x/").await), 404);
}

#[tokio::test]
async fn a_stream_of_a_removed_route_is_cut_before_that_is_told_and_others_go_on() {
    let authority = Authority::new();
    let endless = authority
        .serve(&["http/1.1"], |mut stream| async move {
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes).await;
            let start = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            stream.write_all(start).await.unwrap();
            while stream.write_all(b"tick\n").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    let (gone, kept) = (
        route("/gone/", "https://up.example"),
        route("/kept/", "https://up.example"),
    );
    let mut proxy = Proxy::start(&authority, &[gone, kept.clone()]).await;
    proxy.dns.answer("up.example", &[endless]);
    let mut streams = Vec::new();
    for path in ["/gone/", "/kept/"] {
        let mut stream = proxy.open().await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: cred-proxy\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&head(&mut stream).await), 200);
        streams.push(stream);
    }
    proxy.configure(&[kept], LOOPBACK, "second");
    proxy.enforced("second").await;
    let mut kept = streams.pop().unwrap();
    let cut = rest(&mut streams.pop().unwrap()).await;
    assert!(!cut.ends_with("0\r\n\r\n"), "it looks whole: {cut}");
    let mut byte = [0; 4096];
    for _ in 0..5 {
        let read = tokio::time::timeout(SOON, kept.read(&mut byte)).await;
        assert!(read.expect("the other stream was cut").unwrap() > 0);
    }
}

#[tokio::test]
async fn other_ranges_close_what_was_open_by_the_old_ones() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let mut proxy = Proxy::to(&authority, upstream.address).await;
    assert_eq!(status(&proxy.get("/x/").await), 200);
    proxy.configure(&[route("/x/", "https://up.example")], "{}", "closed");
    proxy.enforced("closed").await;
    assert_eq!(status(&proxy.get("/x/").await), 403);
    assert_eq!(upstream.seen().len(), 1);
}

/// 10,000 requests on 16 connections while the secret is rotated 20 times and the routes are reloaded 50 times. A
/// rotation counts from its rename: a request that began after it must carry the new value, one that was under way
/// may carry either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_or_carries_a_wrong_credential_while_everything_changes() {
    const CONNECTIONS: usize = 16;
    let authority = Authority::new();
    for (alpn, requests) in [("http/1.1", 10_000), ("h2", 2_000)] {
        let upstream = authority
            .http(&[alpn], |request| {
                let name = if request.uri().path().starts_with("/other") {
                    "x-api-key"
                } else {
                    "authorization"
                };
                let value = request.headers().get(name).cloned();
                Box::pin(async move {
                    let _ = request.into_body().collect().await;
                    reply(
                        value
                            .map(|value| value.as_bytes().to_vec())
                            .unwrap_or_default(),
                    )
                })
            })
            .await;
        let x = route("/x/", "https://up.example");
        let other = |number: usize| {
            let auth = r#"{"header": "X-Api-Key", "template": "{secret}", "secret": "FIXED"}"#;
            with_auth(
                &format!("/other{}/", number % 2),
                "https://up.example/other",
                auth,
            )
        };
        let proxy = Arc::new(Proxy::start(&authority, &[x.clone(), other(0)]).await);
        proxy.dns.answer("up.example", &[upstream.address]);
        proxy.rotate("FIXED", "fixed-value");
        proxy.rotate("TOKEN", "0");
        // What a request may carry: from the last rotation that was over when it began, to the last that had begun
        // when it ended.
        let (begun, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let done = Arc::new(AtomicBool::new(false));
        let changing = {
            let (proxy, begun, over, done) = (
                Arc::clone(&proxy),
                Arc::clone(&begun),
                Arc::clone(&over),
                Arc::clone(&done),
            );
            tokio::spawn(async move {
                let mut round = 0;
                while !done.load(Ordering::SeqCst) || round < 100 {
                    round += 1;
                    if round % 5 == 0 {
                        let value = round / 5;
                        begun.store(value, Ordering::SeqCst);
                        proxy.rotate("TOKEN", &value.to_string());
                        over.store(value, Ordering::SeqCst);
                    }
                    if round % 2 == 0 {
                        proxy.configure(
                            &[x.clone(), other(round / 2)],
                            LOOPBACK,
                            &round.to_string(),
                        );
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                round
            })
        };
        let clients = (0..CONNECTIONS).map(|_| {
            let proxy = Arc::clone(&proxy);
            let span = (Arc::clone(&begun), Arc::clone(&over));
            tokio::spawn(async move { ask(&proxy, requests / CONNECTIONS, &span.0, &span.1).await })
        });
        for client in join_all(clients).await {
            client.unwrap();
        }
        done.store(true, Ordering::SeqCst);
        assert!(changing.await.unwrap() >= 100);
        assert_eq!(upstream.seen().len(), requests, "{alpn}");
    }
}

/// Asks again and again on one connection, and checks the credential that the upstream has seen.
async fn ask(proxy: &Proxy, requests: usize, begun: &AtomicUsize, over: &AtomicUsize) {
    let mut stream = proxy.open().await;
    for number in 0..requests {
        let oldest = over.load(Ordering::SeqCst);
        let request = if number % 2 == 0 {
            "GET /x/a HTTP/1.1\r\nHost: cred-proxy\r\n\r\n"
        } else {
            "POST /x/a HTTP/1.1\r\nHost: cred-proxy\r\nContent-Length: 4\r\n\r\nbody"
        };
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = head(&mut stream).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let mut lines = answer.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let newest = begun.load(Ordering::SeqCst);
        let body = String::from_utf8(body).unwrap();
        let value: usize = body.strip_prefix("Bearer ").unwrap().parse().unwrap();
        assert!(
            (oldest..=newest).contains(&value),
            "{oldest} {value} {newest}"
        );
    }
}
