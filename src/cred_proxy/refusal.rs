//! PURE: what a client is told when its request isn't answered by an upstream. Short, and never a credential.

use super::path::Unsafe;
use super::secrets::Unusable;

/// What an agent reads before it asks for a route.
const ASK: &str = "to ask for one, call the MCP tool cred-proxy-block with the full content of \
                   /etc/claude-bottle/current-config/routes.json and this route added";
/// Of a path that nobody knows, this much is repeated.
const MAX_SHOWN: usize = 200;

/// Why there is no answer of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No route has this path.
    NoRoute(String),
    /// The route is gone, or another one, since the request began.
    RouteChanged,
    /// The path could leave the upstream's prefix.
    Unsafe(Unsafe),
    /// Not a request for a path.
    Malformed(&'static str),
    /// TRACE would show the credential; CONNECT has no meaning here.
    Method,
    /// A web page of elsewhere asks.
    ForeignPage,
    /// The route's secret can't be used.
    Secret(String, Unusable),
    /// All addresses of the upstream are internal.
    Internal,
    /// DNS says no, or nothing.
    DnsFailed,
    /// DNS didn't answer in time.
    DnsTimedOut,
    /// Nobody took the connection.
    ConnectFailed,
    /// Nobody took the connection in time.
    ConnectTimedOut,
    /// TLS failed: above all, a certificate that isn't the upstream's.
    Tls,
    /// The upstream broke off, or answered no HTTP.
    Broken,
    /// The upstream took the request and said nothing.
    AnswerTimedOut,
    /// All places are taken.
    TooMany,
    /// The request's head didn't come in time.
    HeadTimedOut,
}

impl Refusal {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unsafe(_) | Self::Malformed(_) => 400,
            Self::ForeignPage | Self::Internal => 403,
            Self::NoRoute(_) => 404,
            Self::Method => 405,
            Self::HeadTimedOut => 408,
            Self::DnsFailed | Self::ConnectFailed | Self::Tls | Self::Broken => 502,
            Self::Secret(..) | Self::TooMany | Self::RouteChanged => 503,
            Self::DnsTimedOut | Self::ConnectTimedOut | Self::AnswerTimedOut => 504,
        }
    }

    /// One line.
    pub fn text(&self) -> String {
        let text = match self {
            Self::NoRoute(path) => format!("no route for {}; {ASK}", shown(path)),
            Self::RouteChanged => {
                "the route has been changed or removed while it was in use; see routes.json".into()
            }
            Self::Unsafe(why) => format!("{why}; send it without"),
            Self::Malformed(why) => (*why).into(),
            Self::Method => "CONNECT and TRACE are not passed on".into(),
            Self::ForeignPage => "a web page of another site may not use the credentials".into(),
            Self::Secret(name, why) => {
                format!("the secret {name} {why}; the Bottle's owner has to mend it")
            }
            Self::Internal => "the upstream has only internal addresses; the Bottle's owner can list the range in \
                               spec.egress.allowInternal"
                .into(),
            Self::DnsFailed => "the upstream's name could not be resolved".into(),
            Self::DnsTimedOut => "resolving the upstream's name took too long".into(),
            Self::ConnectFailed => "the upstream did not take the connection".into(),
            Self::ConnectTimedOut => "connecting to the upstream took too long".into(),
            Self::Tls => "TLS with the upstream failed; its certificate may be wrong, see cred-proxy's log".into(),
            Self::Broken => "the upstream broke off, or did not speak HTTP".into(),
            Self::AnswerTimedOut => "the upstream did not answer in time".into(),
            Self::TooMany => "too many connections are open; try again later".into(),
            Self::HeadTimedOut => "the request took too long".into(),
        };
        format!("cred-proxy: {text}\n")
    }
}

/// A path that can be printed: it may be long, and hold anything.
fn shown(path: &str) -> String {
    let mut out: String = path
        .chars()
        .take(MAX_SHOWN)
        .flat_map(char::escape_default)
        .collect();
    if path.chars().nth(MAX_SHOWN).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_path_is_named_with_the_tool_and_cannot_forge_lines() {
        let text = Refusal::NoRoute("/foo/\r\nX: y\u{202e}".into()).text();
        assert!(text.starts_with("cred-proxy: no route for /foo/\\r\\nX"));
        assert!(text.contains("cred-proxy-block") && text.lines().count() == 1);
        assert!(text.is_ascii());
        assert!(Refusal::NoRoute("/a".repeat(30_000)).text().len() < 1000);
    }

    #[test]
    fn a_bad_secret_is_named() {
        let refusal = Refusal::Secret("GITHUB_TOKEN".into(), Unusable::Empty);
        assert_eq!(refusal.status(), 503);
        assert!(refusal.text().contains("the secret GITHUB_TOKEN is empty"));
    }
}
