//! The status of a pod that is carried out here, as a kubelet would write it.

use super::Failed;
use crate::{local::place::Place, telemetry::chain};
use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus, Pod,
        PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

/// What a kubelet says of a container whose end it did not see.
const UNKNOWN: &str = "ContainerStatusUnknown";

/// Writes the status of one pod. What can't be written is logged: the next keeper begins anew.
pub(super) struct Tell<'a> {
    place: &'a Place,
    pod: &'a Pod,
}

impl<'a> Tell<'a> {
    pub(super) fn new(place: &'a Place, pod: &'a Pod) -> Self {
        Self { place, pod }
    }

    /// A container works.
    pub(super) fn began(&self, name: &str) {
        let running = ContainerStateRunning {
            started_at: Some(now()),
        };
        self.change(|status| {
            status.phase = Some("Running".into());
            put(
                status,
                name,
                ContainerState {
                    running: Some(running),
                    ..ContainerState::default()
                },
            );
        });
    }

    /// A container has done its work.
    pub(super) fn ended(&self, name: &str) {
        self.change(|status| put(status, name, terminated(0, "", None)));
    }

    /// The last one has, and leaves this word.
    pub(super) fn done(&self, name: &str, said: &str) {
        self.change(|status| {
            put(status, name, terminated(0, said, None));
            status.phase = Some("Succeeded".into());
        });
    }

    pub(super) fn failed(&self, failed: &Failed) {
        let reason = failed.lost.then(|| UNKNOWN.to_owned());
        self.change(|status| {
            let state = terminated(failed.code, &failed.said, reason);
            put(status, &failed.container, state);
            status.phase = Some("Failed".into());
        });
    }

    pub(super) fn too_late(&self) {
        self.change(|status| {
            status.phase = Some("Failed".into());
            status.reason = Some("DeadlineExceeded".into());
        });
    }

    fn change(&self, change: impl FnOnce(&mut PodStatus)) {
        let written = self
            .place
            .change_helper(self.pod, |pod| change(pod.status.get_or_insert_default()));
        if let Err(error) = written {
            tracing::error!(
                error = chain(&error),
                "How an image comes along can't be written"
            );
        }
    }
}

fn put(status: &mut PodStatus, name: &str, state: ContainerState) {
    let all = status.container_statuses.get_or_insert_default();
    match all.iter_mut().find(|one| one.name == name) {
        Some(one) => one.state = Some(state),
        None => all.push(ContainerStatus {
            name: name.to_owned(),
            state: Some(state),
            ..ContainerStatus::default()
        }),
    }
}

fn terminated(code: i32, said: &str, reason: Option<String>) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: code,
            message: Some(said.to_owned()),
            reason,
            finished_at: Some(now()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    }
}

fn now() -> Time {
    Time(crate::proposal::condition::whole_seconds(
        crate::local::now(),
    ))
}
