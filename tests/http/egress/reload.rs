//! A new config: enforced at once, for open connections too, and reported only then.

use crate::support::proxy::{LOOPBACK, Proxy, SOON, head, rest, status};
use crate::support::tls;
use crate::support::upstream::{self, Http};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A tunnel through which one hello has gone and come back.
async fn busy_tunnel(proxy: &Proxy, host: &str, echo: SocketAddr) -> TcpStream {
    proxy.dns.answer(host, &[echo]);
    let mut stream = proxy.tunnel(&format!("{host}:443")).await;
    let hello = tls::client_hello(host);
    stream.write_all(&hello).await.unwrap();
    let mut back = vec![0; hello.len()];
    stream.read_exact(&mut back).await.unwrap();
    stream
}

async fn is_open(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").await.is_ok()
        && matches!(stream.read(&mut byte).await, Ok(1))
        && byte == *b"x"
}

/// One look, without waiting: when the hash says that a config is enforced, what it forbids is closed already.
fn is_closed_now(stream: TcpStream) -> bool {
    let stream = stream.into_std().unwrap();
    let looked = std::io::Read::read(&mut &stream, &mut [0]);
    !looked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn an_added_host_opens_and_a_removed_one_closes_its_tunnels_only() {
    let echo = upstream::echo().await;
    let mut proxy = Proxy::start("a.example\nb.example\n").await;
    let a = busy_tunnel(&proxy, "a.example", echo).await;
    let mut b = busy_tunnel(&proxy, "b.example", echo).await;
    assert_eq!(status(&proxy.connect("c.example:443").await.0), 403);
    proxy.configure("b.example\nc.example\n", LOOPBACK, "second");
    proxy.enforced("second").await;
    assert!(is_closed_now(a));
    assert!(is_open(&mut b).await);
    assert_eq!(status(&proxy.connect("a.example:443").await.0), 403);
    let mut c = busy_tunnel(&proxy, "c.example", echo).await;
    assert!(is_open(&mut c).await);
}

#[tokio::test]
async fn a_shrinking_internal_range_closes_what_it_held_open() {
    let echo = upstream::echo().await;
    let mut proxy = Proxy::start("a.example\n").await;
    let a = busy_tunnel(&proxy, "a.example", echo).await;
    proxy.configure("a.example\n", "{}", "second");
    proxy.enforced("second").await;
    assert!(is_closed_now(a));
    assert_eq!(status(&proxy.connect("a.example:443").await.0), 403);
}

#[tokio::test]
async fn an_uninspected_tunnel_needs_its_declaration_to_stand() {
    let echo = upstream::echo().await;
    let mut proxy = Proxy::start("a.example:443\na.example\n").await;
    proxy.dns.answer("a.example", &[echo]);
    let mut stream = proxy.tunnel("a.example:443").await;
    assert!(is_open(&mut stream).await);
    proxy.configure("a.example\n", LOOPBACK, "second");
    proxy.enforced("second").await;
    assert!(is_closed_now(stream));
}

#[tokio::test]
async fn a_download_over_plain_http_is_cut_too() {
    let endless = upstream::serve(|mut stream| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        while stream.write_all(b"5\r\nhello\r\n").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[endless]);
    let mut stream = proxy.open().await;
    stream
        .write_all(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&head(&mut stream).await), 200);
    proxy.configure("", LOOPBACK, "second");
    proxy.enforced("second").await;
    let cut = rest(&mut stream).await;
    assert!(
        !cut.ends_with("0\r\n\r\n"),
        "the body must not look complete"
    );
}

#[tokio::test]
async fn a_plain_tunnel_is_cut_before_and_after_its_first_request() {
    let http = Http::start().await;
    for requests in [0, 1] {
        let mut proxy = Proxy::start("a.example\n").await;
        proxy.dns.answer("a.example", &[http.address]);
        let mut stream = proxy.tunnel("a.example:80").await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        if requests == 1 {
            stream.write_all(b"Host: a.example\r\n\r\n").await.unwrap();
            assert_eq!(status(&head(&mut stream).await), 200);
            stream.read_exact(&mut [0; 3]).await.unwrap();
        }
        proxy.configure("", LOOPBACK, "second");
        proxy.enforced("second").await;
        assert_eq!(rest(&mut stream).await, "");
    }
}

#[tokio::test]
async fn a_broken_config_keeps_the_old_one_and_its_hash() {
    let http = Http::start().await;
    let mut proxy = Proxy::start("a.example\n").await;
    proxy.dns.answer("a.example", &[http.address]);
    proxy.configure("b.example\n", "{", "broken");
    proxy.configure("com\n", LOOPBACK, "broken too");
    // Anything that the proxy does after this shows that it has seen the broken one.
    while status(&proxy.get("http://a.example/").await) != 200 {}
    tokio::task::yield_now().await;
    assert_eq!(proxy.hash(), "first");
    assert_eq!(status(&proxy.get("http://b.example/").await), 403);
    proxy.configure("b.example\n", LOOPBACK, "mended");
    proxy.enforced("mended").await;
    assert_eq!(status(&proxy.get("http://a.example/").await), 403);
}

#[tokio::test]
async fn a_name_that_is_being_resolved_during_the_change_opens_nothing() {
    use bot_bottle::config::Files;
    use bot_bottle::config_directory::{Snapshot, watch_state};
    use bot_bottle::egress::{self, Limits, LookupError, Resolve, Setup};
    use futures::future::BoxFuture;
    use std::sync::Arc;
    use tokio::sync::{Notify, watch};

    struct Gate {
        asked: Notify,
        answer: Notify,
        address: SocketAddr,
    }
    impl Resolve for Gate {
        fn addresses<'a>(
            &'a self,
            _: &'a str,
            _: u16,
        ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupError>> {
            Box::pin(async {
                self.asked.notify_one();
                self.answer.notified().await;
                Ok(vec![self.address])
            })
        }
    }
    let snapshot = |allowlist: &str, hash: &str| Snapshot {
        files: Files {
            allowlist: allowlist.into(),
            egress: LOOPBACK.into(),
            ..Files::default()
        },
        hash: hash.into(),
        ..Snapshot::default()
    };
    let gate = Arc::new(Gate {
        asked: Notify::new(),
        answer: Notify::new(),
        address: upstream::echo().await,
    });
    let state = tempfile::tempdir().unwrap();
    let mut hashes = watch_state(state.path()).unwrap();
    let (config, snapshots) = watch::channel(snapshot("a.example\n", "first"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let setup = Setup {
        snapshots,
        state: state.path().to_owned(),
        resolver: Arc::clone(&gate) as Arc<dyn Resolve>,
        limits: Limits::default(),
        mark: None,
    };
    tokio::spawn(egress::run(listener, setup, std::future::pending::<()>()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let connect = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
    stream.write_all(connect).await.unwrap();
    tokio::time::timeout(SOON, gate.asked.notified())
        .await
        .unwrap();
    config.send(snapshot("", "second")).unwrap();
    let second =
        hashes.wait_for(|hashes| hashes.get("egress").is_some_and(|hash| hash == "second"));
    tokio::time::timeout(SOON, second).await.unwrap().unwrap();
    gate.answer.notify_one();
    assert_eq!(status(&head(&mut stream).await), 403);
}

#[tokio::test]
async fn a_config_directory_is_followed_and_a_missing_file_stops_the_start() {
    use bot_bottle::config_directory::{self, watch_state};
    use bot_bottle::egress::{self, Dns, Fixed, Limits, Setup};
    use bot_bottle::names::file;
    use std::sync::Arc;

    let http = Http::start().await;
    let (config, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| {
        let draft = config.path().join(".draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, config.path().join(name)).unwrap();
    };
    write(file::ROUTES, "{}");
    write(file::DOCKERFILE, "");
    write(file::ALLOWLIST, "b.example\n");
    assert!(config_directory::watch(config.path()).is_err());
    write(file::EGRESS, LOOPBACK);
    write(file::HASH, "first\n");
    let fixed = Fixed {
        ip: http.address.ip(),
        port: Some(http.address.port()),
    };
    let answers = [("a.example".to_owned(), fixed)];
    let setup = Setup {
        snapshots: config_directory::watch(config.path()).unwrap(),
        state: state.path().to_owned(),
        resolver: Arc::new(Dns::new(&[http.address], answers).unwrap()),
        limits: Limits::default(),
        mark: None,
    };
    let mut hashes = watch_state(state.path()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(egress::run(listener, setup, std::future::pending::<()>()));
    for (allowlist, hash, answer) in [("a.example\n", "second", 200), ("", "third", 403)] {
        write(file::ALLOWLIST, allowlist);
        write(file::HASH, hash);
        let said = hashes.wait_for(|hashes| hashes.get("egress").is_some_and(|said| said == hash));
        tokio::time::timeout(SOON, said).await.unwrap().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert_eq!(status(&head(&mut stream).await), answer);
    }
}
