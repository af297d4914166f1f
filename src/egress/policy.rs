//! PURE: what one config allows.

use crate::config::Files;
use crate::config::address;
use crate::config::allowlist::{Allowlist, LineError, Verdict};
use crate::config::egress::Egress;
use crate::egress::parent::{Parent, ParentError};
use crate::egress::target::Target;
use std::net::IpAddr;
use thiserror::Error;

/// The two files that egress enforces, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Hosts and ports.
    pub allowlist: Allowlist,
    /// Addresses.
    pub egress: Egress,
    /// The proxy behind which everything lies.
    pub parent: Option<Parent>,
}

/// How a connection got to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this address of it.
    Direct(IpAddr),
    /// By the parent proxy, whose word on addresses counts.
    Parent(Parent),
}

/// A file that can't be enforced.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The allowlist breaks a rule.
    #[error("the file allowlist is broken")]
    Allowlist(#[source] LineError),
    /// Not the JSON that it must be.
    #[error("the file egress.json is broken")]
    Egress(#[source] serde_json::Error),
    /// A parent proxy that can't be used, and is never silently left out.
    #[error("the file egress.json names a parentProxy that can't be used")]
    ParentProxy(#[source] ParentError),
}

impl Policy {
    /// Parses the files.
    pub fn parse(files: &Files) -> Result<Self, PolicyError> {
        let egress: Egress = serde_json::from_str(&files.egress).map_err(PolicyError::Egress)?;
        let parent = egress.parent_proxy.as_deref().map(Parent::parse);
        Ok(Self {
            parent: parent.transpose().map_err(PolicyError::ParentProxy)?,
            allowlist: Allowlist::parse_declared(&files.allowlist)
                .map_err(PolicyError::Allowlist)?,
            egress,
        })
    }

    /// What the allowlist says.
    pub fn verdict(&self, target: &Target) -> Verdict {
        self.allowlist.allows(&target.host, target.port)
    }

    /// Whether an address of an allowed host may be dialled.
    pub fn reachable(&self, ip: IpAddr) -> bool {
        address::refused(ip, &self.egress).is_none()
    }

    /// Whether a connection that was opened as `opened_as` may go on. One that nobody looked into, because its
    /// port was declared, needs the declaration to stand.
    pub fn permits(&self, target: &Target, way: &Way, opened_as: Verdict) -> bool {
        let verdict = self.verdict(target);
        let open = match opened_as {
            Verdict::Declared => verdict == Verdict::Declared,
            _ => verdict.is_allowed(),
        };
        let passable = match way {
            Way::Direct(ip) => self.parent.is_none() && self.reachable(*ip),
            Way::Parent(parent) => self.parent.as_ref() == Some(parent),
        };
        open && passable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowlist: &str, egress: &str) -> Result<Policy, PolicyError> {
        Policy::parse(&Files {
            allowlist: allowlist.into(),
            egress: egress.into(),
            ..Files::default()
        })
    }

    #[test]
    fn a_connection_goes_on_while_name_port_and_address_are_allowed() {
        let target = Target {
            host: "a.example".into(),
            port: 443,
        };
        let way = |ip: &str| Way::Direct(ip.parse().unwrap());
        let (public, internal) = (way("203.0.113.5"), way("10.0.0.5"));
        let plain = policy("a.example\n", "{}").unwrap();
        assert!(plain.permits(&target, &public, Verdict::Web));
        assert!(!plain.permits(&target, &internal, Verdict::Web));
        assert!(!plain.permits(&target, &public, Verdict::Declared));
        let internal_too =
            policy("a.example:443\n", r#"{"allowInternal": ["10.0.0.0/8"]}"#).unwrap();
        assert!(internal_too.permits(&target, &internal, Verdict::Declared));
        assert!(internal_too.permits(&target, &internal, Verdict::Web));
        assert!(
            !policy("b.example\n", "{}")
                .unwrap()
                .permits(&target, &public, Verdict::Web)
        );
    }

    #[test]
    fn a_connection_goes_on_while_its_way_is_the_one_in_force() {
        let target = Target {
            host: "a.example".into(),
            port: 443,
        };
        let behind =
            |url: &str| policy("a.example\n", &format!(r#"{{"parentProxy": "{url}"}}"#)).unwrap();
        let one = behind("http://one:3128");
        let by_one = Way::Parent(Parent::parse("http://one:3128").unwrap());
        let direct = Way::Direct("203.0.113.5".parse().unwrap());
        assert!(one.permits(&target, &by_one, Verdict::Web));
        assert!(!one.permits(&target, &direct, Verdict::Web));
        assert!(!behind("http://two:3128").permits(&target, &by_one, Verdict::Web));
        let none = policy("a.example\n", "{}").unwrap();
        assert!(!none.permits(&target, &by_one, Verdict::Web));
        assert!(none.permits(&target, &direct, Verdict::Web));
    }

    #[test]
    fn broken_files_are_named() {
        let cases = [
            (policy("com\n", "{}"), "allowlist"),
            (policy("", "{"), "egress.json"),
            (policy("", r#"{"unknown": 1}"#), "egress.json"),
            (
                policy("", r#"{"allowInternal": ["10.0.0.0/99"]}"#),
                "egress.json",
            ),
            (
                policy("", r#"{"parentProxy": "https://proxy:3128"}"#),
                "parentProxy",
            ),
        ];
        for (result, name) in cases {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }
}
