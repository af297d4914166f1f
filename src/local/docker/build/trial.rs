//! Tries an image: whether the agent's command is in it. Nothing of the image runs.

use super::{
    super::{DockerError, begin, containers as made, daemon::Daemon, found, running},
    Failed, containers, labels,
    tell::Tell,
};
use crate::{local::place::Place, names::container};
use bollard::{
    errors::Error as Bollard, models::ContainerCreateBody,
    query_parameters::CreateContainerOptionsBuilder,
};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;

/// Runs `seal` in it, which the bottle's own pod has at hand.
pub(super) async fn run(
    daemon: &Daemon,
    place: &Place,
    pod: &Pod,
    tell: &Tell<'_>,
) -> Result<(String, String), Failed> {
    let refused = |error: DockerError| Failed::asked(container::PROBE, &error);
    tell.began(container::PROBE);
    let names = made::Place {
        id: running::id(place),
        bottle: place.key().name.clone(),
        project: place.key().project.clone(),
        directory: place.path(""),
        ..made::Place::default()
    };
    let body = body(pod, &names).map_err(refused)?;
    let name = names.container(container::PROBE);
    found::remove_container(daemon, &name)
        .await
        .map_err(refused)?;
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    daemon
        .docker
        .create_container(Some(options), body)
        .await
        .map_err(DockerError::asked("make a container of the image"))
        .map_err(refused)?;
    daemon
        .docker
        .start_container(&name, None)
        .await
        .map_err(DockerError::asked("start a container of the image"))
        .map_err(refused)?;
    let ended = daemon.docker.wait_container(&name, None).next().await;
    let said = begin::said(daemon, &name).await;
    found::remove_container(daemon, &name)
        .await
        .map_err(refused)?;
    let code = match ended {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(Bollard::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => {
            return Err(refused(DockerError::asked("wait for a trial's end")(error)));
        }
        None => 1,
    };
    if code == 0 {
        return Ok((container::PROBE.into(), said));
    }
    Err(Failed {
        container: container::PROBE.into(),
        code: i32::try_from(code).unwrap_or(1),
        said,
        lost: false,
    })
}

/// As the agent's own, without a network.
fn body(pod: &Pod, names: &made::Place) -> Result<ContainerCreateBody, DockerError> {
    let probe = containers(pod).find(|one| one.name == container::PROBE);
    let probe = probe.cloned().unwrap_or_default();
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let mut body = made::body(&probe, names, uid, crate::names::uid::AGENT_DEFAULT)?;
    // It belongs to no pod: what has the pod's labels is started and ended with it.
    body.labels = Some(labels(&names.id));
    body.host_config.get_or_insert_default().network_mode = Some("none".into());
    Ok(body)
}
