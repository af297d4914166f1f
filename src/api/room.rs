//! Room in etcd: a Proposal that holds the most that its bounds allow still fits into one request of 1.5 MiB.
//!
//! etcd holds JSON, in which one byte can take six (`<` is `\\u003c`). So the texts that fill a Proposal are bounded
//! as they are stored; all other bounds of the schema, times six, have their place beside them:
//!
//! | what | bytes |
//! | --- | --- |
//! | the three files | 580,000 |
//! | justification, notes | 98,304 |
//! | diff | 405,072 |
//! | change, warnings | 213,792 |
//! | conditions, message, reason, summary | 184,000 |
//! | names, managed fields | the rest, 90,000 |

use serde_json::{Value, json};

/// Bytes that the three files of a Proposal may take in etcd.
const FILES: u32 = 580_000;
/// Bytes of a diff's lines before they are stored; the core stops at 64 KiB and says so in one more line.
const DIFF: u32 = 67_000;

/// Bounds the files of a Proposal, at the root of its schema.
pub(super) fn files() -> Value {
    let stored = ["proposedFile", "baseFile"]
        .map(|field| stored(&format!("self.spec.{field}")))
        .join(" + ");
    let final_file = stored_if("self.spec", "finalFile");
    json!({
        "rule": format!("{stored} + {final_file} <= {FILES}"),
        "message": "the files are too large together: quotes and line ends take two bytes each, <, > and & six",
    })
}

/// Bounds the diff, in the schema of the status.
pub(super) fn diff() -> Value {
    json!([{
        "rule": format!("!has(self.diff) || self.diff.map(l, size(bytes(l))).sum() <= {DIFF}"),
        "message": format!("the lines of diff may have at most {DIFF} bytes together"),
    }])
}

fn stored_if(parent: &str, field: &str) -> String {
    format!(
        "(has({parent}.{field}) ? {} : 0)",
        stored(&format!("{parent}.{field}"))
    )
}

/// CEL for the bytes that a string takes in etcd: itself, five more for `<`, `>` and `&`, one more for what JSON
/// escapes with a backslash.
fn stored(text: &str) -> String {
    let more = [
        ("<", 5),
        (">", 5),
        ("&", 5),
        ("\\n", 1),
        ("\\t", 1),
        ("\\r", 1),
        ("\"", 1),
        ("\\\\", 1),
    ]
    .map(|(character, bytes)| format!("{bytes} * (size({text}.split('{character}')) - 1)"))
    .join(" + ");
    format!("(size(bytes({text})) + {more})")
}
