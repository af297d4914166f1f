//! What a Bottle last declared validly, kept in its ConfigMap: while the Bottle is invalid, grants end and rejections
//! are answered over that. Otherwise a typing error would hold open what a person closes.

use super::{fold::Effective, problem::Problem};
use crate::{
    api::Bottle,
    config::{Files, allowlist::Allowlist, decisions::Decisions, routes::Routes},
    names,
    proposal::today::{Hosts, Today},
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form in which [`Today`] is stored.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    allowlist: String,
    routes: String,
    /// The hosts of each secret, in an allowlist's form; null where any may be approved.
    secrets: BTreeMap<String, Option<String>>,
}

/// `declared` as the text of [`names::file::DECLARED`].
pub fn write(declared: &Today) -> String {
    super::files::pretty(&Stored {
        allowlist: declared.allowlist.render(),
        routes: declared.routes.render(),
        secrets: declared
            .secrets
            .iter()
            .map(|(name, hosts)| (name.clone(), hosts.0.as_ref().map(Allowlist::render)))
            .collect(),
    })
}

/// What stands in a bottle's ConfigMap; none in one that an older operator wrote.
pub fn read(config_map: &ConfigMap) -> Option<Today> {
    let text = config_map.data.as_ref()?.get(names::file::DECLARED)?;
    let stored: Stored = serde_json::from_str(text).ok()?;
    let secrets = stored.secrets.into_iter().map(|(name, hosts)| {
        let hosts = hosts
            .map(|text| Allowlist::parse_declared(&text))
            .transpose();
        Some((name, Hosts(hosts.ok()?)))
    });
    Some(Today {
        allowlist: Allowlist::parse_declared(&stored.allowlist).ok()?,
        routes: Routes::parse_declared(&stored.routes).ok()?,
        secrets: secrets.collect::<Option<_>>()?,
        // The stored ConfigMap's own Dockerfile stays, and so does the pod.
        ..Today::default()
    })
}

/// The stored ConfigMap with another effective config and other decisions; the rest of it stays as it is.
pub fn config_map(
    bottle: &Bottle,
    stored: &ConfigMap,
    effective: &Effective,
    decisions: Decisions,
) -> Result<(ConfigMap, Files), Problem> {
    let mut data = stored.data.clone().unwrap_or_default();
    let kept = |name: &str| data.get(name).cloned().unwrap_or_default();
    let files = Files {
        routes: effective.routes.render(),
        allowlist: effective.allowlist.render(),
        dockerfile: kept(names::file::DOCKERFILE),
        egress: kept(names::file::EGRESS),
    };
    super::files::fits(&files, &kept(names::file::DECLARED))?;
    data.insert(names::file::ROUTES.to_owned(), files.routes.clone());
    data.insert(names::file::ALLOWLIST.to_owned(), files.allowlist.clone());
    data.insert(names::file::HASH.to_owned(), files.hash());
    super::files::add_decisions(&mut data, decisions);
    let mut config_map = super::files::empty_config_map(bottle);
    config_map.data = Some(data);
    Ok((config_map, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_reads_back_as_it_was_written() {
        let declared = Today {
            allowlist: Allowlist::parse_declared("a.example.com\n.b.example.org\nc.example.com:8443\n").unwrap(),
            routes: Routes::parse_declared(r#"{"routes": [{"path": "/a/", "upstream": "https://a.example.com", "auth": {"scheme": "Bearer", "secret": "A"}}]}"#).unwrap(),
            secrets: BTreeMap::from([
                ("A".to_owned(), Hosts(Some(Allowlist::parse_declared("a.example.com").unwrap()))),
                ("B".to_owned(), Hosts(None)),
            ]),
            ..Today::default()
        };
        let config_map = |text: String| ConfigMap {
            data: Some(BTreeMap::from([(names::file::DECLARED.to_owned(), text)])),
            ..ConfigMap::default()
        };
        assert_eq!(read(&config_map(write(&declared))), Some(declared));
        for broken in [
            "",
            "{}",
            r#"{"allowlist": "https://x", "routes": "{\"routes\": []}", "secrets": {}}"#,
        ] {
            assert_eq!(read(&config_map(broken.to_owned())), None, "{broken}");
        }
    }
}
