//! The API server's log of what operators asked for.

use crate::{
    process::PATIENCE,
    support::{
        cluster::{OPERATOR, OPERATOR_NAMESPACE, Space},
        eventually,
        rest::accepted,
    },
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

/// `verb resource.group/subresource`
pub type Right = String;

/// What was asked for.
#[derive(Default)]
pub struct Asked {
    pub used: BTreeSet<Right>,
    /// What of it was refused by role.
    pub refused: BTreeSet<Right>,
}

/// Fails unless operators ask for each of `granted` and for nothing else, of the objects that are `ours`.
pub async fn is_what_is_used(granted: &BTreeSet<Right>, ours: impl Fn(&Value) -> bool) {
    let written = eventually(
        "the API server has written all of it down",
        PATIENCE,
        async || granted.is_subset(&read(&ours).used).then_some(()),
    );
    let in_time = tokio::time::timeout(PATIENCE / 3, written).await;
    let Asked { used, refused } = read(&ours);
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(in_time.is_ok(), "the role has what nobody uses: {unused:?}");
    let beyond: Vec<_> = used.difference(granted).collect();
    assert!(beyond.is_empty(), "used, but in no rule: {beyond:?}");
    assert!(refused.is_empty(), "refused by role: {refused:?}");
}

/// What one of the chart's roles gives; `path` may be that of the operator's own namespace.
pub async fn granted(space: &Space, path: &str, name: &str) -> BTreeSet<Right> {
    let system = space.admin.elsewhere(OPERATOR_NAMESPACE);
    let role = accepted(name, system.get(path, name).await);
    let words = |rule: &Value, key: &str| -> Vec<String> {
        serde_json::from_value(rule[key].clone()).expect("a list of words")
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().expect("rules") {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                let (resource, sub) = resource.split_once('/').unwrap_or((&resource, ""));
                for verb in words(rule, "verbs") {
                    rights.insert(right(&verb, &group, resource, sub));
                }
            }
        }
    }
    rights
}

fn right(verb: &str, group: &str, resource: &str, subresource: &str) -> Right {
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if subresource.is_empty() { "" } else { "/" };
    format!("{verb} {resource}{dot}{group}{slash}{subresource}")
}

/// What operators asked for of the objects that are `ours`; what the tests themselves ask for by that account is apart.
pub fn read(ours: impl Fn(&Value) -> bool) -> Asked {
    let state = std::env::var_os("BOT_BOTTLE_STATE_DIR").expect("the cluster's own directory");
    let log = fs::File::open(PathBuf::from(state).join("log/audit.log")).expect("an audit log");
    let mut asked = Asked::default();
    let account = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}");
    for line in BufReader::new(log).lines() {
        let Ok(event) = serde_json::from_str::<Value>(&line.expect("a line")) else {
            continue;
        };
        let object = &event["objectRef"];
        let agent = event["userAgent"].as_str().unwrap_or_default();
        if event["user"]["username"] != account.as_str()
            || !agent.starts_with("bot-bottle")
            || object.is_null()
            || !ours(object)
        {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |verb: &str| {
            right(
                verb,
                &text(&object["apiGroup"]),
                &text(&object["resource"]),
                &text(&object["subresource"]),
            )
        };
        let verb = text(&event["verb"]);
        match event["responseStatus"]["code"].as_u64() {
            Some(403) if event["annotations"]["authorization.k8s.io/decision"] == "forbid" => {
                asked.refused.insert(of(&verb));
            }
            // An apply that makes the object needs both.
            Some(201) if verb == "patch" => {
                asked.used.extend([of("patch"), of("create")]);
            }
            _ => {
                asked.used.insert(of(&verb));
            }
        }
    }
    asked
}
