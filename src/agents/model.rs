//! How each kind of agent is pointed at a model: its address is cred-proxy's, its key a dummy.

use super::kinds;
use crate::api::{AgentKind, ModelApi};
use crate::config::routes::{Auth, Scheme};

/// Stands where an agent program insists on a key. cred-proxy drops it and sends the real one.
pub const DUMMY_KEY: &str = "not-a-key-the-credential-proxy-has-it";

/// Address of cred-proxy for the agent.
pub const CRED_PROXY: &str = "http://cred-proxy:9099";

/// Address of the model for the agent, without a slash at the end.
pub const BASE_URL: &str = "http://cred-proxy:9099/model";

/// The path of its route.
pub const PATH: &str = "/model/";

/// Two environment variables of an agent program: the model's address and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variables {
    /// Name of the variable with the address.
    pub base_url: &'static str,
    /// What the program expects behind [`BASE_URL`].
    pub suffix: &'static str,
    /// Name of the variable with the key.
    pub key: &'static str,
}

impl Variables {
    /// Names and values.
    pub fn values(&self) -> [(String, String); 2] {
        [
            (
                self.base_url.to_owned(),
                format!("{BASE_URL}{}", self.suffix),
            ),
            (self.key.to_owned(), DUMMY_KEY.to_owned()),
        ]
    }
}

/// The API that a kind speaks, by the table; none: the Bottle must say it.
pub fn api(kind: AgentKind) -> Option<ModelApi> {
    kinds::kind(kind.as_str()).ok()?.model.as_ref()?.api
}

/// The variables that a kind reads. Programs that take the address from a file only get them too: they do no harm.
pub fn variables(kind: AgentKind, api: ModelApi) -> Variables {
    let of = |base_url, suffix, key| Variables {
        base_url,
        suffix,
        key,
    };
    match (kind, api) {
        (AgentKind::Copilot, ModelApi::OpenAI) => of(
            "COPILOT_PROVIDER_BASE_URL",
            "/v1",
            "COPILOT_PROVIDER_API_KEY",
        ),
        (_, ModelApi::Anthropic) => of("ANTHROPIC_BASE_URL", "", "ANTHROPIC_API_KEY"),
        (_, ModelApi::OpenAI) => of("OPENAI_BASE_URL", "/v1", "OPENAI_API_KEY"),
        (_, ModelApi::Gemini) => of("GOOGLE_GEMINI_BASE_URL", "", "GEMINI_API_KEY"),
    }
}

/// The vendor's own address.
pub fn upstream(api: ModelApi) -> &'static str {
    match api {
        ModelApi::Anthropic => "https://api.anthropic.com",
        ModelApi::OpenAI => "https://api.openai.com",
        ModelApi::Gemini => "https://generativelanguage.googleapis.com",
    }
}

/// Where the vendor wants the key.
pub fn auth(api: ModelApi, secret: &str) -> Auth {
    let header = |name: &str| Auth::Header {
        header: name.to_owned(),
        template: "{secret}".to_owned(),
        secret: secret.to_owned(),
    };
    match api {
        ModelApi::Anthropic => header("x-api-key"),
        ModelApi::Gemini => header("x-goog-api-key"),
        ModelApi::OpenAI => Auth::Scheme {
            scheme: Scheme::Bearer,
            user: None,
            secret: secret.to_owned(),
        },
    }
}
