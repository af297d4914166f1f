//! Proposals for the other tests.

use crate::support::{
    cluster::Space,
    rest::{Patch, Requests, accepted, path::PROPOSALS},
};
use serde_json::{Value, json};

/// A question of `bottle`, under `name`.
pub fn question(bottle: &str, name: &str) -> Value {
    json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Proposal",
        "metadata": {"name": name},
        "spec": {
            "bottle": bottle,
            "bottleUID": "5c1f8a0e-0000-4000-8000-000000000000",
            "tool": "pipelock-block",
            "justification": "the documentation is there",
            "proposedFile": "docs.example\n",
            "baseFile": "",
        },
    })
}

/// A stored question of the bottle `demo`.
pub async fn asked(space: &Space, name: &str) -> Value {
    accepted(
        "a question",
        space.admin.create(PROPOSALS, &question("demo", name)).await,
    )
}

/// `value` with each of `changes`, by JSON pointer; null removes.
pub fn with(mut value: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, new) in changes {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = value.pointer_mut(parent).expect("the parent exists");
        let parent = parent.as_object_mut().expect("the parent is an object");
        if new.is_null() {
            parent.remove(key);
        } else {
            parent.insert(key.to_owned(), new.clone());
        }
    }
    value
}

/// Sets `decision` as `person`.
pub async fn decide(person: &Requests, name: &str, decision: &str) -> Value {
    accepted(
        decision,
        person
            .merge(PROPOSALS, name, json!({"spec": {"decision": decision}}))
            .await,
    )
}

/// Writes the status that the operator gives a grant whose file can't be applied, or another reason.
pub async fn applied_false(space: &Space, name: &str, reason: &str) {
    let status = json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Proposal",
        "metadata": {"name": name},
        "status": {"conditions": [{
            "type": "Applied",
            "status": "False",
            "reason": reason,
            "message": "line 1",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    let operator = space.operator().await.requests;
    accepted(
        "the operator's status",
        operator
            .patch(PROPOSALS, &format!("{name}/status"), Patch::Apply, &status)
            .await,
    );
}
