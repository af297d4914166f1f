//! The CustomResourceDefinitions that the types make.

use super::{Bottle, BottleClass, Proposal, room};
use crate::names;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::json;

/// All three, in the order in which `crds/` and `operator crds` list them.
pub fn crds() -> [CustomResourceDefinition; 3] {
    [
        with_rules(Bottle::crd(), name_rules()),
        BottleClass::crd(),
        with_rules(Proposal::crd(), json!([final_file_rule(), room::files()])),
    ]
}

/// A human's file that turned out to be invalid may be corrected; the rule needs the status beside the spec.
fn final_file_rule() -> serde_json::Value {
    json!({
        "rule": format!(
            "oldSelf.spec.decision == 'Pending' || (has(self.spec.finalFile) == has(oldSelf.spec.finalFile) && \
             (!has(self.spec.finalFile) || self.spec.finalFile == oldSelf.spec.finalFile)) || \
             (has(oldSelf.status) && has(oldSelf.status.conditions) && oldSelf.status.conditions.exists(c, \
             c.type == 'Applied' && c.status == 'False' && c.reason == '{}'))",
            names::REASON_INVALID_FINAL_FILE
        ),
        "message": "finalFile can't be changed after the decision, unless it could not be applied",
    })
}

/// A Bottle's name becomes part of other names.
fn name_rules() -> serde_json::Value {
    json!([{
        "rule": format!("size(self.metadata.name) <= {}", names::BOTTLE_NAME_MAX),
        "message": format!("a Bottle's name may have at most {} characters", names::BOTTLE_NAME_MAX),
    }, {
        "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "message": "a Bottle's name may have small letters, digits and dashes only",
    }])
}

/// Rules about more than the spec stand at the root of the schema.
fn with_rules(
    mut crd: CustomResourceDefinition,
    rules: serde_json::Value,
) -> CustomResourceDefinition {
    let rules: Option<Vec<_>> = serde_json::from_value(rules).ok();
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            schema.x_kubernetes_validations.clone_from(&rules);
        }
    }
    crd
}
