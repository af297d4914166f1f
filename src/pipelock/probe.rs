//! Asking pipelock what it does: the only way to see which config it uses.

use crate::config::pipelock;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// For one answer. A name server that doesn't answer takes five seconds, and pipelock tries it twice.
const ANSWER: Duration = Duration::from_secs(12);
/// As much of an answer as is read.
const MAX: u64 = 4096;

/// Whether the config of this hash is in force.
pub async fn is_in_force(proxy: SocketAddr, hash: &str) -> bool {
    let marker = get(proxy, &pipelock::marker(hash)).await;
    let control = get(proxy, &pipelock::control(hash)).await;
    let (Some(marker), Some(control)) = (marker, control) else {
        return false;
    };
    pipelock::is_in_force((marker.0, &marker.1), (control.0, &control.1))
}

async fn get(proxy: SocketAddr, host: &str) -> Option<(u16, String)> {
    let request =
        format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    ask(proxy, &request).await
}

/// Whether a tunnel to this host is refused. One that is refused asks no name server.
pub async fn refuses(proxy: SocketAddr, host: &str) -> bool {
    let request = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n");
    matches!(ask(proxy, &request).await, Some((403, _)))
}

/// Status and body of the answer; none when there is no whole one.
async fn ask(proxy: SocketAddr, request: &str) -> Option<(u16, String)> {
    let answer = tokio::time::timeout(ANSWER, exchange(proxy, request)).await;
    let answer = answer.ok()?.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some((status, body.to_owned()))
}

async fn exchange(proxy: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    let mut limited = stream.take(MAX);
    // A tunnel that is open after all doesn't end by itself: its head is enough.
    loop {
        let count = limited.read_buf(&mut bytes).await?;
        let is_open = bytes.starts_with(b"HTTP/1.1 200") || bytes.starts_with(b"HTTP/1.0 200");
        if count == 0 || (is_open && bytes.ends_with(b"\r\n\r\n")) {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
