//! Single values of a Bottle that no schema can check: the agent's uid, names of variables, hosts, ranges, paths.

use super::{problem::Problem, settings::Settings};
use crate::{
    api::Egress,
    config::{allowlist::Allowlist, egress},
    names,
};
use std::collections::BTreeMap;

/// The agent's uid, which is no sidecar's.
pub(super) fn agent_uid(user: Option<i64>) -> Result<i64, Problem> {
    let user = user.unwrap_or(names::uid::AGENT_DEFAULT);
    if user < names::uid::AGENT_MIN || names::uid::RESERVED.contains(&user) {
        return Err(Problem::ReservedUser(user));
    }
    Ok(user)
}

/// The kind's variables under the Bottle's own.
pub(super) fn environment(
    kind: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut env = kind.clone();
    env.extend(own.clone());
    for name in env.keys() {
        let first_is_digit = name
            .chars()
            .next()
            .is_none_or(|first| first.is_ascii_digit());
        if first_is_digit
            || !name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        {
            return Err(Problem::EnvironmentName(name.clone()));
        }
    }
    Ok(env)
}

/// The lines of a declared list.
pub(super) fn allowlist(lines: &[String]) -> Result<Allowlist, Problem> {
    if let Some(line) = lines.iter().find(|line| line.contains(['\n', '\r'])) {
        return Err(Problem::Allowlist(format!(
            "{line:?} holds a line end; write one host per entry"
        )));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Allowlist::parse_declared(&text).map_err(|error| Problem::Allowlist(error.to_string()))
}

/// What egress is told besides the list.
pub(super) fn egress_file(
    declared: &Egress,
    settings: &Settings,
) -> Result<egress::Egress, Problem> {
    let parent_proxy = declared.parent_proxy.clone();
    if let Some(url) = &parent_proxy
        && !is_parent_proxy(url)
    {
        return Err(Problem::ParentProxy);
    }
    let allow_internal = declared
        .allow_internal
        .iter()
        .map(|range| range.parse().map_err(|_| Problem::Range(range.clone())))
        .collect::<Result<_, _>>()?;
    Ok(egress::Egress {
        allow_internal,
        deny: settings.deny.clone(),
        parent_proxy,
    })
}

/// A credential in it would stand in a ConfigMap.
fn is_parent_proxy(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|uri| {
        let host = uri.host().is_some_and(|host| !host.is_empty());
        let bare = uri.path() == "/" && uri.query().is_none();
        let scheme = uri.scheme_str() == Some("http");
        host && bare && scheme && !url.contains(['@', '#'])
    })
}

/// A mount there would hide a part of the seal.
pub(super) fn check_path(field: &'static str, path: &str) -> Result<(), Problem> {
    let taken = [
        "/run/bottle",
        "/etc/claude-bottle",
        "/var/run",
        "/proc",
        "/sys",
        "/dev",
        names::path::HOME,
    ];
    let clean =
        path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..");
    if !clean
        || taken
            .iter()
            .any(|prefix| path == *prefix || path.starts_with(&format!("{prefix}/")))
    {
        return Err(Problem::Path {
            field,
            path: path.into(),
        });
    }
    Ok(())
}
