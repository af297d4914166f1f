//! CORE: what pipelock is given when it keeps the allowlist: its config, and how to see that the config is in force.
//!
//! pipelock doesn't validate its list and doesn't tell which list it uses. So what it can't keep is refused here, and
//! every config lists one host of its own, the [`marker`]: when pipelock no longer calls that host unlisted, this
//! config is the one in force. No such host exists, and nobody is asked for it but the pod's name server.

use super::allowlist::{Allowlist, Entry};
use serde::Serialize;
use std::net::SocketAddr;
use thiserror::Error;

/// Requests a minute to one host; pipelock's own 60 are too few for an agent.
const REQUESTS_PER_MINUTE: u32 = 6000;
/// Seconds of a tunnel: as long as an agent works, and the pause of a person.
const TUNNEL: (u32, u32) = (86_400, 3600);
/// Digits of the config's hash in the marker; a label has at most 63 characters.
const MARKER_DIGITS: usize = 32;

/// An entry that pipelock would take and never keep.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0} names a port, which pipelock can't keep: list the host without one, or use the engine Builtin"
)]
pub struct Unfit(pub String);

/// All keys that are set; pipelock ends at one that it doesn't know.
#[derive(Serialize)]
struct File<'a> {
    version: u32,
    mode: &'a str,
    api_allowlist: Vec<String>,
    fetch_proxy: FetchProxy,
    forward_proxy: ForwardProxy,
    logging: Logging<'a>,
    sentry: Sentry,
}

#[derive(Serialize)]
struct FetchProxy {
    listen: SocketAddr,
    monitoring: Monitoring,
}

#[derive(Serialize)]
struct Monitoring {
    max_requests_per_minute: u32,
}

#[derive(Serialize)]
struct ForwardProxy {
    enabled: bool,
    max_tunnel_seconds: u32,
    idle_timeout_seconds: u32,
    sni_verification: bool,
}

#[derive(Serialize)]
struct Logging<'a> {
    format: &'a str,
    output: &'a str,
}

#[derive(Serialize)]
struct Sentry {
    enabled: bool,
}

/// The config file for `list`, whose config directory has `hash`. It is JSON, which is YAML without questions of
/// quoting; a list is never empty, which pipelock would refuse.
pub fn render(list: &Allowlist, hash: &str, listen: SocketAddr) -> Result<String, Unfit> {
    let mut hosts = list
        .entries()
        .iter()
        .map(host)
        .collect::<Result<Vec<_>, _>>()?;
    hosts.push(marker(hash));
    let file = File {
        version: 1,
        mode: "strict",
        api_allowlist: hosts,
        fetch_proxy: FetchProxy {
            listen,
            monitoring: Monitoring {
                max_requests_per_minute: REQUESTS_PER_MINUTE,
            },
        },
        forward_proxy: ForwardProxy {
            enabled: true,
            max_tunnel_seconds: TUNNEL.0,
            idle_timeout_seconds: TUNNEL.1,
            sni_verification: true,
        },
        logging: Logging {
            format: "json",
            output: "stdout",
        },
        // Its presets report to its maker.
        sentry: Sentry { enabled: false },
    };
    // Strings, numbers and an address: writing them can't fail.
    let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text.push('\n');
    Ok(text)
}

/// One entry as pipelock spells it. Its `*.x` matches `x` too.
fn host(entry: &Entry) -> Result<String, Unfit> {
    match (entry.port(), entry.is_suffix()) {
        (Some(_), _) => Err(Unfit(entry.to_string())),
        (None, true) => Ok(format!("*.{}", entry.name())),
        (None, false) => Ok(entry.name().to_owned()),
    }
}

/// The host that only the config of this hash lists.
pub fn marker(hash: &str) -> String {
    format!("config-{}a.invalid", digits(hash))
}

/// A host that no config lists, one letter away from the [`marker`]: whatever pipelock looks at before
/// its list treats both alike.
pub fn control(hash: &str) -> String {
    format!("config-{}b.invalid", digits(hash))
}

fn digits(hash: &str) -> String {
    hash.chars()
        .filter(char::is_ascii_hexdigit)
        .take(MARKER_DIGITS)
        .collect()
}

/// Status and body of an answer to `GET http://<host>/`.
pub type Said<'a> = (u16, &'a str);

/// Whether these answers say that the config of the marker is in force: the control is unlisted, and the marker is
/// not. A listed name that doesn't exist ends in pipelock's refusal to resolve it, or in a gateway's error; what is
/// neither proves nothing.
pub fn is_in_force(marker: Said<'_>, control: Said<'_>) -> bool {
    let unlisted = |(status, body): Said<'_>| status == 403 && body.contains("not in allowlist");
    let listed = match marker {
        (403, body) => body.contains("blocked:"),
        (status, _) => matches!(status, 502 | 504),
    };
    unlisted(control) && listed && !unlisted(marker)
}

/// What pipelock listed under `before` and doesn't under `after`: tunnels to it survive the change.
pub fn closes(before: &Allowlist, after: &Allowlist) -> Vec<Entry> {
    let kept = after.entries();
    let gone = before
        .entries()
        .iter()
        .filter(|entry| !kept.contains(entry));
    gone.cloned().collect()
}

/// A host that pipelock must refuse under `after` once `entry` is gone; none while another entry opens it.
pub fn refused_probe(entry: &Entry, after: &Allowlist) -> Option<String> {
    let host = if entry.is_suffix() {
        format!("probe.{}", entry.name())
    } else {
        entry.name().to_owned()
    };
    let opened = after.entries().iter().any(|other| {
        let below = host.strip_suffix(other.name());
        let is_it = below == Some("");
        is_it || (other.is_suffix() && below.is_some_and(|below| below.ends_with('.')))
    });
    (!opened).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Allowlist {
        Allowlist::parse_declared(text).unwrap()
    }

    #[test]
    fn an_entry_with_a_port_is_named_and_nothing_is_rendered() {
        let listen = "127.0.0.1:8888".parse().unwrap();
        for entry in ["a.example:8443", ".a.example:443"] {
            let error = render(&list(&format!("b.example\n{entry}\n")), "ab", listen).unwrap_err();
            assert_eq!(error, Unfit(entry.to_owned()));
        }
    }

    #[test]
    fn only_the_words_of_a_listed_host_count_as_in_force() {
        let unlisted = (403, "blocked: domain not in allowlist: config-abb.invalid");
        assert!(is_in_force(
            (403, "blocked: DNS resolution failed"),
            unlisted
        ));
        assert!(is_in_force((502, ""), unlisted));
        assert!(!is_in_force(unlisted, unlisted));
        for marker in [
            (403, ""),
            (200, "ok"),
            (429, "blocked: rate"),
            (503, ""),
            (400, ""),
        ] {
            assert!(!is_in_force(marker, unlisted), "{marker:?}");
        }
        // Something comes before the list, and treats both alike.
        for both in [(403, "blocked: high entropy"), (502, ""), (200, "")] {
            assert!(!is_in_force(both, both), "{both:?}");
        }
    }

    #[test]
    fn a_config_has_a_marker_of_its_own_that_is_a_host() {
        let hash = "0123456789abcdef".repeat(4);
        let (marker, control) = (marker(&hash), control(&hash));
        assert_eq!(marker, "config-0123456789abcdef0123456789abcdefa.invalid");
        assert_ne!(marker, control);
        for host in [marker, control] {
            assert!(Allowlist::parse_declared(&host).is_ok());
        }
    }

    #[test]
    fn what_is_gone_is_probed_unless_something_else_opens_it() {
        let (before, after) = (
            list("a.example\n.b.example\nc.example"),
            list(".a.example\nc.example"),
        );
        let gone = closes(&before, &after);
        let probes: Vec<_> = gone
            .iter()
            .map(|entry| refused_probe(entry, &after))
            .collect();
        // pipelock's `*.a.example` opens a.example too.
        assert_eq!(probes, [None, Some("probe.b.example".to_owned())]);
        assert!(closes(&after, &after).is_empty());
    }
}
