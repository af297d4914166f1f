//! A company's proxy that all traffic has to take: `parentProxy` of `egress.json`.
//!
//! Tunnels and plain HTTP alike ask it for a tunnel, by the host's name: it resolves that name, not we. So the address
//! checks of this proxy don't hold behind it, and it must refuse internal addresses itself; names are checked here as
//! ever, before the parent hears of them.

use super::refusal::Cause;
use super::target::Target;
use http::Uri;
use std::fmt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head of its answer.
const MAX_HEAD: usize = 8 * 1024;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// A name, of any form that DNS takes, or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What is wrong with the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParentError {
    /// No URL, or more than a host and a port.
    #[error("write it as http://HOST:PORT")]
    Form,
    /// TLS to the proxy itself.
    #[error("only http:// is built; what is in the tunnels is encrypted all the same")]
    Scheme,
    /// It would lie open in a ConfigMap.
    #[error("it may hold no user and password")]
    UserInfo,
}

impl Parent {
    /// Of `http://HOST[:PORT]`, port 80 without one.
    pub fn parse(url: &str) -> Result<Self, ParentError> {
        let uri: Uri = url.parse().map_err(|_| ParentError::Form)?;
        let authority = uri.authority().ok_or(ParentError::Form)?;
        if uri.scheme_str() != Some("http") {
            return Err(ParentError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(ParentError::UserInfo);
        }
        if uri.path() != "/" || uri.query().is_some() || uri.host().is_none_or(str::is_empty) {
            return Err(ParentError::Form);
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
        })
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Asks a connected parent for a tunnel to `target`. Not a byte of what comes after its answer is taken.
pub async fn tunnel(stream: &mut TcpStream, target: &Target) -> Result<(), Cause> {
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    let broken = |_| Cause::ParentRefused;
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let head = head(stream).await.map_err(broken)?;
    let mut words = head.split(|byte| *byte == b' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().unwrap_or_default();
    if version.starts_with(b"HTTP/1.") && status.len() == 3 && status.starts_with(b"2") {
        Ok(())
    } else {
        let status = String::from_utf8_lossy(status);
        tracing::debug!(%target, %status, "The parent proxy opened no tunnel");
        Err(Cause::ParentRefused)
    }
}

/// Up to the empty line and no further: a server that speaks first may have spoken already.
async fn head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    while !head.ends_with(END) {
        if head.len() > MAX_HEAD {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut there = [0; 1024];
        let count = stream.peek(&mut there).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let before = head.len();
        head.extend_from_slice(&there[..count]);
        // The end may lie across what was taken before.
        let from = before.saturating_sub(END.len() - 1);
        let end = head[from..].windows(END.len()).position(|at| at == END);
        let taken = end.map_or(count, |at| from + at + END.len() - before);
        head.truncate(before);
        stream.read_exact(&mut there[..taken]).await?;
        head.extend_from_slice(&there[..taken]);
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_a_host_and_a_port() {
        let at = |host: &str, port| {
            let host = host.to_owned();
            Ok(Parent { host, port })
        };
        assert_eq!(Parent::parse("http://proxy:3128"), at("proxy", 3128));
        assert_eq!(
            Parent::parse("http://proxy.corp.example/"),
            at("proxy.corp.example", 80)
        );
        assert_eq!(Parent::parse("http://10.1.2.3:8080"), at("10.1.2.3", 8080));
        assert_eq!(Parent::parse("http://[fd00::1]:8080"), at("fd00::1", 8080));
        for (url, error) in [
            ("https://proxy:3128", ParentError::Scheme),
            ("socks5://proxy:1080", ParentError::Scheme),
            ("http://u:p@proxy:3128", ParentError::UserInfo),
            ("http://proxy:3128/path", ParentError::Form),
            ("http://proxy/?q", ParentError::Form),
            ("proxy:3128", ParentError::Scheme),
            ("proxy", ParentError::Scheme),
            ("/", ParentError::Form),
            ("", ParentError::Form),
        ] {
            let found = Parent::parse(url);
            assert!(
                found == Err(error) || (found.is_err() && !url.contains("://")),
                "{url}: {found:?}"
            );
        }
    }
}
