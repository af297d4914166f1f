//! A company's proxy that all traffic has to take: a tunnel through it.

use http::Uri;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest answer to CONNECT that is read.
const MAX_ANSWER: usize = 8 * 1024;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Not a proxy that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("parentProxy must be `http://HOST:PORT`, without user info and path")]
pub struct ParentError;

impl Parent {
    /// Of `http://HOST[:PORT]`.
    pub fn parse(text: &str) -> Result<Self, ParentError> {
        let uri: Uri = text.parse().map_err(|_| ParentError)?;
        let authority = uri.authority().ok_or(ParentError)?;
        let is_plain = uri.scheme_str() == Some("http")
            && uri.path() == "/"
            && uri.query().is_none()
            && !authority.as_str().contains('@');
        if !is_plain || authority.host().is_empty() {
            return Err(ParentError);
        }
        let host = authority.host().to_ascii_lowercase();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
        })
    }
}

/// Asks for a tunnel to `target`; whether it was given.
pub async fn connect<S>(stream: &mut S, target: &str) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut head = Vec::with_capacity(256);
    // Byte by byte: what is behind the head belongs to the tunnel. It is short, and once per connection.
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < MAX_ANSWER => head.push(byte),
            _ => return false,
        }
    }
    let accepted =
        |version: &str| head.starts_with(version.as_bytes()) && head.get(9..12) == Some(b"200");
    let given = accepted("HTTP/1.1 ") || accepted("HTTP/1.0 ");
    if !given {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let answer = String::from_utf8_lossy(line).into_owned();
        tracing::warn!(target, answer, "The parent proxy gives no tunnel");
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_proxy_url_is_taken() {
        let parent = Parent::parse("http://Proxy.example:3128").unwrap();
        assert_eq!((parent.host.as_str(), parent.port), ("proxy.example", 3128));
        assert_eq!(Parent::parse("http://[::1]").unwrap().host, "::1");
        for wrong in [
            "proxy.example:3128",
            "https://proxy.example",
            "http://me:pw@proxy.example",
            "http://proxy.example/path",
            "",
        ] {
            assert_eq!(Parent::parse(wrong), Err(ParentError), "{wrong}");
        }
    }
}
