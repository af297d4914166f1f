//! CORE: one settings file, from what stands there to what shall stand there.

use super::document::{parse, rewrite};
use super::merge::{Rendered, merge};
use crate::config::seal::Fragment;
use serde_json::Map;

/// What to do with a settings file.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The new text; none: the file stays as it is (or stays away).
    pub text: Option<String>,
    /// Whether what stands there can't be read and has to be set aside.
    pub broken: bool,
    /// What somebody else had changed since the last start, as dotted places.
    pub changed: Vec<String>,
    /// For the next start.
    pub rendered: Rendered,
}

/// The file after `fragment`; `found` is its content now, `before` what was rendered into it last.
pub fn settle(fragment: &Fragment, found: Option<&[u8]>, before: &Rendered) -> Outcome {
    let text = found.map_or(Some(""), |bytes| std::str::from_utf8(bytes).ok());
    let content = text.and_then(|text| parse(fragment.format, text).ok());
    let broken = content.is_none();
    let text = text.filter(|_| !broken).unwrap_or_default();
    let content = content.unwrap_or_default();
    let merged = merge(content.clone(), fragment, before);
    Outcome {
        text: (merged.content != content)
            .then(|| rewrite(fragment.format, text, &content, &merged.content)),
        broken,
        // Of a file that was none, every place would be named.
        changed: if broken { Vec::new() } else { merged.changed },
        rendered: merged.rendered,
    }
}

/// A fragment that renders nothing into a file, and so takes back what `last` rendered there.
pub fn nothing(path: String, format: crate::config::seal::Format, last: &Rendered) -> Fragment {
    let mut entries: Vec<String> = last
        .values
        .keys()
        .filter_map(|pointer| pointer.split('/').nth(1))
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .collect();
    entries.dedup();
    Fragment {
        path,
        format,
        merge: Map::new().into(),
        entries,
    }
}
