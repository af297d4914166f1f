//! PURE: which host and port a request asks for.

use crate::config::allowlist::ends_in_number;
use http::header::HOST;
use http::{HeaderMap, Uri, Version};
use std::fmt;

/// A host, in lower case, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name; [`Target::is_address`] when it reads as an address.
    pub host: String,
    /// From 1.
    pub port: u16,
}

/// A request that names no one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// Not understood; a phrase that says why.
    Malformed(&'static str),
    /// The URL and `Host` name different hosts.
    Disagree,
}

impl Target {
    /// Of a CONNECT request: `host:port`.
    pub fn of_connect(uri: &Uri) -> Result<Self, Unclear> {
        let authority = uri
            .authority()
            .filter(|_| uri.scheme().is_none())
            .ok_or(Unclear::Malformed("CONNECT needs host:port"))?;
        parse(authority.as_str(), None)
    }

    /// Of a request with a full URL, whose `Host` must say the same.
    pub fn of_url(uri: &Uri, headers: &HeaderMap, version: Version) -> Result<Self, Unclear> {
        let target = Self::of_url_alone(uri)?;
        match host_header(headers)? {
            Some(host) if host == target => Ok(target),
            Some(_) => Err(Unclear::Disagree),
            None if version == Version::HTTP_10 => Ok(target),
            None => Err(Unclear::Malformed("the Host header is missing")),
        }
    }

    /// Of a full URL, whatever `Host` says.
    pub fn of_url_alone(uri: &Uri) -> Result<Self, Unclear> {
        if uri.scheme_str() != Some("http") {
            return Err(Unclear::Malformed(
                "only http URLs can be asked for like this; use CONNECT for https",
            ));
        }
        let authority = uri
            .authority()
            .ok_or(Unclear::Malformed("the URL has no host"))?;
        parse(authority.as_str(), Some(80))
    }

    /// Of a request without a host in its URL, inside a tunnel to `self`: whether `Host` (and the URL, if it has
    /// one) says the same.
    pub fn check_inside(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        version: Version,
    ) -> Result<(), Unclear> {
        let said = if uri.authority().is_some() {
            Some(Self::of_url(uri, headers, version)?)
        } else {
            host_header(headers)?
        };
        match said {
            Some(said) if said == *self => Ok(()),
            Some(_) => Err(Unclear::Disagree),
            None => Err(Unclear::Malformed("the Host header is missing")),
        }
    }

    /// Whether the host is an IP address, or reads as one to some program.
    pub fn is_address(&self) -> bool {
        self.host.starts_with('[') || ends_in_number(&self.host)
    }

    /// The value of a `Host` header for an http URL.
    pub fn host_value(&self) -> String {
        if self.port == 80 {
            self.host.clone()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The one `Host` header, if there is one.
fn host_header(headers: &HeaderMap) -> Result<Option<Target>, Unclear> {
    let mut values = headers.get_all(HOST).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unclear::Malformed("there are several Host headers"));
    }
    let text = value
        .to_str()
        .map_err(|_| Unclear::Malformed("the Host header has odd characters"))?;
    parse(text, Some(80)).map(Some)
}

fn parse(authority: &str, default_port: Option<u16>) -> Result<Target, Unclear> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => {
            let port = &authority[end + 1..];
            let rest = port.strip_prefix(':');
            if rest.is_none() && !port.is_empty() {
                return Err(Unclear::Malformed("the host has odd characters"));
            }
            (&authority[..=end], rest)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    let plain = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    if !plain {
        return Err(Unclear::Malformed("the host has odd characters"));
    }
    let port = match port {
        Some(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && *number > 0);
            number.ok_or(Unclear::Malformed("the port is no port"))?
        }
        None => default_port.ok_or(Unclear::Malformed("the port is missing"))?,
    };
    Ok(Target {
        host: host.to_ascii_lowercase(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> Target {
        Target {
            host: host.into(),
            port,
        }
    }

    fn headers(hosts: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        headers
    }

    fn url(uri: &str, hosts: &[&str]) -> Result<Target, Unclear> {
        Target::of_url(&uri.parse().unwrap(), &headers(hosts), Version::HTTP_11)
    }

    #[test]
    fn connect_takes_a_host_and_a_port_and_nothing_else() {
        let connect = |text: &str| Target::of_connect(&text.parse().unwrap());
        assert_eq!(connect("A.Example:443"), Ok(target("a.example", 443)));
        assert_eq!(connect("[::1]:443"), Ok(target("[::1]", 443)));
        for text in [
            "a.example",
            "a.example:",
            "a.example:0",
            "a.example:65536",
            "a:b@c.example:443",
            "http://a.example:443/",
            "/",
            "a%2eb.example:443",
        ] {
            let Ok(uri) = text.parse() else { continue };
            assert!(Target::of_connect(&uri).is_err(), "{text}");
        }
    }

    #[test]
    fn url_and_host_must_name_the_same_host_and_port() {
        let good = target("a.example", 80);
        assert_eq!(url("http://a.example/x", &["a.example"]), Ok(good.clone()));
        assert_eq!(
            url("http://A.example:80/x", &["a.EXAMPLE"]),
            Ok(good.clone())
        );
        assert_eq!(
            url("http://a.example/x", &["a.example:80"]),
            Ok(good.clone())
        );
        assert_eq!(
            url("http://a.example:8080/", &["a.example:8080"]),
            Ok(target("a.example", 8080))
        );
        assert_eq!(
            url("http://a.example/", &["b.example"]),
            Err(Unclear::Disagree)
        );
        assert_eq!(
            url("http://a.example/", &["a.example:8080"]),
            Err(Unclear::Disagree)
        );
        for hosts in [
            &[][..],
            &["a.example", "a.example"],
            &["a.example, b.example"],
            &[""],
            &["a.example:x"],
        ] {
            assert!(
                matches!(url("http://a.example/", hosts), Err(Unclear::Malformed(_))),
                "{hosts:?}"
            );
        }
        assert!(matches!(
            url("https://a.example/", &["a.example"]),
            Err(Unclear::Malformed(_))
        ));
        assert!(matches!(
            url("http://u@a.example/", &["a.example"]),
            Err(Unclear::Malformed(_))
        ));
        let old = Target::of_url(
            &"http://a.example/".parse().unwrap(),
            &HeaderMap::new(),
            Version::HTTP_10,
        );
        assert_eq!(old, Ok(good));
    }

    #[test]
    fn inside_a_tunnel_every_name_must_be_the_tunnels() {
        let tunnel = target("a.example", 80);
        let check = |uri: &str, hosts: &[&str]| {
            tunnel.check_inside(&uri.parse().unwrap(), &headers(hosts), Version::HTTP_11)
        };
        assert_eq!(check("/x", &["a.example"]), Ok(()));
        assert_eq!(check("http://a.example/x", &["a.example"]), Ok(()));
        assert_eq!(check("/x", &["b.example"]), Err(Unclear::Disagree));
        assert_eq!(
            check("http://b.example/", &["b.example"]),
            Err(Unclear::Disagree)
        );
        assert!(check("/x", &[]).is_err());
    }

    #[test]
    fn every_spelling_of_an_address_is_one() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::1]",
            "a.0x1",
        ] {
            assert!(target(host, 80).is_address(), "{host}");
        }
        for host in ["a.example", "1.example", "0xg.ex", "a.example."] {
            assert!(!target(host, 80).is_address(), "{host}");
        }
    }
}
