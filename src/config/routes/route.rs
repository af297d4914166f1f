//! One route and the rules that it has to keep.

use super::Auth;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest upstream: far above what is in use, far below what a log line bears.
const MAX_UPSTREAM: usize = 2048;
/// Longest path, as in a Bottle: a longer one would only push the upstream out of a reviewer's sight.
const MAX_PATH: usize = 256;
/// Written by the operator only: token-less MCP settings and model access point there.
const RESERVED: [&str; 2] = ["/mcp/", "/model/"];

/// Requests below `path` go to `upstream`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Starts and ends with `/`.
    pub path: String,
    /// Where requests go: an https URL, a path in it included.
    pub upstream: String,
    /// The secret that is injected; none: requests go out as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The Bottle declares an http upstream; written by the operator only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

/// What is wrong with a route, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rule {
    /// Shape of the path.
    #[error(
        "`path` must start and end with `/`, hold ASCII letters, digits and `-._~@:+` between single slashes, and have at most 256 characters"
    )]
    Path,
    /// The path belongs to the operator.
    #[error("paths under `/mcp/` and `/model/` are reserved")]
    ReservedPath,
    /// Two routes of one path.
    #[error("the path `{0}` stands twice")]
    PathTwice(String),
    /// No URL that we send requests to.
    #[error(
        "`upstream` must be a URL such as `https://api.example.com`, without user info, query or fragment"
    )]
    Upstream,
    /// http, which only a Bottle may declare.
    #[error("`upstream` must be an https URL; only the Bottle itself may declare an http one")]
    Http,
    /// `plain` without http, or from an agent.
    #[error("`plain` is written by the operator only, for http upstreams that the Bottle declares")]
    Plain,
    /// Not a NAME.
    #[error(
        "`auth.secret` must be a NAME of the Bottle's `spec.secrets`: letters, digits and `-._`"
    )]
    SecretName,
    /// Not a user name for Basic.
    #[error("`auth.user` must be visible ASCII without a colon")]
    User,
    /// Not a header that may carry a secret.
    #[error("`auth.header` must be a header's name, and none that frames or addresses a request")]
    Header,
    /// Not a template.
    #[error("`auth.template` must be visible ASCII and hold `{{secret}}` exactly once")]
    Template,
    /// Not a parameter's name.
    #[error("`auth.query` must be letters, digits and `-._~`")]
    Query,
}

impl Route {
    /// The rules for an agent.
    pub(super) fn check_proposed(&self) -> Result<(), Rule> {
        if self.plain {
            return Err(Rule::Plain);
        }
        if self
            .upstream
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
        {
            return Err(Rule::Http);
        }
        self.check_declared()?;
        if self.is_reserved() {
            return Err(Rule::ReservedPath);
        }
        Ok(())
    }

    /// The rules for a Bottle. An http upstream may lack `plain`: the operator adds it.
    pub(super) fn check_declared(&self) -> Result<(), Rule> {
        if !is_path(&self.path) {
            return Err(Rule::Path);
        }
        match scheme_of(&self.upstream).ok_or(Rule::Upstream)? {
            "https" if self.plain => return Err(Rule::Plain),
            _ => {}
        }
        self.auth.as_ref().map_or(Ok(()), Auth::check)
    }

    /// Whether its path belongs to the operator.
    pub fn is_reserved(&self) -> bool {
        RESERVED
            .iter()
            .any(|reserved| self.path.starts_with(reserved))
    }

    /// The upstream's host in lower case.
    pub fn host(&self) -> Option<String> {
        self.authority().map(|(host, _)| host)
    }

    /// The upstream's host in lower case, and its port, said or meant.
    pub fn authority(&self) -> Option<(String, u16)> {
        let uri: http::Uri = self.upstream.parse().ok()?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str()? {
            "http" => 80,
            _ => 443,
        });
        Some((uri.host()?.to_ascii_lowercase(), port))
    }

    /// Whether requests go out without TLS.
    pub fn is_http(&self) -> bool {
        scheme_of(&self.upstream) == Some("http")
    }
}

/// Single slashes around plain segments: no dots that lead upwards, nothing encoded.
fn is_path(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let Some(inner) = path
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
    else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:+".contains(&byte);
    path.len() <= MAX_PATH
        && inner.split('/').all(|segment| {
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
        })
}

/// The scheme of a URL that we would send requests to.
fn scheme_of(upstream: &str) -> Option<&'static str> {
    // The parser drops fragments without a word, so it isn't asked.
    if upstream.len() > MAX_UPSTREAM || upstream.contains(['#', '?', '@', '\\', '%']) {
        return None;
    }
    // JSON escapes hide from the check of the file's text what a reviewer would not see.
    if !upstream.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let uri: http::Uri = upstream.parse().ok()?;
    let host = uri.host()?;
    if host.is_empty() || uri.authority()?.as_str().ends_with(':') || uri.port_u16() == Some(0) {
        return None;
    }
    if uri
        .path()
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return None;
    }
    match uri.scheme_str()? {
        "https" => Some("https"),
        "http" => Some("http"),
        _ => None,
    }
}
