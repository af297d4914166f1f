//! The `process` runtime: the agent as an ordinary process of this user. Nothing is isolated, and it says so.

use super::{Error, sidecars::Listeners};
use crate::{config::seal::Instructions, names};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// Said each time, on standard error.
pub const WARNING: &str = "!!! NOTHING IS ISOLATED: the runtime `process` runs the agent as an ordinary process of your \
                           user, which reaches all your files and the whole network !!!";

/// Where the sidecars serve, since two bottles can't both have the usual ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// MCP.
    pub supervise: u16,
    /// The credentials' proxy.
    pub cred_proxy: u16,
    /// The forward proxy.
    pub egress: u16,
}

/// Binds free ports on the loopback.
pub fn listen() -> Result<(Listeners, Ports), Error> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let start = |source| Error::Start {
        what: "the sidecars",
        source,
    };
    let supervise = bind().map_err(start)?;
    let cred_proxy = bind().map_err(start)?;
    let egress = bind().map_err(start)?;
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    let ports = Ports {
        supervise: port(&supervise).map_err(start)?,
        cred_proxy: port(&cred_proxy).map_err(start)?,
        egress: port(&egress).map_err(start)?,
    };
    Ok((
        Listeners {
            supervise,
            cred_proxy,
            egress,
        },
        ports,
    ))
}

impl Ports {
    /// A URL of the plan, led to where the sidecar really is.
    pub fn lead(self, text: &str) -> String {
        let local = |port: u16| format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
        [
            (
                names::container::CRED_PROXY,
                names::port::CRED_PROXY,
                self.cred_proxy,
            ),
            (
                names::container::SUPERVISE,
                names::port::SUPERVISE,
                self.supervise,
            ),
            (names::container::EGRESS, names::port::EGRESS, self.egress),
        ]
        .iter()
        .fold(text.to_owned(), |text, (host, port, real)| {
            text.replace(&format!("http://{host}:{port}"), &local(*real))
        })
    }

    /// seal's instructions for this runtime.
    pub fn instruct(self, instructions: &mut Instructions, home: &str) {
        home.clone_into(&mut instructions.home);
        for sidecar in &mut instructions.sidecars {
            sidecar.port = match sidecar.name.as_str() {
                names::container::SUPERVISE => self.supervise,
                names::container::EGRESS => self.egress,
                names::container::CRED_PROXY => self.cred_proxy,
                _ => sidecar.port,
            };
        }
        for fragment in &mut instructions.fragments {
            self.lead_all(&mut fragment.merge);
        }
    }

    fn lead_all(self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.lead(text),
            serde_json::Value::Array(items) => {
                for item in items {
                    self.lead_all(item);
                }
            }
            serde_json::Value::Object(fields) => {
                for field in fields.values_mut() {
                    self.lead_all(field);
                }
            }
            _ => {}
        }
    }
}

/// Directories that the plan mounts, and where they are, since here nothing is mounted.
#[derive(Clone, Debug)]
pub struct Places(pub Vec<(PathBuf, PathBuf)>);

impl Places {
    /// A path of the plan, led to where it really is; any other text as it is.
    pub fn lead(&self, text: &str) -> String {
        let led = self.0.iter().find_map(|(at, real)| {
            let rest = Path::new(text).strip_prefix(at).ok()?;
            Some(if rest.as_os_str().is_empty() {
                real.clone()
            } else {
                real.join(rest)
            })
        });
        led.map_or_else(|| text.to_owned(), |path| path.display().to_string())
    }

    /// What `seal` reads.
    pub fn instruct(&self, instructions: &mut Instructions) {
        for skill in &mut instructions.skills {
            skill.from = self.lead(&skill.from);
        }
        if let Some(ours) = &mut instructions.authorities {
            ours.extra = self.lead(&ours.extra);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_path_leads_to_where_it_is_and_any_other_word_stays() {
        let places = Places(vec![
            ("/run/bottle/ca".into(), "/state/ca".into()),
            ("/bottle/home".into(), "/state/home".into()),
        ]);
        for (text, led) in [
            ("/run/bottle/ca/ca.crt", "/state/ca/ca.crt"),
            ("/run/bottle/ca", "/state/ca"),
            ("/run/bottle/cast", "/run/bottle/cast"),
            ("/bottle/home/.bottle/x", "/state/home/.bottle/x"),
            ("http://egress:8888", "http://egress:8888"),
            ("", ""),
        ] {
            assert_eq!(places.lead(text), led);
        }
    }

    #[test]
    fn every_url_of_a_sidecar_leads_to_its_port_here() {
        let ports = Ports {
            supervise: 1234,
            cred_proxy: 99,
            egress: 5678,
        };
        assert_eq!(
            ports.lead("http://supervise:9100/"),
            "http://127.0.0.1:1234/"
        );
        assert_eq!(ports.lead("http://egress:8888"), "http://127.0.0.1:5678");
        let mut value =
            serde_json::json!({"mcpServers": {"supervise": {"url": names::mcp::URL}}, "n": [1]});
        ports.lead_all(&mut value);
        assert_eq!(
            value["mcpServers"]["supervise"]["url"],
            "http://127.0.0.1:1234/"
        );
    }
}
