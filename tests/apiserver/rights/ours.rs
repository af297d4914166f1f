//! What may be tried with Bottles, classes and Proposals.

use super::deed::Deed;
use crate::{
    proposals::{question, with},
    support::rest::path::{BOTTLES, CLASSES, PROPOSALS},
};
use serde_json::{Value, json};

/// The question that is open.
const OPEN: &str = "demo-000000000001";
/// The one that is approved.
const APPROVED: &str = "demo-000000000002";

/// A Bottle that declares nothing.
pub fn bottle(name: &str) -> Value {
    json!({"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "metadata": {"name": name}, "spec": {}})
}

fn owners() -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "ordinary", "uid": "5c1f8a0e-0000-4000-8000-000000000000"}])
}

pub fn bottles() -> Vec<Deed> {
    let class = json!({"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "BottleClass", "metadata": {"name": "rights"}, "spec": {}});
    vec![
        Deed::read("read Bottles", BOTTLES, ""),
        Deed::make("make a Bottle", BOTTLES, bottle("made")),
        Deed::change(
            "edit a Bottle",
            BOTTLES,
            "demo",
            json!({"spec": {"allowlist": ["a.example"]}}),
        ),
        Deed::delete("delete a Bottle", BOTTLES, "demo"),
        Deed::change(
            "report on the Bottle demo",
            BOTTLES,
            "demo/status",
            json!({"status": {"sidecar": {"generation": 1}}}),
        ),
        Deed::change(
            "  write the operator's part of that status",
            BOTTLES,
            "demo/status",
            json!({"status": {"phase": "Failed"}}),
        ),
        Deed::read("read classes", CLASSES, ""),
        Deed::make("make a class", CLASSES, class),
    ]
}

pub fn questions() -> Vec<Deed> {
    let decide = |decision: &str| json!({"spec": {"decision": decision}});
    let forged = |key: &str, value: &str| json!({"spec": {"decision": "Approved", key: value}});
    let ask = || question("demo", "demo-0123456789ab");
    let metadata = |key: &str, value: Value| json!({"metadata": {key: value}});
    vec![
        Deed::read("read Proposals", PROPOSALS, ""),
        Deed::make("ask for the bottle demo", PROPOSALS, ask()),
        Deed::make(
            "  decided already",
            PROPOSALS,
            with(ask(), &[("/spec/decision", json!("Approved"))]),
        ),
        Deed::make(
            "  with an owner that takes it along",
            PROPOSALS,
            with(ask(), &[("/metadata/ownerReferences", owners())]),
        ),
        Deed::make(
            "  under another bottle's name",
            PROPOSALS,
            question("demo", "other-0123456789ab"),
        ),
        Deed::change("approve", PROPOSALS, OPEN, decide("Approved")),
        Deed::change(
            "  in another's name",
            PROPOSALS,
            OPEN,
            forged("decidedBy", "somebody-else"),
        ),
        Deed::change(
            "  at another time",
            PROPOSALS,
            OPEN,
            forged("decidedAt", "2020-01-01T00:00:00Z"),
        ),
        Deed::change(
            "  and change the question",
            PROPOSALS,
            OPEN,
            json!({"spec": {"decision": "Approved", "proposedFile": "evil.example\n"}}),
        ),
        Deed::change("reject", PROPOSALS, OPEN, decide("Rejected")),
        Deed::change("revoke", PROPOSALS, APPROVED, decide("Revoked")),
        Deed::change(
            "  and take the approval off its record",
            PROPOSALS,
            APPROVED,
            json!({"spec": {"decision": "Revoked", "decidedBy": null}}),
        ),
        Deed::change(
            "label a Proposal",
            PROPOSALS,
            APPROVED,
            metadata("labels", json!({"a": "b"})),
        ),
        Deed::change(
            "  give it an owner that takes it along",
            PROPOSALS,
            APPROVED,
            metadata("ownerReferences", owners()),
        ),
        Deed::delete("delete a Proposal", PROPOSALS, APPROVED),
        Deed::change(
            "report on a question of demo",
            PROPOSALS,
            &format!("{OPEN}/status"),
            json!({"status": {"sidecar": {"asked": 1}}}),
        ),
        Deed::change(
            "  write the operator's part of that status",
            PROPOSALS,
            &format!("{APPROVED}/status"),
            json!({"status": {"phase": "Enforced"}}),
        ),
    ]
}
