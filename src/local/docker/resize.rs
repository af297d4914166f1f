//! Limits of a container that runs.

use super::{DockerError, daemon::Daemon};
use crate::local::resources::{Limits, PERIOD};
use bollard::models::{ContainerUpdateBody, HostConfig};

/// Brings the container to these limits. A daemon takes a limit that is absent for one that stays, so that one that was
/// there is an error.
pub(super) async fn resize(daemon: &Daemon, name: &str, wanted: Limits) -> Result<(), DockerError> {
    let found = daemon.docker.inspect_container(name, None).await;
    let found = found.map_err(DockerError::asked("look at the agent's container"))?;
    let host = found.host_config.unwrap_or_default();
    if loses(&host, wanted) {
        return Err(DockerError::NoLess);
    }
    let update = ContainerUpdateBody {
        memory: wanted.memory,
        memory_swap: wanted.memory,
        cpu_period: wanted.cpu.map(|_| PERIOD),
        cpu_quota: wanted.cpu,
        ..ContainerUpdateBody::default()
    };
    let updated = daemon.docker.update_container(name, update).await;
    updated.map_err(DockerError::asked("change the agent's resources"))
}

fn loses(host: &HostConfig, wanted: Limits) -> bool {
    let had = |limit: Option<i64>| limit.is_some_and(|limit| limit > 0);
    had(host.memory) && wanted.memory.is_none() || had(host.cpu_quota) && wanted.cpu.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_goes_is_told_from_one_that_was_never_there() {
        let host = HostConfig {
            memory: Some(1 << 30),
            cpu_quota: Some(0),
            ..HostConfig::default()
        };
        let wanted = |memory, cpu| Limits { memory, cpu };
        assert!(loses(&host, wanted(None, Some(1))));
        assert!(!loses(&host, wanted(Some(1), None)));
        assert!(!loses(&HostConfig::default(), wanted(None, None)));
    }
}
