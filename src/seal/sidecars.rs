//! Waiting for the sidecars: without them an agent's first words would be errors.

use super::report::say;
use crate::config::seal::Sidecar;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two rounds; the sidecars start beside us and need tens of milliseconds.
const ROUND: Duration = Duration::from_millis(25);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two lines that say who is awaited.
const PROGRESS: Duration = Duration::from_secs(10);

/// They did not come up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gave up after {waited} s: no answer from {missing}; look at that container's log")]
pub struct NotUp {
    /// Seconds.
    waited: u64,
    /// Their names.
    missing: String,
}

/// Returns when each has answered `GET /health` with 200.
pub fn wait(sidecars: &[Sidecar], patience: Duration) -> Result<(), NotUp> {
    let start = Instant::now();
    let mut next_word = PROGRESS;
    let mut missing: Vec<&Sidecar> = sidecars.iter().collect();
    loop {
        missing.retain(|sidecar| !matches!(healthy(sidecar.port), Ok(true)));
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing.iter().map(|s| s.name.as_str()).collect();
        let (waited, missing) = (start.elapsed(), names.join(", "));
        if waited >= patience {
            let waited = waited.as_secs();
            return Err(NotUp { waited, missing });
        }
        if waited >= next_word {
            say(format_args!(
                "waiting for {missing} ({} s)",
                waited.as_secs()
            ));
            next_word = waited + PROGRESS;
        }
        sleep(ROUND);
    }
}

fn healthy(port: u16) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    write!(
        stream,
        "GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.starts_with(b"HTTP/1.") && status.ends_with(b" 200"))
}
