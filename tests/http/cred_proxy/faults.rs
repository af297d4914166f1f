//! Upstreams that fail: each a clear status, and the next request works.

use super::support::{Authority, LOOPBACK, Proxy, SECRET, route};
use crate::support::proxy::{head, rest, status};
use bot_bottle::cred_proxy::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Reads one request without a body.
async fn request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(bytes)
}

#[tokio::test]
async fn a_wrong_certificate_gets_no_request() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let upstream = wrong.ok().await;
    let proxy = Proxy::to(&right, upstream.address).await;
    let answer = proxy.get("/x/").await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(
        answer.contains("certificate") && !answer.contains(SECRET),
        "{answer}"
    );
    assert_eq!(upstream.seen().len(), 0);
    // A right one for another name.
    let other = right.ok().await;
    let routes = [route("/x/", "https://up.elsewhere")];
    let proxy = Proxy::start(&right, &routes).await;
    proxy.dns.answer("up.elsewhere", &[other.address]);
    assert_eq!(status(&proxy.get("/x/").await), 502);
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn a_name_that_is_gone_and_a_server_that_is_down_are_told_apart_and_recover() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let routes = [
        route("/x/", "https://up.example"),
        route("/slow/", "https://slow.example"),
    ];
    let proxy = Proxy::start(&authority, &routes).await;
    let gone = proxy.get("/x/").await;
    assert_eq!(status(&gone), 502, "{gone}");
    assert!(gone.contains("could not be resolved"), "{gone}");
    assert_eq!(status(&proxy.get("/slow/").await), 504);
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    proxy.dns.answer("up.example", &[address]);
    let down = proxy.get("/x/").await;
    assert_eq!(status(&down), 502);
    assert!(down.contains("did not take the connection"), "{down}");
    proxy.dns.answer("up.example", &[upstream.address]);
    assert_eq!(status(&proxy.get("/x/").await), 200);
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_given_up() {
    let authority = Authority::new();
    let silent = authority
        .serve(&["http/1.1"], |mut stream| async move {
            request(&mut stream).await;
            std::future::pending::<()>().await;
        })
        .await;
    let limits = Limits {
        answer: Duration::from_millis(100),
        ..Limits::default()
    };
    let routes = [route("/x/", "https://up.example")];
    let proxy = Proxy::start_with(&authority, &routes, LOOPBACK, limits).await;
    proxy.dns.answer("up.example", &[silent]);
    let answer = proxy.get("/x/").await;
    assert_eq!(status(&answer), 504, "{answer}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let authority = Authority::new();
    for start in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    ] {
        let breaking = authority
            .serve(&["http/1.1"], move |mut stream| async move {
                request(&mut stream).await;
                let _ = stream.write_all(start.as_bytes()).await;
                let _ = stream.flush().await;
                // Broken off at once, even the head would not get through.
                tokio::time::sleep(Duration::from_millis(200)).await;
            })
            .await;
        let proxy = Proxy::to(&authority, breaking).await;
        let answer = proxy.get("/x/").await;
        assert!(answer.contains("part"), "{answer}");
        assert!(!answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        assert!(!answer.contains("Content-Length: 4"), "{answer}");
    }
    for nonsense in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let broken = authority
            .serve(&["http/1.1"], move |mut stream| async move {
                request(&mut stream).await;
                let _ = stream.write_all(nonsense.as_bytes()).await;
            })
            .await;
        let proxy = Proxy::to(&authority, broken).await;
        let answer = proxy.get("/x/").await;
        assert_eq!(status(&answer), 502, "{nonsense:?}: {answer}");
    }
}

#[tokio::test]
async fn an_upstream_that_resets_before_or_within_its_answer_is_told_and_the_next_request_works() {
    let authority = Authority::new();
    let served = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&served);
    let upstream = authority
        .serve(&["http/1.1"], move |mut stream| {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                request(&mut stream).await;
                let part = &b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhole"[..43 - number % 3];
                if !number.is_multiple_of(3) {
                    stream.write_all(part).await.unwrap();
                    stream.flush().await.unwrap();
                    // A reset overtakes what is still on its way.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                stream.get_ref().0.set_zero_linger().unwrap();
            }
        })
        .await;
    let proxy = Proxy::to(&authority, upstream).await;
    for _ in 0..2 {
        let reset = proxy.get("/x/").await;
        assert_eq!(status(&reset), 502, "{reset}");
        assert!(reset.contains("broke off"), "{reset}");
        let whole = proxy.get("/x/").await;
        assert!(whole.ends_with("\r\n\r\nwhol"), "{whole}");
        let cut = proxy.get("/x/").await;
        assert_eq!(status(&cut), 200);
        assert!(cut.ends_with("\r\n\r\nwho"), "{cut}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_upstream_closed_costs_no_request() {
    let authority = Authority::new();
    let served = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&served);
    // Promises to stay, answers once, and goes: at once, or only when the next request has come.
    let upstream = authority
        .serve(&["http/1.1"], move |mut stream| {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                request(&mut stream).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
                if number % 2 == 1 {
                    request(&mut stream).await;
                }
            }
        })
        .await;
    let proxy = Proxy::to(&authority, upstream).await;
    for _ in 0..20 {
        let answer = proxy.get("/x/").await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
    assert!(served.load(Ordering::SeqCst) >= 20);
}

#[tokio::test]
async fn an_answer_that_nobody_has_asked_for_is_given_to_nobody() {
    let authority = Authority::new();
    let upstream = authority
        .serve(&["http/1.1"], |mut stream| async move {
            while request(&mut stream).await.is_some() {
                let one = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let more = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
                let answers = format!("{one}{more}");
                stream.write_all(answers.as_bytes()).await.unwrap();
            }
        })
        .await;
    let proxy = Proxy::to(&authority, upstream).await;
    let mut stream = proxy.open().await;
    for _ in 0..5 {
        stream
            .write_all(b"GET /x/ HTTP/1.1\r\nHost: cred-proxy\r\n\r\n")
            .await
            .unwrap();
        let answer = head(&mut stream).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"ok");
    }
}

#[tokio::test]
async fn a_parent_proxy_is_used_for_everything_and_its_refusal_is_told() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let to = upstream.address;
    let parent = crate::support::upstream::serve(move |mut stream| async move {
        let asked = String::from_utf8(request(&mut stream).await.unwrap()).unwrap();
        if asked.starts_with("CONNECT up.example:443 HTTP/1.1\r\n") {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut up = tokio::net::TcpStream::connect(to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut up).await;
        } else {
            stream
                .write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                .await
                .unwrap();
        }
    })
    .await;
    let egress = format!(
        r#"{{"parentProxy": "http://parent.example:{}"}}"#,
        parent.port()
    );
    let routes = [
        route("/x/", "https://up.example"),
        route("/other/", "https://other.example"),
        route("/metadata/", "https://169.254.169.254"),
    ];
    let proxy = Proxy::start_with(&authority, &routes, &egress, Limits::default()).await;
    proxy.dns.answer("parent.example", &[parent]);
    assert_eq!(status(&proxy.get("/x/").await), 200);
    assert_eq!(status(&proxy.get("/other/").await), 502);
    assert_eq!(status(&proxy.get("/metadata/").await), 403);
    // The upstream's name is the parent's affair.
    assert!(
        proxy
            .dns
            .asked()
            .iter()
            .all(|host| host == "parent.example")
    );
}

#[tokio::test]
async fn the_end_lets_a_running_answer_finish() {
    let authority = Authority::new();
    let slow = authority
        .serve(&["http/1.1"], |mut stream| async move {
            request(&mut stream).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
            stream.write_all(answer).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
    let mut proxy = Proxy::to(&authority, slow).await;
    let mut stream = proxy.open().await;
    stream
        .write_all(b"GET /x/ HTTP/1.1\r\nHost: cred-proxy\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.ask_to_stop();
    assert!(rest(&mut stream).await.ends_with("done"));
    proxy.stopped().await;
}
