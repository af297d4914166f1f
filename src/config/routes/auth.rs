//! How a route's secret is put into a request.

use super::route::Rule;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Stands for the secret in a template.
const PLACEHOLDER: &str = "{secret}";

/// Headers that frame or address a request: a secret in one of them would change where it goes.
const RESERVED_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// Where the secret goes, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Auth {
    /// `Authorization` with a scheme.
    Scheme {
        /// The word before the secret.
        scheme: Scheme,
        /// For Basic: the user name of a secret that has no colon.
        user: Option<String>,
        /// NAME of the secret.
        secret: String,
    },
    /// A header of its own.
    Header {
        /// The header's name.
        header: String,
        /// Its value, with `{secret}` in it.
        template: String,
        /// NAME of the secret.
        secret: String,
    },
    /// A parameter of the query.
    Query {
        /// The parameter's name.
        query: String,
        /// NAME of the secret.
        secret: String,
    },
}

/// The word before a secret in `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// RFC 6750.
    Bearer,
    /// What some git hosts use.
    #[serde(rename = "token")]
    Token,
    /// RFC 7617; the secret is `user:password`.
    Basic,
}

/// All keys that an `auth` object may have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<Scheme>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl TryFrom<Fields> for Auth {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields {
            scheme,
            user,
            header,
            template,
            query,
            secret,
        } = fields;
        let secret = secret.ok_or("`auth` needs `secret`")?;
        match (scheme, header, template, query, user) {
            (Some(scheme), None, None, None, user) if user.is_none() || scheme == Scheme::Basic => {
                Ok(Self::Scheme {
                    scheme,
                    user,
                    secret,
                })
            }
            (None, Some(header), template, None, None) => Ok(Self::Header {
                header,
                template: template.unwrap_or_else(|| PLACEHOLDER.to_owned()),
                secret,
            }),
            (None, None, None, Some(query), None) => Ok(Self::Query { query, secret }),
            _ => Err(
                "`auth` needs exactly one of `scheme`, `header` (with `template`) and `query`; \
                 `user` goes with the scheme Basic only",
            ),
        }
    }
}

impl From<Auth> for Fields {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Scheme {
                scheme,
                user,
                secret,
            } => Self {
                scheme: Some(scheme),
                user,
                secret: Some(secret),
                ..Self::default()
            },
            Auth::Header {
                header,
                template,
                secret,
            } => Self {
                header: Some(header),
                template: Some(template),
                secret: Some(secret),
                ..Self::default()
            },
            Auth::Query { query, secret } => Self {
                query: Some(query),
                secret: Some(secret),
                ..Self::default()
            },
        }
    }
}

impl fmt::Display for Auth {
    /// As a reviewer reads it: `Bearer GITHUB_TOKEN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme {
                scheme,
                user,
                secret,
            } => {
                write!(f, "{} {secret}", scheme.as_str())?;
                user.iter()
                    .try_for_each(|user| write!(f, " for user {user}"))
            }
            Self::Header {
                header,
                template,
                secret,
            } => {
                write!(f, "header {header}: {secret}")?;
                if template == PLACEHOLDER {
                    return Ok(());
                }
                write!(f, " as {template:?}")
            }
            Self::Query { query, secret } => write!(f, "query {query}={secret}"),
        }
    }
}

impl Scheme {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Token => "token",
            Self::Basic => "Basic",
        }
    }
}

impl Auth {
    /// NAME of the secret.
    pub fn secret(&self) -> &str {
        match self {
            Self::Scheme { secret, .. }
            | Self::Header { secret, .. }
            | Self::Query { secret, .. } => secret,
        }
    }

    pub(super) fn check(&self) -> Result<(), Rule> {
        if !is_secret_name(self.secret()) {
            return Err(Rule::SecretName);
        }
        match self {
            Self::Scheme { user, .. } => match user {
                Some(user) if user.is_empty() || user.contains(':') || !is_visible(user) => {
                    Err(Rule::User)
                }
                _ => Ok(()),
            },
            Self::Header {
                header, template, ..
            } => {
                if !is_token(header)
                    || RESERVED_HEADERS.contains(&header.to_ascii_lowercase().as_str())
                {
                    return Err(Rule::Header);
                }
                if template.matches(PLACEHOLDER).count() != 1 || !is_visible(template) {
                    return Err(Rule::Template);
                }
                Ok(())
            }
            Self::Query { query, .. } => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if query.is_empty() || !query.bytes().all(plain) {
                    return Err(Rule::Query);
                }
                Ok(())
            }
        }
    }
}

/// It is a file's name too, so nothing that leads elsewhere.
fn is_secret_name(name: &str) -> bool {
    name.len() <= 253
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_visible(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// A header's name by RFC 9110.
fn is_token(name: &str) -> bool {
    http::HeaderName::from_bytes(name.as_bytes()).is_ok()
}
