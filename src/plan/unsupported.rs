//! Fields that exist and are refused until they work: nothing is silently ignored.

use super::problem::Problem;
use crate::api::BottleSpec;

/// The first refused field of a Bottle's own.
pub fn in_bottle(spec: &BottleSpec) -> Result<(), Problem> {
    if spec.dockerfile.is_some() && spec.agent.image.is_none() {
        let field = "spec.dockerfile without spec.agent.image, the image that was built from it,";
        return Err(Problem::Unsupported { field });
    }
    Ok(())
}
