//! PURE: the server behind a route.

use http::{HeaderValue, Uri};
use std::net::IpAddr;

/// Scheme, host and port: what one connection is to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// https.
    pub tls: bool,
    /// In lower case, without brackets or a dot at its end.
    pub host: String,
    /// The scheme's own, unless written.
    pub port: u16,
}

impl Origin {
    /// Of an absolute URL; none: it isn't one of ours.
    pub fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host()?.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let host = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        Some(Self {
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        })
    }

    /// The host when it is written as an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `Host`, and the authority of a URL: the port only when it isn't the scheme's.
    pub fn authority(&self) -> String {
        let host = self.bracketed();
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// [`Self::authority`] as a header; none: a host with odd characters, which no URL has.
    pub fn host_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.authority()).ok()
    }

    /// `https://host`.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The host as it stands in a URL.
    pub fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_spelling() {
        for (url, expected) in [
            ("https://API.Example.com./v1", "https://api.example.com"),
            ("https://api.example.com:443", "https://api.example.com"),
            (
                "https://api.example.com:8443/",
                "https://api.example.com:8443",
            ),
            ("http://api.example.com:80", "http://api.example.com"),
            ("http://[2001:DB8::1]:81/", "http://[2001:db8::1]:81"),
        ] {
            let origin = Origin::of(&url.parse().unwrap()).unwrap();
            assert_eq!(origin.url(), expected);
        }
        let literal = Origin::of(&"https://[::1]/".parse().unwrap()).unwrap();
        assert_eq!(literal.address(), Some("::1".parse().unwrap()));
        for none in ["/x", "ftp://a/", "a.example:1"] {
            assert_eq!(Origin::of(&none.parse().unwrap()), None, "{none}");
        }
    }
}
