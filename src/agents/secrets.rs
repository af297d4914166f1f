//! `${SECRET:NAME}` in settings: which there are, and their replacement by values.

use crate::config::seal::Fragment;
use serde_json::Value;
use std::collections::BTreeMap;

const OPEN: &str = "${SECRET:";

/// `${SECRET:` that isn't followed by a NAME and `}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is written as ${{SECRET:NAME}}")]
pub struct Malformed;

/// Why fragments can't be resolved; nothing of them may be written then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A secret without a value.
    #[error("MissingSecret: {name}, used by {}", .places.join(", "))]
    Missing {
        /// NAME.
        name: String,
        /// Where it is used, such as `mcpServers.x.env.Y`.
        places: Vec<String>,
    },
    /// `${SECRET:` that is no reference.
    #[error("{place}: write a secret as ${{SECRET:NAME}}")]
    Malformed {
        /// Where.
        place: String,
    },
}

/// Whether a NAME is one: it is a file's name too, so it can't lead anywhere else.
pub fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    name.len() <= 253 && name.bytes().all(legal) && !name.starts_with('.') && !name.is_empty()
}

/// The NAMEs in a text, in order.
pub fn names_in(text: &str) -> Result<Vec<&str>, Malformed> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(OPEN) {
        let (name, tail) = after.split_once('}').ok_or(Malformed)?;
        if !is_name(name) {
            return Err(Malformed);
        }
        names.push(name);
        rest = tail;
    }
    Ok(names)
}

/// Every NAME that the fragments use, and where.
pub fn secrets_used(fragments: &[Fragment]) -> BTreeMap<String, Vec<String>> {
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for fragment in fragments {
        visit(&fragment.merge, "", &mut |place, text| {
            for name in names_in(text).unwrap_or_default() {
                used.entry(name.to_owned())
                    .or_default()
                    .push(place.to_owned());
            }
        });
    }
    used
}

/// The fragments with every reference replaced. What a value brings is not read again for references.
pub fn resolve(
    fragments: &[Fragment],
    values: &BTreeMap<String, String>,
) -> Result<Vec<Fragment>, ResolveError> {
    for fragment in fragments {
        let mut bad = None;
        visit(&fragment.merge, "", &mut |place, text| {
            if names_in(text).is_err() {
                bad = Some(place.to_owned());
            }
        });
        if let Some(place) = bad {
            return Err(ResolveError::Malformed { place });
        }
    }
    let used = secrets_used(fragments);
    if let Some((name, places)) = used
        .into_iter()
        .find(|(name, _)| !values.contains_key(name))
    {
        return Err(ResolveError::Missing { name, places });
    }
    let mut resolved = fragments.to_vec();
    for fragment in &mut resolved {
        replace(&mut fragment.merge, values);
    }
    Ok(resolved)
}

fn visit(value: &Value, place: &str, see: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(place, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &format!("{place}[{index}]"), see);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let dot = if place.is_empty() { "" } else { "." };
                visit(item, &format!("{place}{dot}{key}"), see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace(value: &mut Value, values: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => *text = filled(text, values),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, values)),
        Value::Object(map) => map.values_mut().for_each(|item| replace(item, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            rest = after;
            break;
        };
        filled.push_str(values.get(name).map_or("", String::as_str));
        rest = tail;
    }
    filled + rest
}
