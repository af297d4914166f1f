//! Reading Bottles and what they share from YAML, and naming what is in them that no such object has; pure.

use super::kind::Kind;
use crate::{
    api::{Bottle, BottleClass},
    yaml,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt as _};
use serde::{Serialize, de::DeserializeOwned};
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
        "document {number} is of kind {kind:?}; only Bottles and BottleClasses of {}, and ConfigMaps of v1, are applied here",
        crate::names::GROUP
    )]
    Kind {
        /// Which, from 1.
        number: usize,
        /// What it says.
        kind: String,
    },
    /// A field that no such object has: a slip, which must not be ignored.
    #[error("document {number} has {field}, which no {kind} has: correct or remove it")]
    Unknown {
        /// Which, from 1.
        number: usize,
        /// Its path.
        field: String,
        /// Of what.
        kind: &'static str,
    },
    /// Without a name.
    #[error("document {number} has no metadata.name")]
    NoName {
        /// Which, from 1.
        number: usize,
    },
}

/// One object as it was written, and as it was understood.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The name.
    pub name: String,
    /// As written, for a server-side apply: only these fields are owned.
    pub written: Value,
    /// As understood.
    pub object: Object,
}

/// What can be applied.
#[derive(Clone, Debug)]
pub enum Object {
    /// A Bottle.
    Bottle(Box<Bottle>),
    /// A class.
    Class(Box<BottleClass>),
    /// Files for skills, or certificates.
    ConfigMap(Box<ConfigMap>),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Bottle(_) => Kind::Bottle,
            Self::Class(_) => Kind::Class,
            Self::ConfigMap(_) => Kind::ConfigMap,
        }
    }
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
    let is = |kind: &str, version: &str| word("kind") == kind && word("apiVersion") == version;
    let (name, object) = if is("Bottle", &Bottle::api_version(&())) {
        let (name, bottle) = understood(number, text, &written, "Bottle")?;
        (name, Object::Bottle(Box::new(bottle)))
    } else if is("BottleClass", &BottleClass::api_version(&())) {
        let (name, class) = understood(number, text, &written, "BottleClass")?;
        (name, Object::Class(Box::new(class)))
    } else if is("ConfigMap", "v1") {
        let (name, map) = understood(number, text, &written, "ConfigMap")?;
        (name, Object::ConfigMap(Box::new(map)))
    } else {
        let kind = format!("{} {}", word("apiVersion"), word("kind"));
        return Err(ManifestError::Kind { number, kind });
    };
    Ok(Manifest {
        name,
        written,
        object,
    })
}

/// The object and its name, when every field of it says something.
fn understood<K>(
    number: usize,
    text: &str,
    written: &Value,
    kind: &'static str,
) -> Result<(String, K), ManifestError>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let object: K =
        yaml::from_str(text).map_err(|source| ManifestError::Invalid { number, source })?;
    let understood = serde_json::to_value(&object).unwrap_or_default();
    let fields = written.as_object().into_iter().flatten();
    let mut said = fields.filter(|(name, _)| !["metadata", "status"].contains(&name.as_str()));
    let slip = said.find_map(|(name, value)| match understood.get(name) {
        None if is_empty(value) => None,
        None => Some(name.clone()),
        Some(there) => unknown(value, there, name),
    });
    if let Some(field) = slip {
        return Err(ManifestError::Unknown {
            number,
            field,
            kind,
        });
    }
    if object.meta().name.is_none() {
        return Err(ManifestError::NoName { number });
    }
    Ok((object.name_any(), object))
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
    fn a_class_is_read_beside_its_bottles_and_has_fields_of_its_own() {
        let class =
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: BottleClass\nmetadata: {name: c}\nspec: ";
        let text = format!("{class}{{rollPercent: 5}}\n---\n{}", bottle("{class: c}"));
        let both = read(&text).unwrap();
        assert!(matches!(both[0].object, Object::Class(_)) && both[0].name == "c");
        assert!(matches!(both[1].object, Object::Bottle(_)));
        let error = read(&format!("{class}{{secrets: {{A: {{}}}}}}\n")).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("spec.secrets") && said.contains("no BottleClass"),
            "{said}"
        );
    }

    #[test]
    fn a_config_map_s_keys_are_its_own_and_other_fields_are_slips() {
        let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fly}\n";
        let text = format!("{head}data: {{SKILL.md: '', b: x}}\nbinaryData: {{c: /w==}}\n");
        let read_one = &read(&text).unwrap()[0];
        assert!(matches!(&read_one.object, Object::ConfigMap(map) if map.data.is_some()));
        for (rest, field) in [("dta: {a: b}", "dta"), ("spec: {a: b}", "spec")] {
            let error = read(&format!("{head}{rest}\n")).unwrap_err().to_string();
            assert!(
                error.contains(&format!("has {field}, which no ConfigMap")),
                "{error}"
            );
        }
        let error = read(&(bottle("{}") + "sepc: {a: b}\n")).unwrap_err();
        assert!(error.to_string().contains("sepc"), "{error}");
    }

    #[test]
    fn other_kinds_are_refused() {
        let error = read("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n").unwrap_err();
        assert!(matches!(error, ManifestError::Kind { .. }));
    }
}
