//! CORE: one fragment merged into the settings file that is there.

use crate::config::{
    hex,
    seal::{Format, Fragment},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What was rendered into a file at the last start, without any value: enough to tell a change by somebody else, and
/// to take back what is no longer rendered. Keys are JSON pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rendered {
    /// Hash of each entry that is wholly ours, and of each single value.
    pub values: BTreeMap<String, String>,
    /// The items that we added to lists.
    pub items: BTreeMap<String, Vec<Value>>,
    /// The file's format, for taking back when it is rendered no longer.
    pub format: Format,
}

/// A merged file.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The new content.
    pub content: Map<String, Value>,
    /// What somebody else had changed since the last start, as dotted places.
    pub changed: Vec<String>,
    /// For the next start.
    pub rendered: Rendered,
}

/// Merges; `content` is what the file holds now, `before` what was rendered into it last.
pub fn merge(content: Map<String, Value>, fragment: &Fragment, before: &Rendered) -> Merged {
    let mut content = Value::Object(content);
    take_back(&mut content, fragment, before);
    let mut merge = Merge {
        before,
        entries: &fragment.entries,
        changed: Vec::new(),
        rendered: Rendered {
            format: fragment.format,
            ..Rendered::default()
        },
    };
    merge.object(&mut content, &fragment.merge, "");
    let Value::Object(content) = content else {
        unreachable!("an object is merged into an object")
    };
    Merged {
        content,
        changed: merge.changed,
        rendered: merge.rendered,
    }
}

/// Removes what we rendered once and don't any more: entries by name, items of lists.
fn take_back(content: &mut Value, fragment: &Fragment, before: &Rendered) {
    for pointer in before.values.keys() {
        let Some((parent, name)) = pointer.rsplit_once('/') else {
            continue;
        };
        let is_entry = fragment
            .entries
            .iter()
            .any(|key| parent == format!("/{}", escape(key)));
        let name = unescape(name);
        let ours = fragment.merge.pointer(parent);
        if !is_entry || ours.is_some_and(|ours| holds(ours, &name)) {
            continue;
        }
        match content.pointer_mut(parent) {
            Some(Value::Object(entries)) => drop(entries.remove(&name)),
            Some(Value::Array(list)) => list.retain(|item| !is_named(item, &name)),
            _ => {}
        }
    }
    for (pointer, items) in &before.items {
        let ours = fragment.merge.pointer(pointer).and_then(Value::as_array);
        let kept = |item: &Value| ours.is_some_and(|ours| ours.contains(item));
        if let Some(Value::Array(list)) = content.pointer_mut(pointer) {
            list.retain(|item| !items.contains(item) || kept(item));
        }
    }
}

fn holds(entries: &Value, name: &str) -> bool {
    match entries {
        Value::Object(map) => map.contains_key(name),
        Value::Array(list) => list.iter().any(|item| is_named(item, name)),
        _ => false,
    }
}

fn is_named(item: &Value, name: &str) -> bool {
    item.get("name").and_then(Value::as_str) == Some(name)
}

struct Merge<'a> {
    before: &'a Rendered,
    entries: &'a [String],
    changed: Vec<String>,
    rendered: Rendered,
}

impl Merge<'_> {
    fn object(&mut self, theirs: &mut Value, ours: &Value, at: &str) {
        let Value::Object(ours) = ours else { return };
        if !theirs.is_object() {
            self.misshapen(theirs, at);
            *theirs = Value::Object(Map::new());
        }
        let Value::Object(theirs) = theirs else {
            return;
        };
        let whole = self.is_entries(at);
        for (key, value) in ours {
            let at = format!("{at}/{}", escape(key));
            match value {
                Value::Object(_) if !whole => {
                    self.object(theirs.entry(key.clone()).or_insert(Value::Null), value, &at);
                }
                Value::Array(items) if !whole => {
                    let theirs = theirs.entry(key.clone()).or_insert(Value::Null);
                    if !theirs.is_array() {
                        self.misshapen(theirs, &at);
                        *theirs = Value::Array(Vec::new());
                    }
                    if self.is_entries(&at) {
                        self.named(theirs, items, &at);
                    } else {
                        self.list(theirs, items, &at);
                    }
                }
                _ => {
                    self.note(theirs.get(key), value, &at);
                    theirs.insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn is_entries(&self, at: &str) -> bool {
        self.entries
            .iter()
            .any(|key| at == format!("/{}", escape(key)))
    }

    /// Something stands in the place of an object or a list; it goes, and that is said.
    fn misshapen(&mut self, theirs: &Value, at: &str) {
        if !theirs.is_null() {
            self.changed.push(dotted(at));
        }
    }

    /// A list whose items are ours by name.
    fn named(&mut self, theirs: &mut Value, ours: &[Value], at: &str) {
        let Value::Array(theirs) = theirs else { return };
        for item in ours {
            let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
            let found = theirs.iter().position(|item| is_named(item, name));
            self.note(
                found.and_then(|index| theirs.get(index)),
                item,
                &format!("{at}/{}", escape(name)),
            );
            match found.and_then(|index| theirs.get_mut(index)) {
                Some(theirs) => theirs.clone_from(item),
                None => theirs.push(item.clone()),
            }
        }
    }

    /// A value that is ours alone.
    fn note(&mut self, theirs: Option<&Value>, ours: &Value, at: &str) {
        let found = theirs.map(hash);
        let new = hash(ours);
        let changed = match self.before.values.get(at) {
            Some(last) => found.as_ref() != Some(last),
            None => found.is_some_and(|found| found != new),
        };
        if changed {
            self.changed.push(dotted(at));
        }
        self.rendered.values.insert(at.to_owned(), new);
    }

    fn list(&mut self, theirs: &mut Value, ours: &[Value], at: &str) {
        let Value::Array(theirs) = theirs else { return };
        let last = self.before.items.get(at).map_or(&[][..], Vec::as_slice);
        let mut added = Vec::new();
        for item in ours {
            let there = theirs.contains(item);
            if !there {
                theirs.push(item.clone());
            }
            if last.contains(item) && !there && !self.changed.contains(&dotted(at)) {
                self.changed.push(dotted(at));
            }
            // What was there without us stays when we go.
            if !there || last.contains(item) {
                added.push(item.clone());
            }
        }
        self.rendered.items.insert(at.to_owned(), added);
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn dotted(pointer: &str) -> String {
    let parts: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
    parts.join(".")
}

fn hash(value: &Value) -> String {
    // Object keys are sorted by the map itself, so equal values have equal bytes.
    hex(&Sha256::digest(value.to_string()))
}
