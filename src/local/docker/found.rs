//! What there is of a bottle at the daemon, found by its labels; and its end.

use super::{
    DockerError,
    begin::ALL,
    daemon::{Daemon, is_missing},
};
use crate::{
    local::{Error, place::Place, record::Record},
    names,
};
use bollard::{
    models::ContainerSummaryStateEnum,
    query_parameters::{
        ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
        RemoveVolumeOptionsBuilder,
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

/// Whether every container of this very pod runs.
pub(super) async fn runs(daemon: &Daemon, id: &str, pod_uid: &str) -> Result<bool, DockerError> {
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&labelled(id))
        .build();
    let found = daemon
        .docker
        .list_containers(Some(options))
        .await
        .map_err(DockerError::asked("list containers"))?;
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
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&labelled(id))
        .build();
    let found = daemon
        .docker
        .list_containers(Some(options))
        .await
        .map_err(DockerError::asked("list containers"))?;
    let removed = found.iter().filter_map(|one| one.id.as_deref()).map(|id| {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        async move {
            match daemon.docker.remove_container(id, Some(options)).await {
                // Being removed already (409), or gone.
                Err(error) if is_missing(&error) || is_busy(&error) => Ok(()),
                other => other.map_err(DockerError::asked("remove a container")),
            }
        }
    });
    try_join_all(removed).await?;
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
    Ok(remove(&daemon, &super::running::id(place), true).await?)
}
