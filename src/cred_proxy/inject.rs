//! PURE: how a secret is put into a request, and what a client's own credentials are.

use super::secrets::Secret;
use crate::config::routes::{Auth, Scheme};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What git hosts call the user of a token.
const DEFAULT_USER: &str = "x-access-token";
/// Stands for the secret in a template.
const PLACEHOLDER: &str = "{secret}";

/// An `auth` of the routes, ready for use.
#[derive(Clone, Debug)]
pub enum Inject {
    /// `Authorization: <word> <secret>`.
    Word(&'static str),
    /// `Authorization: Basic …`; the user of a secret without a colon.
    Basic(String),
    /// A header of its own, and what stands around the secret.
    Header(HeaderName, String, String),
    /// A parameter of the query.
    Query(String),
}

impl Inject {
    /// None: a name or template that the parser of the routes refuses.
    pub fn new(auth: &Auth) -> Option<Self> {
        Some(match auth {
            Auth::Scheme { scheme, user, .. } => match scheme {
                Scheme::Bearer => Self::Word("Bearer"),
                Scheme::Token => Self::Word("token"),
                Scheme::Basic => {
                    Self::Basic(user.clone().unwrap_or_else(|| DEFAULT_USER.to_owned()))
                }
            },
            Auth::Header {
                header, template, ..
            } => {
                let (before, after) = template.split_once(PLACEHOLDER)?;
                let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
                Self::Header(name, before.to_owned(), after.to_owned())
            }
            Auth::Query { query, .. } => Self::Query(query.clone()),
        })
    }

    /// Puts the secret into the headers, instead of whatever the client has sent there.
    pub fn write_header(&self, secret: &Secret, headers: &mut HeaderMap) {
        let secret = secret.reveal();
        let (name, value) = match self {
            Self::Word(word) => (AUTHORIZATION, format!("{word} {secret}")),
            Self::Basic(user) => {
                let pair = if secret.contains(':') {
                    BASE64.encode(secret)
                } else {
                    BASE64.encode(format!("{user}:{secret}"))
                };
                (AUTHORIZATION, format!("Basic {pair}"))
            }
            Self::Header(name, before, after) => (name.clone(), format!("{before}{secret}{after}")),
            Self::Query(_) => return,
        };
        // Takes every byte but control characters, which no secret and no template has.
        if let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) {
            // Kept out of HPACK's tables, and of what `Debug` prints.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }

    /// The query with the secret in it; none: the query stays as it is.
    pub fn write_query(&self, secret: &Secret, query: Option<&str>) -> Option<String> {
        let Self::Query(name) = self else { return None };
        let mut out = without_parameter(query.unwrap_or_default(), name);
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(secret.reveal_encoded().unwrap_or(secret.reveal()));
        Some(out)
    }

    /// The parameter that carries the secret.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Query(name) => Some(name),
            _ => None,
        }
    }
}

/// A query without one parameter, however that one is spelled: an upstream could take the first of two.
pub fn without_parameter(query: &str, name: &str) -> String {
    let is_other = |pair: &&str| {
        // Older servers take a semicolon for `&`.
        !pair.split(';').any(|part| {
            let key = part.split('=').next().unwrap_or_default();
            decoded(key).eq_ignore_ascii_case(name)
        })
    };
    let kept: Vec<&str> = query.split('&').filter(is_other).collect();
    kept.join("&")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All but the unreserved characters of RFC 3986 as `%XX`.
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inject(auth: &str) -> Inject {
        Inject::new(&serde_json::from_str(auth).unwrap()).unwrap()
    }

    fn header(auth: &str, secret: &str, name: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_static("theirs"),
        );
        inject(auth).write_header(&Secret::new(secret), &mut headers);
        assert_eq!(headers.len(), 1);
        let value = headers.remove(name).unwrap();
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn every_scheme_writes_its_header_over_the_clients() {
        let authorization = |auth, secret| header(auth, secret, "authorization");
        assert_eq!(
            authorization(r#"{"scheme":"Bearer","secret":"A"}"#, "s3"),
            "Bearer s3"
        );
        assert_eq!(
            authorization(r#"{"scheme":"token","secret":"A"}"#, "s3"),
            "token s3"
        );
        let basic = |auth, secret| {
            let value = authorization(auth, secret);
            let pair = BASE64.decode(value.strip_prefix("Basic ").unwrap());
            String::from_utf8(pair.unwrap()).unwrap()
        };
        let plain = r#"{"scheme":"Basic","secret":"A"}"#;
        assert_eq!(basic(plain, "me:pw"), "me:pw");
        assert_eq!(basic(plain, "s3"), "x-access-token:s3");
        let named = r#"{"scheme":"Basic","user":"oauth2","secret":"A"}"#;
        assert_eq!(basic(named, "s3"), "oauth2:s3");
        let own = r#"{"header":"X-Api-Key","template":"key={secret};","secret":"A"}"#;
        assert_eq!(header(own, "s3", "x-api-key"), "key=s3;");
    }

    #[test]
    fn the_parameter_is_the_only_one_of_its_name_and_encoded() {
        let auth = inject(r#"{"query":"api_key","secret":"A"}"#);
        let secret = Secret::new("a b&c=é");
        let query = |query| auth.write_query(&secret, query).unwrap();
        let ours = "api_key=a%20b%26c%3D%C3%A9";
        assert_eq!(query(None), ours);
        assert_eq!(query(Some("x=1&y=%26")), format!("x=1&y=%26&{ours}"));
        for theirs in [
            "api_key=1",
            "api%5Fkey=1",
            "API_KEY=1",
            "a=1;api_key=2",
            "api_key",
        ] {
            let sent = auth.write_query(&secret, Some(&format!("x=1&{theirs}")));
            assert_eq!(sent.unwrap(), format!("x=1&{ours}"));
        }
        let mut headers = HeaderMap::new();
        auth.write_header(&secret, &mut headers);
        assert!(headers.is_empty());
    }
}
