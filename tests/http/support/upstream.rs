//! Servers that stand for the internet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server on a free port; `serve` gets each connection.
pub async fn serve<F, S>(serve: S) -> SocketAddr
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Sends back what it gets, and ends when the other side has.
pub async fn echo() -> SocketAddr {
    serve(|mut stream| async move {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
    .await
}

/// An HTTP server that keeps every byte that it gets, and answers each request with `ok`.
#[derive(Clone)]
pub struct Http {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Http {
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let address = serve(move |stream| answer(stream, Arc::clone(&kept))).await;
        Self { address, seen }
    }

    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<u8>>>) {
    let mut pending = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(length) = request_length(&pending) {
            pending.drain(..length);
            let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-From: upstream\r\n\r\nok\n";
            if stream.write_all(ok).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => {
                seen.lock().unwrap().extend_from_slice(&buffer[..count]);
                pending.extend_from_slice(&buffer[..count]);
            }
            _ => return,
        }
    }
}

/// Length of the first request, once all of it is there.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let head = text.find("\r\n\r\n")? + 4;
    let field = |name: &str| {
        let at = text[..head].find(&format!("\r\n{name}:"))? + name.len() + 3;
        text[at..].lines().next().map(str::trim)
    };
    if field("transfer-encoding").is_some() {
        return text[head..].find("0\r\n\r\n").map(|end| head + end + 5);
    }
    let length = field("content-length").map_or(0, |length| length.parse().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}
