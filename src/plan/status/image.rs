//! What a Bottle says of images that Dockerfiles became.

use super::facts::Fact;
use crate::{
    api::BuildStage,
    plan::builds::Declared,
    proposal::condition::{FALSE, TRUE, UNKNOWN},
};

/// About images that Dockerfiles became; none where there are none.
pub(super) fn image_built(
    built: Option<&str>,
    unusable: Option<&str>,
    declared: Option<&Declared>,
) -> Option<Fact> {
    if let Some(why) = unusable {
        let text = format!(
            "the image that the agent shall run can't be used, and the one that runs stays: {why}"
        );
        return Some(Fact::new(FALSE, "ImageUnusable", text));
    }
    if let Some(image) = built {
        return Some(Fact::new(
            TRUE,
            "Built",
            format!("the agent's image is {image}, built from an approved Dockerfile"),
        ));
    }
    let declared = declared?;
    let status = &declared.status;
    let stage = status.build.stage;
    Some(match (&status.failed, status.build.image.as_deref()) {
        (Some(failed), _) => Fact::new(FALSE, word(&failed.reason), &*failed.message),
        (None, Some(image)) if stage == BuildStage::Running => Fact::new(
            TRUE,
            "Built",
            format!("the agent's image is {image}, built from spec.dockerfile"),
        ),
        (None, Some(_)) => Fact::new(UNKNOWN, "Replacing", &*declared.message),
        (None, None) => Fact::new(UNKNOWN, "Building", &*declared.message),
    })
}

/// Reasons why a build is given up; a stored one that is none of them was written by another version.
pub(super) fn word(stored: &str) -> &'static str {
    const WORDS: [&str; 11] = [
        "BuildFailed",
        "BuildTimedOut",
        "BuildEvicted",
        "BuildOutOfMemory",
        "BuildLockFailed",
        "BuildLost",
        "BaseNotPulled",
        "PushRefused",
        "PushFailed",
        "ImageUnusable",
        "AgentNotStarted",
    ];
    let found = WORDS.into_iter().find(|word| *word == stored);
    found.unwrap_or("BuildFailed")
}
