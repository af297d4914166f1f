//! Helpers of this tier.

pub mod proxy;
pub mod tls;
pub mod upstream;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
