//! A web of one page, for every host name that is led to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// What the page says.
pub const PAGE: &str = "the guide\n";

/// Serves until the test ends.
pub fn start(address: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..length]);
                // One page says which credential came.
                let page = match head
                    .lines()
                    .find(|line| line.to_lowercase().starts_with("authorization:"))
                {
                    Some(line) if head.contains("/authorization ") => line,
                    _ => PAGE,
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
                    page.len()
                );
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    address
}
