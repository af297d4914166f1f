//! An API server that takes a second for everything that it is asked, or refuses it: by a way to it that the test owns.

use super::{Question, Work, in_order};
use crate::{
    kill::{Operator, Stopped, operators_kubeconfig},
    support::{Namespace, PATIENCE, eventually, run},
};
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

const DELAY: Duration = Duration::from_secs(1);
const DECLARED: &[&str] = &["api.example.com"];

/// A way to `server` on which each piece of a request is given to `request` first; none of it passes when that has an
/// answer itself. TLS passes as it is.
fn way(
    server: SocketAddr,
    request: impl Fn(&[u8]) -> Option<String> + Send + Clone + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(upstream) = TcpStream::connect(server) else {
                continue;
            };
            let (from, to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            let request = request.clone();
            thread::spawn(move || pass(from, to, request));
            thread::spawn(move || pass(upstream, client, |_| None));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8]) -> Option<String>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut piece) {
        if let Some(answer) = look(&piece[..size]) {
            let _ = from.write_all(answer.as_bytes());
            break;
        }
        if to.write_all(&piece[..size]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[test]
fn with_a_second_for_each_request_everything_comes_once_and_in_order() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let work = Work::start(&bottle);
    let _stopped = Stopped::new();
    let view = [
        "config",
        "view",
        "--minify",
        "-o",
        "jsonpath={.clusters[0].cluster.server}",
    ];
    let server = run("kubectl", view, "").good();
    let address = server.trim_start_matches("https://").parse().unwrap();
    let kubeconfig = operators_kubeconfig();
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let slow = way(address, |_| {
        thread::sleep(DELAY);
        None
    });
    let slow = format!("https://{slow}");
    std::fs::write(&kubeconfig, text.replace(&server, &slow)).unwrap();
    let _operator = Operator::start_with(&kubeconfig, "", &[]);

    let call = Question::ask(&bottle, "files.example.com");
    let proposal = call.proposal();
    call.decide(&proposal, "Approved");
    assert!(call.answer().contains("status: approved"));
    bottle.reaches("files.example.com");
    call.decide(&proposal, "Revoked");
    bottle.closes("files.example.com");
    let trails = in_order(&bottle, DECLARED);
    assert_eq!(trails[0].sequence, Some(1));
    work.was_never_disturbed(10);
    std::fs::remove_file(kubeconfig).unwrap();
}

/// `kubectl proxy`: the API server by plain HTTP, with the operator's own token.
struct Plain {
    child: Child,
    address: SocketAddr,
}

impl Plain {
    fn start(kubeconfig: &std::path::Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let port = format!("--port={}", free.port());
        let child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["proxy", &port])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let plain = Self {
            child,
            address: free,
        };
        eventually("kubectl proxy serves", PATIENCE, || {
            TcpStream::connect(free)
                .map(drop)
                .map_err(|error| error.to_string())
        });
        plain
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TOO_MANY: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too many requests, please try again later","reason":"TooManyRequests","code":429}"#;

#[test]
fn writes_that_are_refused_with_429_are_made_later_and_once() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", DECLARED);
    let work = Work::start(&bottle);
    let _stopped = Stopped::new();
    let kubeconfig = operators_kubeconfig();
    let plain = Plain::start(&kubeconfig);
    let (no_room, times_refused) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let (away, counted) = (no_room.clone(), times_refused.clone());
    let busy = way(plain.address, move |request| {
        let write = [&b"PATCH "[..], b"POST ", b"PUT ", b"DELETE "];
        let refuse =
            away.load(Ordering::Relaxed) && write.iter().any(|verb| request.starts_with(verb));
        refuse.then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            format!(
                "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{TOO_MANY}",
                TOO_MANY.len()
            )
        })
    });
    let view = [
        "config",
        "view",
        "--minify",
        "-o",
        "jsonpath={.clusters[0].cluster.server}",
    ];
    let server = run("kubectl", view, "").good();
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let own = kubeconfig.with_extension("busy");
    std::fs::write(&own, text.replace(&server, &format!("http://{busy}"))).unwrap();
    let _operator = Operator::start_with(&own, "", &[]);

    let call = Question::ask(&bottle, "files.example.com");
    let proposal = call.proposal();
    no_room.store(true, Ordering::Relaxed);
    call.decide(&proposal, "Approved");
    eventually("the operator's writes are refused", PATIENCE, || {
        let times = times_refused.load(Ordering::Relaxed);
        if times >= 3 {
            Ok(())
        } else {
            Err(times.to_string())
        }
    });
    assert_eq!(namespace.field(&proposal, ".status.phase"), "Pending");
    bottle.does_not_reach("files.example.com");
    no_room.store(false, Ordering::Relaxed);
    assert!(call.answer().contains("status: approved"));
    bottle.reaches("files.example.com");
    let trails = in_order(&bottle, DECLARED);
    assert_eq!(trails[0].sequence, Some(1));
    work.was_never_disturbed(10);
    for file in [own, kubeconfig] {
        std::fs::remove_file(file).unwrap();
    }
}
