//! The CustomResourceDefinitions that the types make.

use super::{Bottle, BottleClass, Proposal};
use crate::names;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::json;

/// All three, in the order in which `crds/` and `operator crds` list them.
pub fn crds() -> [CustomResourceDefinition; 3] {
    [
        with_name_rule(Bottle::crd()),
        BottleClass::crd(),
        Proposal::crd(),
    ]
}

/// A Bottle's name becomes part of other names; the rule can only stand at the root of the schema.
fn with_name_rule(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let rule = json!([{
        "rule": format!("size(self.metadata.name) <= {}", names::BOTTLE_NAME_MAX),
        "message": format!("a Bottle's name may have at most {} characters", names::BOTTLE_NAME_MAX),
    }, {
        "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "message": "a Bottle's name may have small letters, digits and dashes only",
    }]);
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            schema.x_kubernetes_validations = serde_json::from_value(rule.clone()).ok();
        }
    }
    crd
}
