//! Load for the benchmark of egress: servers that cost little, and clients by threads. Prints one JSON object.
//!
//! `load serve` serves plain HTTP on :80, HTTPS on :443 and a stream of bytes on :9000.
//! `load MODE PROXY …`, MODE one of `tunnels`, `setup`, `bulk`, `plain`, `refuse`, `hold`; a PROXY of `none` is none.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program of the benchmark: what fails must stop it"
)]

use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const HOST: &str = "up.example";
const PIECE: usize = 256 * 1024;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[0] {
        "serve" => serve(),
        "tunnels" => rate(number(2), number(3), tunnels(words[1])),
        "plain" => rate(number(2), number(3), plain(words[1], HOST)),
        "refuse" => rate(number(2), number(3), plain(words[1], "refused.example")),
        "setup" => setup(words[1], number(2)),
        "bulk" => bulk(words[1], number(2), number(3)),
        _ => hold(words[1], number(2)),
    }
}

/// Runs `work` in `threads` threads for `seconds`; each call does one thing and leaves its connection in the slot.
fn rate<W>(threads: u64, seconds: u64, work: W)
where
    W: Fn(&mut Option<BufReader<TcpStream>>) -> bool + Send + Sync + 'static,
{
    let (work, done, failed) = (
        Arc::new(work),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let end = Instant::now() + Duration::from_secs(seconds);
    let running: Vec<_> = (0..threads)
        .map(|_| {
            let (work, done, failed) = (Arc::clone(&work), Arc::clone(&done), Arc::clone(&failed));
            thread::spawn(move || {
                let mut slot = None;
                while Instant::now() < end {
                    let counter = if work(&mut slot) { &done } else { &failed };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for thread in running {
        thread.join().unwrap();
    }
    let done = done.load(Ordering::Relaxed);
    println!(
        "{{\"done\": {done}, \"failed\": {}, \"rate\": {}}}",
        failed.load(Ordering::Relaxed),
        done as f64 / seconds as f64
    );
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// To a port of the upstream, by the proxy when there is one.
fn open(proxy: &str, port: u16) -> std::io::Result<TcpStream> {
    if proxy == "none" {
        return connect(&format!("127.0.0.1:{port}"));
    }
    let mut stream = connect(proxy)?;
    write!(
        stream,
        "CONNECT {HOST}:{port} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n"
    )?;
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    if head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.0 200") {
        Ok(stream)
    } else {
        Err(std::io::Error::other("refused"))
    }
}

fn tunnels(proxy: &str) -> impl Fn(&mut Option<BufReader<TcpStream>>) -> bool + use<> {
    let (proxy, config) = (proxy.to_owned(), client_config());
    move |_| {
        let done = || -> std::io::Result<bool> {
            let stream = open(&proxy, 443)?;
            let name = HOST.try_into().map_err(std::io::Error::other)?;
            let connection =
                ClientConnection::new(Arc::clone(&config), name).map_err(std::io::Error::other)?;
            let mut tls = StreamOwned::new(connection, stream);
            write!(tls, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")?;
            let mut answer = vec![0; OK.len() + 128];
            tls.read_exact(&mut answer)?;
            Ok(answer.starts_with(b"HTTP/1.1 200"))
        };
        done().unwrap_or(false)
    }
}

fn plain(proxy: &str, host: &str) -> impl Fn(&mut Option<BufReader<TcpStream>>) -> bool + use<> {
    let (address, url) = match proxy {
        "none" => ("127.0.0.1:80".to_owned(), String::new()),
        _ => (proxy.to_owned(), format!("http://{host}")),
    };
    let request = format!("GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let expected = if host == HOST { "200" } else { "403" };
    move |slot| {
        let mut done = || -> std::io::Result<bool> {
            if slot.is_none() {
                *slot = Some(BufReader::new(connect(&address)?));
            }
            let stream = slot.as_mut().unwrap();
            stream.get_mut().write_all(request.as_bytes())?;
            let (mut length, mut line, mut good, mut last) = (0, String::new(), false, false);
            loop {
                line.clear();
                if stream.read_line(&mut line)? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let lower = line.to_ascii_lowercase();
                good |= lower.starts_with("http/") && lower.contains(expected);
                last |= lower.starts_with("connection: close");
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().map_err(std::io::Error::other)?;
                }
                if line == "\r\n" {
                    break;
                }
            }
            stream.read_exact(&mut vec![0; length])?;
            if last {
                *slot = None;
            }
            Ok(good)
        };
        done().unwrap_or_else(|_| {
            *slot = None;
            false
        })
    }
}

fn setup(proxy: &str, count: u64) {
    let mut took: Vec<u128> = (0..count)
        .map(|_| {
            let start = Instant::now();
            open(proxy, 443).unwrap();
            start.elapsed().as_nanos()
        })
        .collect();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100] as f64 / 1000.0;
    println!("{{\"p50\": {}, \"p99\": {}}}", at(50), at(99));
}

fn bulk(proxy: &str, tunnels: u64, mebibytes: u64) {
    let start = Instant::now();
    let running: Vec<_> = (0..tunnels)
        .map(|_| {
            let proxy = proxy.to_owned();
            let mut left = mebibytes * 1024 * 1024 / tunnels;
            thread::spawn(move || {
                let mut stream = open(&proxy, 9000).unwrap();
                writeln!(stream, "{left}").unwrap();
                let mut buffer = vec![0; PIECE];
                while left > 0 {
                    left -= match stream.read(&mut buffer).unwrap() {
                        0 => break,
                        count => count as u64,
                    };
                }
                assert_eq!(left, 0);
            })
        })
        .collect();
    for thread in running {
        thread.join().unwrap();
    }
    println!(
        "{{\"rate\": {}}}",
        mebibytes as f64 / start.elapsed().as_secs_f64()
    );
}

/// Opens tunnels with a handshake behind them, says so, and holds them until its input ends; then tells how many the
/// proxy has closed, and how long after the line `go` the last one was.
fn hold(proxy: &str, count: u64) {
    let config = client_config();
    let held: Vec<_> = (0..count)
        .map(|_| {
            let stream = open(proxy, 443).unwrap();
            let connection =
                ClientConnection::new(Arc::clone(&config), HOST.try_into().unwrap()).unwrap();
            let mut tls = StreamOwned::new(connection, stream);
            write!(tls, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").unwrap();
            tls.read_exact(&mut vec![0; OK.len() + 128]).unwrap();
            tls
        })
        .collect();
    println!("{{\"held\": {}}}", held.len());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let start = Instant::now();
    let mut closed = 0;
    let mut last = 0.0;
    for mut tls in held {
        let patience = Duration::from_secs(1)
            .saturating_sub(start.elapsed())
            .max(Duration::from_millis(1));
        tls.sock.set_read_timeout(Some(patience)).unwrap();
        match tls.sock.read(&mut [0; 1]) {
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            _ => {
                closed += 1;
                last = start.elapsed().as_secs_f64() * 1000.0;
            }
        }
    }
    println!("{{\"closed\": {closed}, \"ms\": {last}}}");
}

fn client_config() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(std::env::var_os("LOAD_CERTIFICATE").unwrap()).unwrap();
    roots.add(pem.into()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn serve() {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    std::fs::write(
        std::env::var_os("LOAD_CERTIFICATE").unwrap(),
        made.cert.der(),
    )
    .unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let encrypted = move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        answer(StreamOwned::new(connection, stream));
    };
    listen(443, encrypted);
    listen(80, answer);
    listen(9000, stream);
    println!("ready");
    loop {
        thread::park();
    }
}

fn listen(port: u16, serve: impl Fn(TcpStream) + Send + Sync + 'static) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
}

/// Each read is one request: the clients never send two at once.
fn answer(mut stream: impl Read + Write) {
    let mut buffer = [0; 4096];
    let answer = [OK, &[b'x'; 128]].concat();
    while let Ok(1..) = stream.read(&mut buffer) {
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// As many bytes as the first line says.
fn stream(stream: TcpStream) {
    let mut line = String::new();
    let mut stream = BufReader::new(stream);
    let _ = stream.read_line(&mut line);
    let mut left: usize = line.trim().parse().unwrap_or(0);
    let piece = vec![0; PIECE];
    while left > 0 {
        let now = left.min(PIECE);
        if stream.get_mut().write_all(&piece[..now]).is_err() {
            return;
        }
        left -= now;
    }
}
