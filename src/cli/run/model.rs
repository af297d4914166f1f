//! The key of the agent's model: the credential proxy is given it, the agent a dummy.

use crate::{
    agents::model,
    api::{Agent, AgentKind, Secret},
    cli::Error,
    local::place::Place,
};
use std::{collections::BTreeMap, env};

/// The secret's NAME in the Bottle.
const NAME: &str = "MODEL";
const KEY: &str = "key";

/// What may be said about the model.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The variable that holds the key of the agent's model, such as ANTHROPIC_API_KEY: the credential proxy gets the
    /// key, the agent a dummy.
    #[arg(long, value_name = "VARIABLE")]
    model_key_from: Option<String>,
    /// The only place that the key is sent to. Default: the vendor's, by the program.
    #[arg(long, value_name = "URL", requires = "model_key_from")]
    model_upstream: Option<String>,
    /// The model's name, for a program that must be told.
    #[arg(long, value_name = "NAME", requires = "model_key_from")]
    model: Option<String>,
}

/// Access to a model.
pub struct Access {
    value: String,
    upstream: String,
    host: String,
    model: Option<String>,
}

impl Flags {
    /// What was asked for, if anything was.
    pub fn access(&self, kind: AgentKind) -> Result<Option<Access>, Error> {
        let Some(variable) = &self.model_key_from else {
            return Ok(None);
        };
        let value = env::var_os(variable).and_then(|key| key.into_string().ok());
        let value = value.filter(|key| !key.trim().is_empty());
        let value = value.ok_or_else(|| {
            Error::Usage(format!(
                "--model-key-from {variable}: that variable is not set here: export it with the key, or name another"
            ))
        })?;
        let api = model::api(kind).ok_or_else(|| {
            Error::Usage(format!(
                "--model-key-from: which API a program of kind {} speaks is not known: write a Bottle with \
                 agent.modelApi and agent.modelSecret, and `bottle apply` it",
                kind.as_str()
            ))
        })?;
        let upstream = self.model_upstream.as_deref();
        let upstream = upstream.unwrap_or_else(|| model::upstream(api)).to_owned();
        let host = host(&upstream).ok_or_else(|| {
            Error::Usage(format!(
                "--model-upstream {upstream}: write it as https://HOST or https://HOST:PORT/PATH"
            ))
        })?;
        Ok(Some(Access {
            value,
            upstream,
            host,
            model: self.model.clone(),
        }))
    }
}

/// The host of an address as an entry of an allowlist.
fn host(upstream: &str) -> Option<String> {
    let uri: http::Uri = upstream.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?, uri.host()?);
    Some(match (scheme, uri.port_u16()) {
        ("https", None | Some(443)) => host.to_owned(),
        ("https" | "http", Some(port)) => format!("{host}:{port}"),
        ("http", None) => format!("{host}:80"),
        _ => return None,
    })
}

impl Access {
    /// Enters it into the Bottle.
    pub fn enter(&self, bottle: &str, agent: &mut Agent, secrets: &mut BTreeMap<String, Secret>) {
        agent.model.clone_from(&self.model);
        agent.model_secret = Some(NAME.to_owned());
        agent.model_upstream = Some(self.upstream.clone());
        let secret = Secret {
            secret_name: secret(bottle),
            key: KEY.to_owned(),
            hosts: vec![self.host.clone()],
        };
        secrets.insert(NAME.to_owned(), secret);
    }

    /// Writes the key where the proxy reads it.
    pub fn store(&self, place: &Place) -> Result<(), Error> {
        let (project, name) = (&place.key().project, &place.key().name);
        let state = place.state();
        Ok(state.put_secret(project, &secret(name), KEY, self.value.trim())?)
    }

    /// Takes it away.
    pub fn forget(place: &Place) -> Result<(), Error> {
        let (project, name) = (&place.key().project, &place.key().name);
        Ok(place.state().remove_secret(project, &secret(name))?)
    }
}

/// A Secret's name that no person gives: the rest of it is a process' number.
fn secret(bottle: &str) -> String {
    format!("bottle-run-{bottle}")
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_key_is_bound_to_the_host_and_port_of_its_upstream() {
        for (upstream, expected) in [
            ("https://api.example.com", Some("api.example.com")),
            ("https://api.example.com:443/v1", Some("api.example.com")),
            ("https://api.example.com:8443", Some("api.example.com:8443")),
            ("http://127.0.0.1:1/", Some("127.0.0.1:1")),
            ("http://model", Some("model:80")),
            ("api.example.com", None),
            ("ftp://api.example.com", None),
        ] {
            assert_eq!(host(upstream).as_deref(), expected, "{upstream}");
        }
    }
}
