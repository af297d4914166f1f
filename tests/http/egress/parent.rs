//! Behind a company's proxy.

use crate::support::proxy::{LOOPBACK, Proxy, head, rest, status};
use crate::support::tls::{self, line_echo};
use crate::support::upstream::{self, Http};
use bot_bottle::egress::Limits;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

/// Opens tunnels to `upstream`, whatever it is asked for, and keeps what that was; `answer` comes before.
async fn parent(
    upstream: SocketAddr,
    answer: &'static str,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let address = upstream::serve(move |mut stream| {
        let kept = Arc::clone(&kept);
        async move {
            let head = head(&mut stream).await;
            kept.lock().unwrap().push(head);
            let mut upstream = TcpStream::connect(upstream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut upstream).await;
        }
    })
    .await;
    (address, asked)
}

fn behind(parent: SocketAddr) -> String {
    format!(r#"{{"parentProxy": "http://{parent}"}}"#)
}

const OPEN: &str = "HTTP/1.1 200 Connection established\r\nVia: company\r\n\r\n";

#[tokio::test]
async fn tunnels_and_plain_http_take_it_and_it_resolves() {
    let (server, trust) = line_echo(&["a.example"]);
    let (secure, asked) = parent(server, OPEN).await;
    let proxy = Proxy::start_with("a.example\n", &behind(secure), Limits::default()).await;
    let tunnel = proxy.tunnel("a.example:443").await;
    assert_eq!(
        tls::hello(tunnel, trust, "a.example").await.unwrap(),
        "hello"
    );
    assert_eq!(
        *asked.lock().unwrap(),
        ["CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"]
    );
    let http = Http::start().await;
    let (plain, asked) = parent(http.address, OPEN).await;
    let proxy = Proxy::start_with("a.example\n", &behind(plain), Limits::default()).await;
    assert_eq!(status(&proxy.get("http://a.example/x").await), 200);
    assert!(
        http.seen().starts_with("GET /x HTTP/1.1\r\n"),
        "{}",
        http.seen()
    );
    assert!(asked.lock().unwrap()[0].starts_with("CONNECT a.example:80 "));
    // Neither the host nor the parent, which is an address, was asked of our DNS.
    assert!(proxy.dns.asked().is_empty());
}

#[tokio::test]
async fn it_hears_of_no_host_that_is_not_allowed() {
    let (address, asked) = parent("127.0.0.1:9".parse().unwrap(), OPEN).await;
    let proxy = Proxy::start_with("a.example\n", &behind(address), Limits::default()).await;
    assert_eq!(status(&proxy.connect("b.example:443").await.0), 403);
    assert_eq!(status(&proxy.get("http://b.example/").await), 403);
    assert_eq!(status(&proxy.connect("127.0.0.1:443").await.0), 403);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_server_name_is_refused_behind_it_too() {
    let echo = upstream::echo().await;
    let (address, _) = parent(echo, OPEN).await;
    let proxy = Proxy::start_with("a.example\n", &behind(address), Limits::default()).await;
    let mut tunnel = proxy.tunnel("a.example:443").await;
    tunnel
        .write_all(&tls::client_hello("b.example"))
        .await
        .unwrap();
    let answer = crate::support::proxy::rest_bytes(&mut tunnel).await;
    assert_eq!(answer.first(), Some(&0x15), "no alert: {answer:?}");
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_behind_it() {
    let greeting = upstream::serve(|mut stream| async move {
        let _ = stream.write_all(b" and from the server").await;
    })
    .await;
    let answer = "HTTP/1.1 200 OK\r\n\r\nhello at once";
    let (address, _) = parent(greeting, answer).await;
    let proxy = Proxy::start_with("a.example:22\n", &behind(address), Limits::default()).await;
    let mut tunnel = proxy.tunnel("a.example:22").await;
    assert_eq!(rest(&mut tunnel).await, "hello at once and from the server");
}

#[tokio::test]
async fn its_refusal_is_a_bad_gateway_that_says_who_refused() {
    for answer in [
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "SSH-2.0-other\r\n\r\n",
        "",
    ] {
        let address = upstream::serve(move |mut stream| async move {
            head(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        let proxy = Proxy::start_with("a.example\n", &behind(address), Limits::default()).await;
        let refused = proxy.get("http://a.example/").await;
        assert_eq!(status(&refused), 502, "{answer}");
        assert!(refused.contains("parent proxy"), "{refused}");
    }
}

#[tokio::test]
async fn a_change_of_parent_closes_what_took_the_old_one() {
    let echo = upstream::echo().await;
    let (first, _) = parent(echo, OPEN).await;
    let (second, asked) = parent(echo, OPEN).await;
    let mut proxy = Proxy::start_with("a.example:9\n", &behind(first), Limits::default()).await;
    let mut old = proxy.tunnel("a.example:9").await;
    proxy.configure("a.example:9\n", &behind(second), "second");
    proxy.enforced("second").await;
    assert_eq!(rest(&mut old).await, "");
    let mut new = proxy.tunnel("a.example:9").await;
    assert_eq!(asked.lock().unwrap().len(), 1);
    proxy.dns.answer("a.example", &[echo]);
    proxy.configure("a.example:9\n", LOOPBACK, "third");
    proxy.enforced("third").await;
    assert_eq!(rest(&mut new).await, "");
    assert_eq!(asked.lock().unwrap().len(), 1);
}
