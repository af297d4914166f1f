//! PURE: what a client is told when it doesn't get through.

use super::target::Target;
use serde::Serialize;

/// The MCP tool that asks for a host.
const TOOL: &str = "pipelock-block";

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The host isn't on the allowlist.
    HostNotListed,
    /// The host is, with other ports.
    PortNotListed,
    /// The host is an IP address.
    AddressLiteral,
    /// All addresses of the host are internal.
    InternalAddress,
    /// URL or CONNECT host and `Host` differ.
    HostsDisagree,
    /// HTTP/2 without TLS, in which no `Host` would be checked.
    H2c,
    /// A tunnel that must carry TLS carries something else.
    NotTls,
    /// TLS inside a tunnel asks for another name, or none.
    OtherName,
    /// Not understood.
    Malformed(&'static str),
    /// A path of the proxy itself that it doesn't have.
    NoSuchPath,
    /// DNS says no, or nothing.
    DnsFailed,
    /// DNS didn't answer in time.
    DnsTimedOut,
    /// No address took the connection.
    ConnectFailed,
    /// No address took the connection in time.
    ConnectTimedOut,
    /// The server took the connection and answered no HTTP.
    UpstreamBroken,
    /// The parent proxy opened no tunnel.
    ParentRefused,
    /// The proxy has all the connections that it can hold.
    TooMany,
    /// The request's head didn't come in time.
    HeadTimedOut,
}

impl Cause {
    /// HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::HostNotListed
            | Self::PortNotListed
            | Self::AddressLiteral
            | Self::InternalAddress
            | Self::HostsDisagree
            | Self::H2c
            | Self::NotTls
            | Self::OtherName => 403,
            Self::Malformed(_) => 400,
            Self::NoSuchPath => 404,
            Self::HeadTimedOut => 408,
            Self::DnsFailed | Self::ConnectFailed | Self::UpstreamBroken | Self::ParentRefused => {
                502
            }
            Self::TooMany => 503,
            Self::DnsTimedOut | Self::ConnectTimedOut => 504,
        }
    }

    /// Whether this is a policy's word, to be listed among the denials.
    pub fn is_denial(self) -> bool {
        self.status() == 403
    }

    /// One phrase.
    pub fn reason(self) -> &'static str {
        match self {
            Self::HostNotListed => "the host is not on the allowlist",
            Self::PortNotListed => "the host is on the allowlist, but not with this port",
            Self::AddressLiteral => "IP addresses are not allowed, only host names",
            Self::InternalAddress => "the host has only internal addresses",
            Self::HostsDisagree => "the request names two different hosts",
            Self::H2c => "HTTP/2 without TLS is not allowed",
            Self::NotTls => "the tunnel must carry TLS",
            Self::OtherName => "TLS in the tunnel must ask for the tunnel's host by name",
            Self::Malformed(why) => why,
            Self::NoSuchPath => "this is a forward proxy; it has /health and /denials itself",
            Self::DnsFailed => "the host name could not be resolved",
            Self::DnsTimedOut => "resolving the host name took too long",
            Self::ConnectFailed => "the host did not take the connection",
            Self::ConnectTimedOut => "connecting to the host took too long",
            Self::UpstreamBroken => "the host broke the connection off or did not speak HTTP",
            Self::ParentRefused => "the parent proxy opened no connection to the host",
            Self::TooMany => "too many connections are open",
            Self::HeadTimedOut => "the request took too long",
        }
    }

    /// The reason of a denial in one word, for programs and statuses.
    pub fn word(self) -> &'static str {
        match self {
            Self::HostNotListed => "HostNotListed",
            Self::PortNotListed => "PortNotListed",
            Self::AddressLiteral => "AddressLiteral",
            Self::InternalAddress => "InternalAddress",
            Self::HostsDisagree => "HostsDisagree",
            Self::H2c => "H2c",
            Self::NotTls => "NotTls",
            Self::OtherName => "OtherName",
            // Never listed.
            _ => "Other",
        }
    }

    /// The tool that can change it.
    pub fn tool(self) -> Option<&'static str> {
        (self == Self::HostNotListed).then_some(TOOL)
    }

    /// What the client can do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::HostNotListed => {
                "to ask for it, call the MCP tool pipelock-block with the full content of \
                 /etc/claude-bottle/current-config/allowlist and this host added on a line of its own"
            }
            Self::PortNotListed => {
                "use port 443 or 80; another port must be declared in the Bottle as host:port by its owner"
            }
            Self::AddressLiteral => "use the host's name",
            Self::InternalAddress => {
                "the Bottle's owner can list the range in spec.egress.allowInternal"
            }
            Self::HostsDisagree => "send the same host in the URL and in the Host header",
            Self::H2c => "use HTTP/1.1, or https",
            Self::NotTls => {
                "use https; other protocols need a port that the Bottle declares as host:port"
            }
            Self::OtherName => "send the CONNECT host as TLS server name",
            Self::Malformed(_) | Self::NoSuchPath => {
                "see RFC 9110, 9112: CONNECT host:port, or a full http URL"
            }
            Self::DnsFailed => "check the spelling; the host is on the allowlist",
            Self::ParentRefused => {
                "the host is on the allowlist; whoever runs the proxy of spec.egress.parentProxy decides there"
            }
            Self::DnsTimedOut
            | Self::ConnectFailed
            | Self::ConnectTimedOut
            | Self::UpstreamBroken
            | Self::TooMany
            | Self::HeadTimedOut => "try again later",
        }
    }

    /// Reason phrase of the status line: many clients show nothing else of a refused CONNECT.
    pub fn phrase(self) -> Option<&'static str> {
        match self {
            Self::HostNotListed => {
                Some("Forbidden: host not on the allowlist; call the MCP tool pipelock-block")
            }
            _ => None,
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One object.
    Json,
    /// One line.
    Text,
}

impl Form {
    /// By the request's `Accept`: JSON, unless only text is asked for.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("text/") && !accept.contains("json") => Self::Text,
            _ => Self::Json,
        }
    }

    /// `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    host: Option<&'a str>,
    port: Option<u16>,
    reason: &'a str,
    tool: Option<&'a str>,
    hint: &'a str,
}

/// The body. Of the request it repeats the parsed host only, which has no character that needs escaping; JSON is
/// escaped all the same.
pub fn body(cause: Cause, target: Option<&Target>, form: Form) -> String {
    let host = target.map(|target| shortened(&target.host));
    let mut text = match form {
        Form::Json => serde_json::to_string(&Body {
            host,
            port: target.map(|target| target.port),
            reason: cause.reason(),
            tool: cause.tool(),
            hint: cause.hint(),
        })
        .expect("strings and numbers are always JSON"),
        Form::Text => {
            let asked = match (host, target) {
                (Some(host), Some(target)) => format!(" {host}:{}", target.port),
                _ => String::new(),
            };
            format!(
                "egress refused{asked}: {}; {}",
                cause.reason(),
                cause.hint()
            )
        }
    };
    text.push('\n');
    text
}

/// A host without an end helps nobody; longer ones don't exist.
pub(super) fn shortened(host: &str) -> &str {
    host.get(..253).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str) -> Target {
        Target {
            host: host.into(),
            port: 443,
        }
    }

    #[test]
    fn a_refused_host_is_named_with_the_tool_in_both_forms() {
        let target = target("api.example.com");
        let json = body(Cause::HostNotListed, Some(&target), Form::Json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["host"], "api.example.com");
        assert_eq!(value["port"], 443);
        assert_eq!(value["tool"], "pipelock-block");
        assert_eq!(value["reason"], "the host is not on the allowlist");
        assert!(
            value["hint"]
                .as_str()
                .unwrap()
                .contains("current-config/allowlist")
        );
        let text = body(Cause::HostNotListed, Some(&target), Form::Text);
        assert!(text.starts_with("egress refused api.example.com:443: "));
        assert!(text.contains("pipelock-block"));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn json_escapes_and_long_hosts_are_cut() {
        let json = body(Cause::DnsFailed, Some(&target("a\"\n<b>")), Form::Json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["host"], "a\"\n<b>");
        assert_eq!(json.lines().count(), 1);
        assert_eq!(value["tool"], serde_json::Value::Null);
        let long = body(
            Cause::HostNotListed,
            Some(&target(&"a".repeat(60000))),
            Form::Text,
        );
        assert!(long.len() < 1000);
    }

    #[test]
    fn text_is_for_those_who_ask_for_nothing_else() {
        assert_eq!(Form::accepted(None), Form::Json);
        assert_eq!(Form::accepted(Some("*/*")), Form::Json);
        assert_eq!(
            Form::accepted(Some("application/json, text/event-stream")),
            Form::Json
        );
        assert_eq!(Form::accepted(Some("text/html,*/*;q=0.8")), Form::Text);
    }
}
