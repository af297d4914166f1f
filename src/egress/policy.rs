//! PURE: what one config allows.

use crate::config::Files;
use crate::config::address;
use crate::config::allowlist::{Allowlist, LineError, Verdict};
use crate::config::egress::Egress;
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
    /// Not built yet, and never silently ignored.
    #[error(
        "the file egress.json names a parentProxy, which this version can't use: remove it from the Bottle"
    )]
    ParentProxy,
}

impl Policy {
    /// Parses the files.
    pub fn parse(files: &Files) -> Result<Self, PolicyError> {
        let egress: Egress = serde_json::from_str(&files.egress).map_err(PolicyError::Egress)?;
        if egress.parent_proxy.is_some() {
            return Err(PolicyError::ParentProxy);
        }
        Ok(Self {
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
    pub fn permits(&self, target: &Target, ip: IpAddr, opened_as: Verdict) -> bool {
        let verdict = self.verdict(target);
        let open = match opened_as {
            Verdict::Declared => verdict == Verdict::Declared,
            _ => verdict.is_allowed(),
        };
        open && self.reachable(ip)
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
        let (public, internal) = ("203.0.113.5".parse().unwrap(), "10.0.0.5".parse().unwrap());
        let plain = policy("a.example\n", "{}").unwrap();
        assert!(plain.permits(&target, public, Verdict::Web));
        assert!(!plain.permits(&target, internal, Verdict::Web));
        assert!(!plain.permits(&target, public, Verdict::Declared));
        let internal_too =
            policy("a.example:443\n", r#"{"allowInternal": ["10.0.0.0/8"]}"#).unwrap();
        assert!(internal_too.permits(&target, internal, Verdict::Declared));
        assert!(internal_too.permits(&target, internal, Verdict::Web));
        assert!(
            !policy("b.example\n", "{}")
                .unwrap()
                .permits(&target, public, Verdict::Web)
        );
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
                policy("", r#"{"parentProxy": "http://proxy:3128"}"#),
                "parentProxy",
            ),
        ];
        for (result, name) in cases {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }
}
