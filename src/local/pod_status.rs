//! A pod's status, as a kubelet would write it.

use super::{docker, now};
use crate::{names::container, plan::seen, proposal::condition};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, Pod, PodStatus,
};

/// Every container runs; what is known of the agent's earlier ends stays.
pub(super) fn running(pod: &mut Pod, inside: &docker::Agent) {
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(condition::whole_seconds(now()));
    let running = ContainerState {
        running: Some(ContainerStateRunning {
            started_at: Some(now),
        }),
        ..ContainerState::default()
    };
    let done = ContainerState {
        terminated: Some(ContainerStateTerminated::default()),
        ..ContainerState::default()
    };
    let containers = [
        container::SUPERVISE,
        container::CRED_PROXY,
        container::EGRESS,
        container::AGENT,
    ];
    let old = agent_status(pod);
    pod.status = Some(PodStatus {
        phase: Some("Running".into()),
        init_container_statuses: Some(vec![status(container::PREPARE, done)]),
        container_statuses: Some(
            containers
                .map(|name| status(name, running.clone()))
                .to_vec(),
        ),
        ..PodStatus::default()
    });
    change_agent(pod, |agent| {
        agent.restart_count = old.restart_count;
        agent.last_state = old.last_state;
        agent.container_id = Some(inside.container.clone()).filter(|id| !id.is_empty());
        agent.image.clone_from(&inside.image);
        agent.image_id.clone_from(&inside.image_id);
    });
}

/// The agent has ended with `code`; with a failure it starts again.
pub(super) fn terminated(pod: &mut Pod, code: i32, message: &str) {
    let end = ContainerState {
        terminated: Some(ContainerStateTerminated {
            container_id: agent_status(pod).container_id,
            exit_code: code,
            message: Some(message.trim().to_owned()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    if code == 0 {
        change_agent(pod, |agent| agent.state = Some(end));
        return;
    }
    change_agent(pod, |agent| {
        agent.restart_count += 1;
        agent.last_state = Some(end);
    });
    waiting(pod, "CrashLoopBackOff", "the agent starts again");
}

/// The agent does not run, for this reason.
pub(super) fn waiting(pod: &mut Pod, reason: &str, message: &str) {
    let state = ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
        }),
        ..ContainerState::default()
    };
    let containers = pod.status.get_or_insert_default();
    if containers.container_statuses.is_none() {
        containers.container_statuses = Some(vec![status(container::AGENT, state)]);
    } else {
        change_agent(pod, |agent| agent.state = Some(state));
    }
}

fn status(name: &str, state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        name: name.to_owned(),
        state: Some(state),
        ..ContainerStatus::default()
    }
}

fn agent_status(pod: &Pod) -> ContainerStatus {
    seen::container_status(pod, container::AGENT)
        .cloned()
        .unwrap_or_default()
}

fn change_agent(pod: &mut Pod, change: impl FnOnce(&mut ContainerStatus)) {
    let all = pod
        .status
        .iter_mut()
        .flat_map(|status| status.container_statuses.iter_mut().flatten());
    if let Some(agent) = all.into_iter().find(|one| one.name == container::AGENT) {
        change(agent);
    }
}
