//! Reading Bottles from YAML, and naming what is in them that no Bottle has; pure.

use crate::{api::Bottle, yaml};
use kube::Resource as _;
use serde_json::Value;

/// A manifest that can't be applied.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No YAML, or a field of a wrong type.
    #[error("document {number} is no valid object")]
    Invalid {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: yaml::Error,
    },
    /// Another kind.
    #[error(
        "document {number} is of kind {kind:?}; only Bottles of {} are applied here",
        crate::names::GROUP
    )]
    Kind {
        /// Which, from 1.
        number: usize,
        /// What it says.
        kind: String,
    },
    /// A field that no Bottle has: a slip, which must not be ignored.
    #[error("document {number} has {field}, which no Bottle has: correct or remove it")]
    Unknown {
        /// Which, from 1.
        number: usize,
        /// Its path.
        field: String,
    },
    /// Without a name.
    #[error("document {number} has no metadata.name")]
    NoName {
        /// Which, from 1.
        number: usize,
    },
}

/// One Bottle as it was written, and as it was understood.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The name.
    pub name: String,
    /// As written, for a server-side apply: only these fields are owned.
    pub written: Value,
    /// As understood.
    pub bottle: Bottle,
}

/// Every document of the text.
pub fn read(text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let documents = split(text);
    documents
        .iter()
        .enumerate()
        .map(|(at, document)| one(at + 1, document))
        .collect()
}

fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line == "---" || line.starts_with("--- ") {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let has_content = |document: &String| {
        document
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    };
    documents.retain(has_content);
    documents
}

fn one(number: usize, text: &str) -> Result<Manifest, ManifestError> {
    let invalid = |source| ManifestError::Invalid { number, source };
    let written: Value = yaml::from_str(text).map_err(invalid)?;
    let word = |field: &str| written[field].as_str().unwrap_or_default().to_owned();
    if word("kind") != "Bottle" || word("apiVersion") != Bottle::api_version(&()) {
        let kind = format!("{} {}", word("apiVersion"), word("kind"));
        return Err(ManifestError::Kind { number, kind });
    }
    let bottle: Bottle = yaml::from_str(text).map_err(invalid)?;
    let understood = serde_json::to_value(&bottle).unwrap_or_default();
    if let Some(field) = unknown(&written["spec"], &understood["spec"], "spec") {
        return Err(ManifestError::Unknown { number, field });
    }
    let name = bottle
        .metadata
        .name
        .clone()
        .ok_or(ManifestError::NoName { number })?;
    Ok(Manifest {
        name,
        written,
        bottle,
    })
}

/// The first field of `written` that did not survive being understood. Empty values mean nothing and may go.
fn unknown(written: &Value, understood: &Value, path: &str) -> Option<String> {
    match (written, understood) {
        (Value::Object(fields), other) => fields.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match other.get(name) {
                None if is_empty(value) => None,
                None => Some(path),
                Some(there) => unknown(value, there, &path),
            }
        }),
        (Value::Array(items), Value::Array(others)) => items
            .iter()
            .zip(others)
            .enumerate()
            .find_map(|(at, (item, other))| unknown(item, other, &format!("{path}[{at}]"))),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bottle(spec: &str) -> String {
        format!(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {{name: b}}\nspec: {spec}\n"
        )
    }

    #[test]
    fn several_documents_and_comments_are_read() {
        let text = format!(
            "# head\n---\n{}---\n# nothing\n---\n{}",
            bottle("{}"),
            bottle("{allowlist: []}")
        );
        assert_eq!(read(&text).unwrap().len(), 2);
    }

    #[test]
    fn a_slip_is_named_with_its_path() {
        for (spec, field) in [
            ("{allowlists: [a.example]}", "spec.allowlists"),
            ("{agent: {imagE: x}}", "spec.agent.imagE"),
            ("{mcpServers: {a: {urll: x}}}", "spec.mcpServers.a.urll"),
        ] {
            let error = read(&bottle(spec)).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn other_kinds_are_refused() {
        let error = read("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n").unwrap_err();
        assert!(matches!(error, ManifestError::Kind { .. }));
    }
}
