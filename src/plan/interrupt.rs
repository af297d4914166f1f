//! Whether the pod that is there can stay, and whether its agent may be interrupted.

use super::{
    roll::Standing,
    running::annotation,
    scope::Spec,
    seen::{agent_image, container_status, ended},
    settings::Settings,
    workspace::{Made, is_on_claim},
};
use crate::{
    api::Bottle,
    names::{self, ANNOTATION_POD_HASH, ANNOTATION_RESOURCES_HASH},
};
use k8s_openapi::api::core::v1::Pod;

/// Whether the Bottle was edited since it was last looked at.
pub(super) fn own_change(bottle: &Bottle) -> bool {
    let observed = bottle
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed != bottle.metadata.generation
}

/// Whether the image comes or goes by a person's decision about a Dockerfile, which is about this very bottle.
pub(super) fn by_decision(spec: &Spec, seen: &Pod, settings: &Settings) -> bool {
    let Some(builds) = &settings.builds else {
        return false;
    };
    let mut images = [Some(&spec.image), agent_image(seen)].into_iter().flatten();
    images.any(|image| builds.made(image))
}

/// Where the pod is, if it can stay.
pub(super) fn standing(seen: &Pod) -> Standing {
    if ended(seen).is_some() {
        return Standing::Settled;
    }
    if !agent_runs(seen) {
        return Standing::Moving;
    }
    let running = container_status(seen, names::container::AGENT);
    let image = agent_image(seen).map_or("", String::as_str);
    let named = running.is_some_and(|running| running.image.ends_with(image));
    if named {
        Standing::Settled
    } else {
        Standing::Renaming
    }
}

/// Whether there is an agent to interrupt.
pub(super) fn agent_runs(seen: &Pod) -> bool {
    container_status(seen, names::container::AGENT)
        .and_then(|status| status.state.as_ref())
        .is_some_and(|state| state.running.is_some())
}

/// That the pod can't stay.
pub(super) struct Replace {
    /// Words for an Event.
    pub(super) why: &'static str,
    /// Whether it can stay for a while.
    pub(super) waits: bool,
}

/// Why the pod can't stay, if so.
pub(super) fn replace(spec: &Spec, seen: &Pod, wanted: &Pod) -> Option<Replace> {
    let at_once = |why| Some(Replace { why, waits: false });
    let in_turn = |why| Some(Replace { why, waits: true });
    if spec.suspended {
        return at_once("spec.operatingMode is Suspended");
    }
    let phase = seen
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if phase == Some("Failed") {
        return at_once("the pod failed as a whole (evicted, or its node went away)");
    }
    if annotation(seen, ANNOTATION_POD_HASH) != annotation(wanted, ANNOTATION_POD_HASH) {
        if spec.work.on_claim() && !is_on_claim(seen) {
            return in_turn("workspace and home can live on a claim now");
        }
        return in_turn(
            "the Bottle, its class or the operator changed in a way that a running pod can't take",
        );
    }
    if resize_refused(seen, wanted) {
        return in_turn("its resources can't change in place");
    }
    // A new pod would start an agent that has ended once more; the sidecars of this one take the config as it is.
    if let Some(wanted) = spec.work.made.as_ref().filter(|_| ended(seen).is_none()) {
        let made = Made::of(seen);
        let grants = made.as_ref().map(|made| &made.grants);
        if made.as_ref() != Some(wanted) {
            let why = "spec.rollout is Roll, and the allowlist or the routes changed";
            // A person's decision is about this very bottle; a class' hosts are about all of its.
            return if grants.is_some_and(|grants| *grants != wanted.grants) {
                at_once(why)
            } else {
                in_turn(why)
            };
        }
    }
    if ended(seen).is_some() && agent_image(seen) != Some(&spec.image) {
        return at_once("the agent has ended and its image changed");
    }
    None
}

/// Whether the API server has said that this pod can't have the resources that are wanted.
pub(super) fn resize_refused(seen: &Pod, wanted: &Pod) -> bool {
    let hash = annotation(wanted, ANNOTATION_RESOURCES_HASH).unwrap_or_default();
    annotation(seen, ANNOTATION_RESOURCES_HASH) == Some(&*refused(hash))
}

/// What stands on a pod in place of the hash of its resources when it can't have them.
pub fn refused(hash: &str) -> String {
    format!("refused-{hash}")
}
