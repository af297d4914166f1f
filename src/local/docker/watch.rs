//! Watches a pod's containers: sidecars come back, and the agent's end is told.

use super::{
    begin::start,
    containers::Place as Names,
    daemon::{Daemon, is_missing},
};
use crate::{names::container, telemetry::chain};
use bollard::errors::Error as Bollard;
use futures::StreamExt as _;
use std::time::Duration;
use tokio::{sync::mpsc, task::JoinSet};

/// Between two looks at a daemon that does not answer.
const LOOK: Duration = Duration::from_millis(500);
/// First and longest pause before a sidecar starts again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// What a container without an exit code counts as: killed.
const KILLED: i32 = 137;

/// The end of something without which there is no agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Its own, and not the pod's.
    pub(super) agent: bool,
    /// The exit code; that of a killed one when the pod is no more.
    pub(super) code: i32,
}

const POD: Ended = Ended {
    agent: false,
    code: KILLED,
};

/// Watches all but the agent, until it is dropped.
pub(super) fn watch(
    daemon: &Daemon,
    names: &Names,
    ended: &mpsc::UnboundedSender<Ended>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for role in [
        container::SUPERVISE,
        container::CRED_PROXY,
        container::EGRESS,
    ] {
        let (daemon, names, ended) = (daemon.clone(), names.clone(), ended.clone());
        tasks.spawn(async move {
            let mut pause = PAUSE.0;
            loop {
                let code = end(&daemon, &names.container(role)).await;
                tracing::warn!(role, code, "A sidecar has ended");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
                if let Err(error) = start(&daemon, &names, role).await {
                    // Its network is gone, or the daemon: all begins anew.
                    tracing::warn!(role, error = chain(&error), "A sidecar can't start again");
                    let _ = ended.send(POD);
                    return;
                }
            }
        });
    }
    let (daemon, names, ended) = (daemon.clone(), names.clone(), ended.clone());
    tasks.spawn(async move {
        end(&daemon, &names.container(container::PREPARE)).await;
        let _ = ended.send(POD);
    });
    tasks
}

/// Watches the agent, until it is dropped.
pub(super) fn watch_agent(
    daemon: &Daemon,
    names: &Names,
    ended: &mpsc::UnboundedSender<Ended>,
) -> JoinSet<()> {
    let (daemon, names, ended) = (daemon.clone(), names.clone(), ended.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let code = end(&daemon, &names.container(container::AGENT)).await;
        let _ = ended.send(Ended { agent: true, code });
    });
    tasks
}

/// Waits for a container's end, also beyond an absence of the daemon.
async fn end(daemon: &Daemon, name: &str) -> i32 {
    let code = |code: i64| i32::try_from(code).unwrap_or(KILLED);
    loop {
        let first = {
            let mut waited = Box::pin(daemon.docker.wait_container(name, None));
            waited.next().await
        };
        match first {
            Some(Ok(ended)) => return code(ended.status_code),
            Some(Err(Bollard::DockerContainerWaitError { code: number, .. })) => {
                return code(number);
            }
            Some(Err(error)) if is_missing(&error) => return KILLED,
            _ => {}
        }
        tokio::time::sleep(LOOK).await;
        match daemon.docker.inspect_container(name, None).await {
            Err(error) if is_missing(&error) => return KILLED,
            Ok(found) => {
                let state = found.state.unwrap_or_default();
                if state.running == Some(false) {
                    return state.exit_code.map_or(KILLED, code);
                }
            }
            Err(_) => {}
        }
    }
}
