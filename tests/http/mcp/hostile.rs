//! Clients that mean harm, against the program itself: its memory stays bounded, and others are served all along.

use super::bench::{Client, Directories, PATIENCE, hosts, request};
use super::process::{Program, start};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A sidecar's limit is 256 MiB. This is a debug build, whose tasks are several times as large.
const MAX_MEMORY: u64 = 128 << 20;
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

pub async fn program() -> (Directories, Program) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let directories = Directories::new("a.example\n");
    let program = start(&directories, &[]).await;
    (directories, program)
}

/// The most that it ever had.
fn memory(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Another client, which wants nothing unusual.
pub async fn is_served(client: Client) {
    let answer = client.rpc("ping", json!({})).await;
    assert_eq!(answer["result"], json!({}));
}

pub fn assert_bounded(program: &Program) {
    let memory = memory(program);
    assert!(memory < MAX_MEMORY, "{} MiB", memory >> 20);
}

/// From several addresses: one has no more than 28,000 ports.
async fn connect(client: Client, number: usize) -> TcpStream {
    let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number % 16 + 1).unwrap());
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(client.address).await.unwrap()
}

/// Whatever comes of it: the server may have closed already.
async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let sent = tokio::time::timeout(PATIENCE, stream.write_all(bytes))
        .await
        .expect("it doesn't read");
    if let Err(error) = sent {
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
}

#[tokio::test]
async fn ten_thousand_connections_that_are_opened_and_left_lock_nobody_out() {
    let (directories, program) = program().await;
    let client = program.client;
    // One that was there before: a call that waits.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": hosts("b.example", "docs")});
    let mut waiting = TcpStream::connect(client.address).await.unwrap();
    send(&mut waiting, request("", &call.to_string()).as_bytes()).await;
    let name = directories.proposals(1).await.remove(0);
    let mut left = Vec::new();
    for number in 0..10_000 {
        left.push(connect(client, number).await);
        if number % 500 == 0 {
            is_served(client).await;
        }
    }
    is_served(client).await;
    assert_bounded(&program);
    directories.decide(&name, &json!({"status": "approved"}));
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, waiting.read_to_string(&mut answer))
        .await
        .expect("no answer")
        .unwrap();
    assert!(answer.contains("status: "), "it was sent away: {answer}");
    drop(left);
}

#[tokio::test]
async fn heads_and_bodies_that_never_end_lock_nobody_out() {
    let (_directories, program) = program().await;
    let client = program.client;
    let mut kept = Vec::new();
    for number in 0..2000 {
        let mut stream = connect(client, number).await;
        send(&mut stream, b"POST / HTTP/1.1\r\nHost: x\r\nX-A: ").await;
        kept.push(stream);
    }
    is_served(client).await;
    // One byte at a time keeps a client busy, not the server.
    for stream in &mut kept {
        send(stream, b"b").await;
    }
    is_served(client).await;
    // A megabyte, but for its last byte, a hundred times: together more than the program may hold.
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        1 << 20
    );
    let body = vec![b' '; (1 << 20) - 1];
    for number in 0..100 {
        let mut stream = connect(client, number).await;
        send(&mut stream, head.as_bytes()).await;
        send(&mut stream, &body).await;
        kept.push(stream);
    }
    is_served(client).await;
    assert_bounded(&program);
    // The last one is still welcome.
    let mut last = kept.pop().unwrap();
    send(&mut last, b" ").await;
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, last.read_exact(&mut answer))
        .await
        .expect("no answer")
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn what_is_announced_takes_no_memory() {
    let (_directories, program) = program().await;
    let client = program.client;
    for (length, statuses) in [
        ("1048577", &[413][..]),
        ("2147483648", &[413]),
        // hyper has the first word on lengths that it could not count.
        ("18446744073709551615", &[413, 431]),
        ("99999999999999999999999", &[413, 400]),
    ] {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = client.raw(head.as_bytes()).await;
        assert!(statuses.contains(&answer.status), "{length}: {answer:?}");
    }
    // Chunks have no announced length at all, and two lengths mean two things.
    for (framing, status) in [
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            [411, 400],
        ),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", [400, 400]),
        ("Transfer-Encoding: gzip\r\n", [411, 400]),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\nhello");
        let answer = client.raw(head.as_bytes()).await;
        assert!(status.contains(&answer.status), "{framing}: {answer:?}");
    }
    is_served(client).await;
    assert_bounded(&program);
}

#[tokio::test]
async fn floods_of_headers_are_answered_431_and_a_large_head_passes() {
    let (_directories, program) = program().await;
    let client = program.client;
    let ping = |headers: &str| request(headers, PING);
    let large = format!("X-Large: {}\r\n", "x".repeat(60 * 1024));
    assert_eq!(client.raw(ping(&large).as_bytes()).await.status, 200);
    let larger = format!("X-Large: {}\r\n", "x".repeat(70 * 1024));
    assert_eq!(client.raw(ping(&larger).as_bytes()).await.status, 431);
    let many = "X: y\r\n".repeat(1000);
    assert_eq!(client.raw(ping(&many).as_bytes()).await.status, 431);
    let endless = format!("X-Large: {}", "x".repeat(4 << 20));
    assert_eq!(client.raw(ping(&endless).as_bytes()).await.status, 431);
    is_served(client).await;
    assert_bounded(&program);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_one_that_never_reads_costs_little() {
    let (_directories, program) = program().await;
    let client = program.client;
    let one = |id: usize, end: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{end}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut requests: String = (0..499).map(|id| one(id, "")).collect();
    requests += &one(499, "Connection: close\r\n");
    let answers = client.raw(requests.as_bytes()).await;
    let text = format!("{}\r\n\r\n{}", answers.head, answers.body);
    let ids: Vec<&str> = text
        .split(r#"{"jsonrpc":"2.0","id":"#)
        .skip(1)
        .map(|rest| rest.split(',').next().unwrap())
        .collect();
    let expected: Vec<String> = (0..500).map(|id| id.to_string()).collect();
    assert_eq!(ids, expected);
    // Never reads: the server stops reading, too, and the client's writes get stuck.
    let mut stuck = Vec::new();
    for number in 0..20 {
        let mut stream = connect(client, number).await;
        let many = one(1, "").repeat(200);
        for _ in 0..100 {
            let write = stream.write_all(many.as_bytes());
            let moment = std::time::Duration::from_millis(50);
            if tokio::time::timeout(moment, write).await.is_err() {
                break;
            }
        }
        stuck.push(stream);
    }
    is_served(client).await;
    assert_bounded(&program);
}
