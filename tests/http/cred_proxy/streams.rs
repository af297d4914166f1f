//! Bodies of any size and kind, in both directions.

use super::support::{Authority, Proxy, SECRET, reply};
use crate::support::proxy::{SOON, head, rest_bytes, status};
use bytes::Bytes;
use futures::StreamExt;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

const ALPN: [&str; 2] = ["http/1.1", "h2"];

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

#[tokio::test]
async fn each_event_arrives_before_the_next_one_is_sent() {
    let authority = Authority::new();
    for alpn in ALPN {
        let (events, receiver) = mpsc::unbounded_channel::<String>();
        let receiver = std::sync::Mutex::new(Some(receiver));
        let upstream = authority
            .http(&[alpn], move |_| {
                let receiver = receiver.lock().unwrap().take().unwrap();
                let stream = futures::stream::unfold(receiver, |mut receiver| async {
                    let event = receiver.recv().await?;
                    Some((
                        Ok::<_, Infallible>(Frame::data(Bytes::from(event))),
                        receiver,
                    ))
                });
                let response = Response::builder()
                    .header("content-type", "text/event-stream")
                    .header("mcp-session-id", "session-1")
                    .body(StreamBody::new(stream).boxed_unsync());
                Box::pin(async { response.unwrap() })
            })
            .await;
        let proxy = Proxy::to(&authority, upstream.address).await;
        let mut stream = proxy.open().await;
        let request = b"POST /x/mcp HTTP/1.1\r\nHost: cred-proxy\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(request).await.unwrap();
        // The head comes before any event.
        let answer = head(&mut stream).await;
        assert!(answer.contains("mcp-session-id: session-1\r\n"), "{answer}");
        let mut reader = BufReader::new(stream);
        for number in 0..5 {
            let event = format!("data: {number}");
            events.send(format!("{event}\n")).unwrap();
            let found = async {
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).await.unwrap();
                    if line.trim_end() == event {
                        break;
                    }
                }
            };
            tokio::time::timeout(SOON, found)
                .await
                .expect("the event was held back");
            // A rotation ends no stream.
            proxy.rotate("TOKEN", &format!("rotated-{number}"));
        }
    }
}

#[tokio::test]
async fn large_bodies_arrive_whole_in_both_directions_and_framings() {
    let authority = Authority::new();
    let body = pattern(8 << 20);
    for alpn in ALPN {
        let upstream = authority
            .http(&[alpn], |request| {
                // Sends back what it gets, while it gets it.
                let frames = request.into_body().into_data_stream();
                let frames = frames.map(|data| Ok(Frame::data(data.unwrap())));
                Box::pin(async { Response::new(StreamBody::new(frames).boxed_unsync()) })
            })
            .await;
        let proxy = Proxy::to(&authority, upstream.address).await;
        for is_chunked in [false, true] {
            let (mut reader, mut writer) = proxy.open().await.into_split();
            let length = if is_chunked {
                "Transfer-Encoding: chunked".to_owned()
            } else {
                format!("Content-Length: {}", body.len())
            };
            let start = format!(
                "PUT /x/big HTTP/1.1\r\nHost: cred-proxy\r\nConnection: close\r\n{length}\r\n\r\n"
            );
            let sent = body.clone();
            let sending = tokio::spawn(async move {
                writer.write_all(start.as_bytes()).await.unwrap();
                for part in sent.chunks(100_000) {
                    if is_chunked {
                        let size = format!("{:x}\r\n", part.len());
                        writer.write_all(size.as_bytes()).await.unwrap();
                    }
                    writer.write_all(part).await.unwrap();
                    if is_chunked {
                        writer.write_all(b"\r\n").await.unwrap();
                    }
                }
                if is_chunked {
                    writer.write_all(b"0\r\n\r\n").await.unwrap();
                }
                writer
            });
            let mut answer = Vec::new();
            tokio::time::timeout(SOON * 2, reader.read_to_end(&mut answer))
                .await
                .expect("the exchange hangs")
                .unwrap();
            drop(sending.await.unwrap());
            assert_eq!(
                Sha256::digest(dechunked(&answer)),
                Sha256::digest(&body),
                "{alpn} {is_chunked}"
            );
        }
    }
}

/// The body of an answer in chunks.
fn dechunked(answer: &[u8]) -> Vec<u8> {
    let start = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = String::from_utf8_lossy(&answer[..start]).to_lowercase();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut rest = &answer[start..];
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

#[tokio::test]
async fn a_client_that_waits_for_the_word_to_go_on_gets_it_and_an_early_refusal_instead() {
    let authority = Authority::new();
    let upstream = authority
        .http(&["http/1.1"], |request| {
            Box::pin(async { reply(request.into_body().collect().await.unwrap().to_bytes()) })
        })
        .await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    let start = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: cred-proxy\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\n"
        )
    };
    let mut stream = proxy.open().await;
    stream.write_all(start("/x/").as_bytes()).await.unwrap();
    assert_eq!(status(&head(&mut stream).await), 100);
    stream.write_all(b"body").await.unwrap();
    let answer = String::from_utf8(rest_bytes(&mut stream).await).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("body"),
        "{answer}"
    );
    assert!(!upstream.last().contains("expect"), "{}", upstream.last());
    let mut stream = proxy.open().await;
    stream
        .write_all(start("/unknown/").as_bytes())
        .await
        .unwrap();
    assert_eq!(status(&head(&mut stream).await), 404);
}

#[tokio::test]
async fn a_web_socket_goes_through_with_the_credential_and_every_byte() {
    let authority = Authority::new();
    let upstream = authority
        .serve(&["http/1.1"], |mut stream| async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let is_right = request.contains(&format!("authorization: Bearer {SECRET}\r\n"))
                && request.contains("upgrade: websocket\r\n")
                && request.contains("connection: upgrade\r\n")
                && request.contains("sec-websocket-key: abc\r\n");
            assert!(is_right, "{request}");
            // The first bytes come in the same packet.
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                          Sec-WebSocket-Accept: def\r\nSet-Cookie: a=b\r\n\r\nhello ";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
        })
        .await;
    let mut proxy = Proxy::to(&authority, upstream).await;
    let mut stream = proxy.open().await;
    let request = "GET /x/socket HTTP/1.1\r\nHost: cred-proxy\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Key: abc\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    assert_eq!(status(&answer), 101, "{answer}");
    assert!(answer.contains("sec-websocket-accept: def\r\n"), "{answer}");
    assert!(
        answer.to_lowercase().contains("upgrade: websocket\r\n"),
        "{answer}"
    );
    assert!(!answer.contains("cookie"), "{answer}");
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello ");
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        let mut bytes = [0; 3];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, word.as_bytes());
    }
    // A route that is taken away takes its sockets with it.
    proxy.configure(&[], super::support::LOOPBACK, "second");
    proxy.enforced("second").await;
    assert_eq!(rest_bytes(&mut stream).await, b"");
}

#[tokio::test]
async fn another_protocol_than_web_socket_is_not_switched_to() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    let lines =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let request = format!("GET /x/ HTTP/1.1\r\nHost: cred-proxy\r\n{lines}\r\n");
    let mut stream = proxy.open().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status(&head(&mut stream).await), 200);
    let seen = upstream.last();
    assert!(
        !seen.contains("upgrade") && !seen.contains("http2"),
        "{seen}"
    );
}
