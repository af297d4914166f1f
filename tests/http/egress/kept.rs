//! Requests one after the other on one client connection.

use crate::support::proxy::{LOOPBACK, Proxy, head, rest, status};
use crate::support::upstream::{self, Http};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Counts its connections; answers `answers` requests on each and then closes without a word.
async fn counting(answers: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let kept = Arc::clone(&connections);
    let address = upstream::serve(move |mut stream| {
        kept.fetch_add(1, Ordering::SeqCst);
        async move {
            for _ in 0..answers {
                if head(&mut stream).await.is_empty() {
                    return;
                }
                let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
                let _ = stream.write_all(ok).await;
            }
        }
    })
    .await;
    (address, connections)
}

async fn get(stream: &mut TcpStream, host: &str) -> String {
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(stream).await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head
}

#[tokio::test]
async fn requests_to_one_host_share_the_clients_own_connection_to_it() {
    let (address, connections) = counting(usize::MAX).await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[address]);
    let (mut one, mut two) = (proxy.open().await, proxy.open().await);
    for _ in 0..20 {
        assert_eq!(status(&get(&mut one, "a.example").await), 200);
        assert_eq!(status(&get(&mut two, "a.example").await), 200);
    }
    // One for each client; a slow machine may have let one grow old.
    let made = connections.load(Ordering::SeqCst);
    assert!((2..10).contains(&made), "{made} connections");
}

#[tokio::test]
async fn a_request_to_another_host_never_takes_the_connection_of_the_first() {
    let (first, second) = (Http::start().await, Http::start().await);
    let proxy = Proxy::start("a.example\nb.example\n").await;
    proxy.dns.answer("a.example", &[first.address]);
    proxy.dns.answer("b.example", &[second.address]);
    let mut stream = proxy.open().await;
    for _ in 0..3 {
        assert_eq!(status(&get(&mut stream, "a.example").await), 200);
        assert_eq!(status(&get(&mut stream, "b.example").await), 200);
        assert_eq!(status(&get(&mut stream, "c.example").await), 403);
    }
    assert!(!first.seen().contains("b.example") && !second.seen().contains("a.example"));
    assert_eq!(second.seen().matches("b.example").count(), 3);
}

#[tokio::test]
async fn a_server_that_closes_without_a_word_loses_no_request() {
    let (address, connections) = counting(2).await;
    let proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[address]);
    let mut stream = proxy.open().await;
    for _ in 0..9 {
        assert_eq!(status(&get(&mut stream, "a.example").await), 200);
    }
    assert!(connections.load(Ordering::SeqCst) >= 5);
}

#[tokio::test]
async fn a_kept_connection_is_closed_with_the_host_and_the_next_request_refused() {
    let server = upstream::serve(|mut stream| async move {
        while !head(&mut stream).await.is_empty() {
            let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
            let _ = stream.write_all(ok).await;
        }
    })
    .await;
    let mut proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[server]);
    let mut stream = proxy.open().await;
    assert_eq!(status(&get(&mut stream, "a.example").await), 200);
    proxy.configure("b.example\n", LOOPBACK, "second");
    // The hash comes only when the kept connection is closed.
    proxy.enforced("second").await;
    assert_eq!(status(&get(&mut stream, "a.example").await), 403);
    proxy.configure("a.example\n", LOOPBACK, "third");
    proxy.enforced("third").await;
    assert_eq!(status(&get(&mut stream, "a.example").await), 200);
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}
