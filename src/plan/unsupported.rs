//! Fields that exist and are refused until they work: nothing is silently ignored.

use super::problem::Problem;
use crate::api::{BottleSpec, Rollout};

/// The first refused field of a Bottle's own.
pub fn in_bottle(spec: &BottleSpec) -> Result<(), Problem> {
    let workspace = spec.workspace.clone().unwrap_or_default();
    first([
        (
            spec.dockerfile.is_some() && spec.agent.image.is_none(),
            "spec.dockerfile without spec.agent.image, the image that was built from it,",
        ),
        (workspace.size.is_some(), "spec.workspace.size"),
        (
            workspace.storage_class_name.is_some(),
            "spec.workspace.storageClassName",
        ),
        (workspace.git.is_some(), "spec.workspace.git"),
        (spec.rollout == Some(Rollout::Roll), "spec.rollout Roll"),
        (spec.ttl_after_finished.is_some(), "spec.ttlAfterFinished"),
    ])
}

fn first<const N: usize>(fields: [(bool, &'static str); N]) -> Result<(), Problem> {
    match fields.into_iter().find(|(set, _)| *set) {
        Some((_, field)) => Err(Problem::Unsupported { field }),
        None => Ok(()),
    }
}
