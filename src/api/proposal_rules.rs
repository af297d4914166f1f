//! The rules of a Proposal's spec that the API server keeps: what a question is, and which decisions are legal.

use serde_json::{Value, json};

/// The characters that are invisible or change how others are read, control characters apart: the same as
/// [`crate::config::text`] refuses. As short as it can be: the cost of a match counts the pattern's length, and files
/// of this size are near the limit.
const INVISIBLE: &str = r"\xad\x{34f}\x{61c}\x{115f}\x{1160}\x{17b4}\x{17b5}\x{180b}-\x{180f}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{2800}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff0}-\x{fffb}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}";

/// All of them, in the schema of the spec.
pub(super) fn rules() -> Value {
    let mut rules = vec![question(), undecided(), transition()];
    rules.extend(frozen());
    rules.extend(files());
    rules.extend(visible());
    Value::Array(rules)
}

fn question() -> Value {
    let same = [
        "bottle",
        "bottleUID",
        "tool",
        "proposedFile",
        "baseFile",
        "justification",
    ]
    .map(|field| format!("self.{field} == oldSelf.{field}"))
    .join(" && ");
    json!({
        "rule": same,
        "message": "the question can't be changed; only the decision can: decision, finalFile, notes, expiresAt",
    })
}

fn undecided() -> Value {
    let absent = [
        "finalFile",
        "expiresAt",
        "decidedBy",
        "decidedAt",
        "revokedBy",
        "revokedAt",
    ]
    .map(|field| format!("!has(self.{field})"))
    .join(" && ");
    json!({
        "rule": format!("oldSelf.hasValue() || (self.decision == 'Pending' && self.notes == '' && {absent})"),
        "optionalOldSelf": true,
        "message": "a Proposal is created undecided: leave out decision, finalFile, notes, expiresAt, decidedBy and decidedAt",
    })
}

fn transition() -> Value {
    json!({
        "rule": "self.decision == oldSelf.decision || \
                 (oldSelf.decision == 'Pending' && self.decision in ['Approved', 'Rejected']) || \
                 (oldSelf.decision == 'Approved' && self.decision == 'Revoked')",
        "message": "a pending Proposal becomes Approved or Rejected, an Approved one Revoked; nothing else",
    })
}

/// What stands after a decision. `finalFile` has its rule at the root, where the status can be read.
fn frozen() -> [Value; 3] {
    [
        json!({
            "rule": "oldSelf.decision == 'Pending' || self.decision != oldSelf.decision || self.notes == oldSelf.notes",
            "message": "notes can't be changed after the decision",
        }),
        json!({
            "rule": format!("oldSelf.decision == 'Pending' || ({} && {})", same("decidedBy"), same("decidedAt")),
            "message": "decidedBy and decidedAt can't be changed after the decision",
        }),
        json!({
            "rule": format!("oldSelf.decision != 'Revoked' || ({} && {})", same("revokedBy"), same("revokedAt")),
            "message": "revokedBy and revokedAt can't be changed after the revocation",
        }),
    ]
}

/// CEL: an optional field is as it was.
fn same(field: &str) -> String {
    format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    )
}

fn files() -> [Value; 2] {
    [
        json!({
            "rule": "size(bytes(self.proposedFile)) <= 131072 && size(bytes(self.baseFile)) <= 262144 && \
                     (!has(self.finalFile) || size(bytes(self.finalFile)) <= 131072)",
            "message": "a file may have at most 128 KiB",
        }),
        json!({
            "rule": "!has(self.finalFile) || self.decision in ['Pending', 'Approved', 'Revoked']",
            "message": "finalFile goes with an approval; leave it out of a rejection",
        }),
    ]
}

/// A reviewer must see what is there. A file may hold what can't be seen only where the file in force does: what a
/// Bottle declares stands, and the agent always sends the whole file. The sidecar looks line by line, and the diff
/// spells such characters out.
fn visible() -> [Value; 4] {
    let seen =
        |field: &str| format!(r"self.{field}.matches(r'^(?:[^\p{{Cc}}{INVISIBLE}]|\t|\r?\n)*$')");
    let in_force = format!("self.baseFile.matches(r'[{INVISIBLE}]')");
    let rule = |field: &str, rule: String| {
        json!({
            "rule": rule,
            "message": format!(
                "{field} holds a character that a reviewer can't see: control, zero-width or direction-changing; remove it"
            ),
        })
    };
    [
        rule("justification", seen("justification")),
        rule("notes", seen("notes")),
        rule(
            "proposedFile",
            format!("{} || {in_force}", seen("proposedFile")),
        ),
        rule(
            "finalFile",
            format!(
                "!has(self.finalFile) || {} || {in_force}",
                seen("finalFile")
            ),
        ),
    ]
}
