//! Whether the agent's image may be changed in the pod that runs.

use super::{Work, probe, remove, seen};
use crate::{
    names,
    plan::{Action, owned, seen::agent_image},
    proposal::build::Probed,
};
use jiff::{SignedDuration, Timestamp};

/// An image that could not be tried is tried again after this.
const PROBE_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// What [`Work::gate`] says.
#[derive(Debug, Default)]
pub(in crate::plan) struct Gate {
    /// Whether the image may be changed.
    pub(in crate::plan) open: bool,
    /// What has to be done for it.
    pub(in crate::plan) actions: Vec<Action>,
    /// Why the wanted image can't be used.
    pub(in crate::plan) problem: Option<String>,
    /// When to look again.
    pub(in crate::plan) recheck: Option<Timestamp>,
}

impl Gate {
    /// Where nothing has to be tried.
    pub(in crate::plan) fn open() -> Self {
        Self {
            open: true,
            ..Self::default()
        }
    }
}

impl Work<'_> {
    /// Whether the bottle's pod may be given `image` now. The one that runs is left alone until the new one has been
    /// tried; one that does not run anyway is replaced at once.
    pub(in crate::plan) fn gate(&self, image: &str, now: Timestamp) -> Gate {
        let probe = self.own(names::ROLE_PROBE).next();
        let pod = owned(self.bottle, self.seen.pod);
        let current = pod.and_then(agent_image);
        let ours = |image: &str| self.builds.made_for(&self.namespace(), image);
        let changes =
            current.is_some_and(|current| current != image && (ours(current) || ours(image)));
        let Some(pod) = pod.filter(|pod| changes && seen::runs(pod)) else {
            return Gate {
                open: true,
                actions: probe.and_then(remove).into_iter().collect(),
                ..Gate::default()
            };
        };
        let (open, action, problem, recheck) = match (self.probed(image), probe) {
            (Probed::Good, _) => (true, None, None, None),
            (Probed::Bad(why), Some(probe)) => {
                let again = seen::ended_at(probe)
                    .and_then(|at| at.saturating_add(PROBE_AGAIN).ok())
                    .unwrap_or(now);
                let action = (again <= now).then(|| remove(probe)).flatten();
                (false, action, Some(why), Some(again))
            }
            // Of another image.
            (_, Some(probe)) if probe::image(probe) != Some(image) => {
                (false, remove(probe), None, None)
            }
            (Probed::Working, _) => (false, None, None, None),
            (Probed::NotAsked | Probed::Bad(_), _) => {
                let made = probe::render(
                    self.bottle,
                    self.spec,
                    self.seen.settings,
                    self.builds,
                    pod,
                    image,
                );
                (
                    false,
                    Some(Action::CreateHelper(Box::new(made))),
                    None,
                    None,
                )
            }
        };
        Gate {
            open,
            actions: action.into_iter().collect(),
            problem,
            recheck,
        }
    }

    pub(super) fn probed(&self, image: &str) -> Probed {
        let probe = self.own(names::ROLE_PROBE).next();
        probe.map_or(Probed::NotAsked, |probe| {
            if probe::image(probe) == Some(image) {
                probe::seen(probe)
            } else {
                Probed::NotAsked
            }
        })
    }
}
