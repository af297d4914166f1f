//! The end of a Bottle whose agent has ended.

use super::{Action, Plan, scope::Spec, seen::ended_at};
use crate::proposal::notice::Notice;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

impl Plan {
    /// Removes the Bottle when its time is over. A pod that is on its way out or in has no ended agent.
    pub(super) fn remove_finished(
        &mut self,
        spec: &Spec,
        uid: &str,
        pod: Option<&Pod>,
        now: Timestamp,
    ) {
        let moves = |action: &Action| matches!(action, Action::DeletePod { .. });
        if self.actions.iter().any(moves) {
            return;
        }
        let pod = pod.filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let (Some(ttl), Some(at)) = (spec.work.ttl_after_finished, pod.and_then(ended_at)) else {
            return;
        };
        let Ok(until) = at.checked_add(ttl) else {
            return;
        };
        if until > now {
            self.look_again(Some(until));
            return;
        }
        self.notify(
            None,
            Notice {
                warning: false,
                reason: "Removing",
                note: format!("the agent ended at {at}, and spec.ttlAfterFinished is over"),
            },
        );
        self.actions.push(Action::DeleteBottle {
            uid: uid.to_owned(),
        });
    }
}
