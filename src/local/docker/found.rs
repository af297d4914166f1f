//! What there is of a bottle at the daemon, found by its labels; and its end.

use super::{
    DockerError,
    begin::ALL,
    build,
    daemon::{Daemon, is_missing},
};
use crate::{
    local::{Error, place::Place, record::Record},
    names::{self, container},
};
use bollard::{
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::{
        KillContainerOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
    },
};
use futures::future::try_join_all;
use std::collections::HashMap;

fn labelled(id: &str) -> HashMap<String, Vec<String>> {
    [(
        "label".to_owned(),
        vec![format!("{}={id}", names::LABEL_PLACE)],
    )]
    .into()
}

/// Every container of the place, those that have ended too.
async fn containers(daemon: &Daemon, id: &str) -> Result<Vec<ContainerSummary>, DockerError> {
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&labelled(id))
        .build();
    let found = daemon.docker.list_containers(Some(options)).await;
    found.map_err(DockerError::asked("list containers"))
}

/// Whether every container of this very pod runs.
pub(super) async fn runs(daemon: &Daemon, id: &str, pod_uid: &str) -> Result<bool, DockerError> {
    let found = containers(daemon, id).await?;
    let running = found
        .iter()
        .filter(|one| one.state == Some(ContainerSummaryStateEnum::RUNNING))
        .filter_map(|one| one.labels.as_ref())
        .filter(|labels| labels.get(names::LABEL_POD_UID).map(String::as_str) == Some(pod_uid))
        .filter_map(|labels| labels.get(names::LABEL_CONTAINER))
        .count();
    Ok(running == ALL.len() && found.len() == ALL.len())
}

/// Removes every container of the place, and its volumes: those in memory, or all of them.
pub(super) async fn remove(daemon: &Daemon, id: &str, all: bool) -> Result<(), DockerError> {
    let found = containers(daemon, id).await?;
    // Those that have joined the network first: Podman removes nothing on which others depend.
    let is_holder = |one: &&ContainerSummary| {
        let labels = one.labels.as_ref();
        let role = labels.and_then(|labels| labels.get(names::LABEL_CONTAINER));
        role.is_some_and(|role| role == container::PREPARE)
    };
    let (holders, others): (Vec<_>, Vec<_>) = found.iter().partition(is_holder);
    for group in [others, holders] {
        let ids = group.into_iter().filter_map(|one| one.id.as_deref());
        try_join_all(ids.map(|id| remove_container(daemon, id))).await?;
    }
    let options = ListVolumesOptionsBuilder::new()
        .filters(&labelled(id))
        .build();
    let volumes = daemon
        .docker
        .list_volumes(Some(options))
        .await
        .map_err(DockerError::asked("list volumes"))?
        .volumes
        .unwrap_or_default();
    for volume in volumes {
        if !all && !volume.options.contains_key("device") {
            continue;
        }
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        match daemon
            .docker
            .remove_volume(&volume.name, Some(options))
            .await
        {
            Err(error) if is_missing(&error) => {}
            other => other.map_err(DockerError::asked("remove a volume"))?,
        }
    }
    Ok(())
}

/// Removes a container, if there is one of that name.
pub(super) async fn remove_container(daemon: &Daemon, id: &str) -> Result<(), DockerError> {
    // Podman's removal asks first, and waits ten seconds for one that does not listen. One that has ended can't be killed.
    let kill = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
    let _ = daemon.docker.kill_container(id, Some(kill)).await;
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    match daemon.docker.remove_container(id, Some(options)).await {
        // Gone, or being removed already (409).
        Err(error) if is_missing(&error) || is_busy(&error) => Ok(()),
        other => other.map_err(DockerError::asked("remove a container")),
    }
}

fn is_busy(error: &bollard::errors::Error) -> bool {
    use bollard::errors::Error::DockerResponseServerError;
    matches!(
        error,
        DockerResponseServerError {
            status_code: 409,
            ..
        }
    )
}

/// Removes all that there is of a bottle that is no more.
pub async fn clean(place: &Place, record: &Record) -> Result<(), Error> {
    let daemon = Daemon::of(record).await?;
    let id = super::running::id(place);
    remove(&daemon, &id, true).await?;
    Ok(build::clean(&daemon, &id).await?)
}
