//! User and password for a registry, as `docker login` writes them into a file.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// User and password, as the header says them.
#[derive(Clone)]
pub struct Credentials(pub(super) String);

impl Credentials {
    /// Those for `registry` in a file as docker writes it.
    pub fn find(text: &str, registry: &str) -> Option<Self> {
        let file: Value = serde_json::from_str(text).ok()?;
        let host = registry.split('/').next()?;
        let auths = file["auths"].as_object()?;
        let plain = |key: &str| {
            let bare = key
                .trim_start_matches("https://")
                .trim_start_matches("http://")
                .trim_end_matches('/');
            bare.to_owned()
        };
        let entry = auths.iter().find(|(key, _)| plain(key) == registry);
        let entry = entry.or_else(|| {
            auths
                .iter()
                .find(|(key, _)| plain(key).split('/').next() == Some(host))
        })?;
        if let Some(auth) = entry.1["auth"].as_str().filter(|auth| !auth.is_empty()) {
            return Some(Self(auth.to_owned()));
        }
        let (user, password) = (entry.1["username"].as_str()?, entry.1["password"].as_str()?);
        Some(Self(STANDARD.encode(format!("{user}:{password}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(registry: &str) -> Option<String> {
        let file = r#"{"auths": {
            "https://one.example/": {"auth": "b25l"},
            "two.example:5000": {"username": "u", "password": "p"},
            "two.example:5000/deep": {"auth": "ZGVlcA=="}}}"#;
        Credentials::find(file, registry).map(|one| one.0)
    }

    #[test]
    fn the_credential_of_this_registry_is_found_and_no_other() {
        assert_eq!(found("one.example/bottles").as_deref(), Some("b25l"));
        assert_eq!(found("two.example:5000"), Some(STANDARD.encode("u:p")));
        assert_eq!(found("two.example:5000/deep").as_deref(), Some("ZGVlcA=="));
        assert_eq!(found("evil.example"), None);
        assert_eq!(found("one.example.evil.example"), None);
        assert!(Credentials::find("no json", "one.example").is_none());
    }
}
