//! Whether the pod that is there can stay, and whether its agent may be interrupted.

use super::{
    roll::Standing,
    running::annotation,
    scope::Spec,
    seen::{agent_image, container_status, ended},
    settings::Settings,
};
use crate::{
    api::Bottle,
    names::{self, ANNOTATION_POD_HASH},
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
    let below = format!("{}/", builds.registry);
    let mut images = [Some(&spec.image), agent_image(seen)].into_iter().flatten();
    images.any(|image| image.starts_with(&below))
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
        return Some(Replace {
            why: "the Bottle, its class or the operator changed in a way that a running pod can't take",
            waits: true,
        });
    }
    if ended(seen).is_some() && agent_image(seen) != Some(&spec.image) {
        return at_once("the agent has ended and its image changed");
    }
    None
}
