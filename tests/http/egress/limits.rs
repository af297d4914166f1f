//! Bounds, and the end.

use crate::support::proxy::{LOOPBACK, Proxy, head, rest, status};
use crate::support::upstream::{self, Http};
use bot_bottle::egress::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_flood_of_headers_is_answered_431_and_a_large_head_passes() {
    let http = Http::start().await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[http.address]);
    let request = |headers: &str| {
        format!(
            "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n{headers}\r\n"
        )
    };
    let one_large = request(&format!("X: {}\r\n", "x".repeat(70_000)));
    assert_eq!(status(&proxy.send(one_large.as_bytes()).await), 431);
    let many = request(&"X: y\r\n".repeat(20_000));
    assert_eq!(status(&proxy.send(many.as_bytes()).await), 431);
    let endless = "x".repeat(300_000);
    assert_eq!(
        status(
            &proxy
                .send(request(&format!("X: {endless}")).as_bytes())
                .await
        ),
        431
    );
    let large = request(&format!("X: {}\r\n", "x".repeat(60_000)));
    assert_eq!(status(&proxy.send(large.as_bytes()).await), 200);
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_its_answer_and_no_reset() {
    let proxy = Proxy::start("").await;
    let mut stream = proxy.open().await;
    let flood = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(70_000));
    stream.write_all(flood.as_bytes()).await.unwrap();
    assert_eq!(status(&head(&mut stream).await), 431);
    for _ in 0..50 {
        stream.write_all(&[b'x'; 1000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_408() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let proxy = Proxy::start_with("a.example\n", LOOPBACK, limits).await;
    for begun in ["", "GET http://a.example/ HTTP/1.1\r\n"] {
        assert_eq!(
            status(&proxy.send(begun.as_bytes()).await),
            408,
            "{begun:?}"
        );
    }
    // Between two requests a client owes nothing: it is let go without a word.
    let health = proxy
        .send(b"GET /health HTTP/1.1\r\nHost: egress\r\n\r\n")
        .await;
    assert!(health.ends_with("\r\n\r\nok\n"), "{health}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_503_and_room_is_given_back() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let proxy = Proxy::start_with("a.example\n", LOOPBACK, limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = proxy.open().await;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: egress\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(status(&head(&mut stream).await), 200);
        held.push(stream);
    }
    let health = b"GET /health HTTP/1.1\r\nHost: egress\r\nConnection: close\r\n\r\n";
    let refused = proxy.send(health).await;
    assert_eq!(status(&refused), 503, "{refused}");
    held.pop();
    while status(&proxy.send(health).await) != 200 {}
}

#[tokio::test]
async fn the_end_lets_a_running_answer_finish_and_cuts_a_tunnel_at_last() {
    let slow = upstream::serve(|mut stream| async move {
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
            .await;
    })
    .await;
    let echo = upstream::echo().await;
    let limits = Limits {
        drain: Duration::from_secs(1),
        ..Limits::default()
    };
    let mut proxy = Proxy::start_with("a.example\nb.example:9\n", LOOPBACK, limits).await;
    proxy.dns.answer("a.example", &[slow]);
    proxy.dns.answer("b.example", &[echo]);
    let mut tunnel = proxy.tunnel("b.example:9").await;
    let mut idle = proxy.open().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: egress\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&head(&mut idle).await), 200);
    let mut running = proxy.open().await;
    running
        .write_all(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    while proxy.dns.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    proxy.ask_to_stop();
    let answer = rest(&mut running).await;
    assert!(answer.ends_with("done"), "{answer}");
    assert_eq!(rest(&mut idle).await, "ok\n");
    let address = proxy.address;
    proxy.stopped().await;
    assert_eq!(rest(&mut tunnel).await, "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
