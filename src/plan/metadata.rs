//! Labels and owner of a bottle's objects.

use crate::{api::Bottle, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use std::collections::BTreeMap;

/// Labels of every object of a bottle.
pub fn labels(bottle: &str) -> BTreeMap<String, String> {
    [
        (names::LABEL_BOTTLE, bottle),
        (names::LABEL_NAME, names::APP_NAME),
        (names::LABEL_MANAGED_BY, names::PRODUCT),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The Bottle as the controlling owner; none before the API server gave it a uid.
pub fn owner(bottle: &Bottle) -> Option<OwnerReference> {
    bottle.controller_owner_ref(&())
}
