//! Fields that exist and are refused until they work: nothing is silently ignored.

use super::problem::Problem;
use crate::api::BottleSpec;

/// The first refused field of a Bottle's own.
pub fn in_bottle(spec: &BottleSpec) -> Result<(), Problem> {
    first([(
        spec.dockerfile.is_some() && spec.agent.image.is_none(),
        "spec.dockerfile without spec.agent.image, the image that was built from it,",
    )])
}

fn first<const N: usize>(fields: [(bool, &'static str); N]) -> Result<(), Problem> {
    match fields.into_iter().find(|(set, _)| *set) {
        Some((_, field)) => Err(Problem::Unsupported { field }),
        None => Ok(()),
    }
}
