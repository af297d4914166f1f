//! From nothing, or from what an earlier keeper left, to containers that run.

use super::{
    DockerError, archive,
    containers::{Made, Place as Names},
    daemon::Daemon,
};
use crate::{
    local::{place::Place, record::Record},
    names::container,
    prepare::hold::HELD,
};
use bollard::{
    body_full,
    container::LogOutput,
    models::ContainerCreateBody,
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, LogsOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, future::try_join_all};
use std::path::Path;

/// The containers of a pod that runs, by name.
pub(super) const ALL: [&str; 5] = [
    container::PREPARE,
    container::SUPERVISE,
    container::CRED_PROXY,
    container::EGRESS,
    container::AGENT,
];
/// Characters of what `prepare` said that are repeated.
const SAID: usize = 400;

/// Makes and starts everything but the agent's container, which is made only.
pub(super) async fn begin(daemon: &Daemon, names: &Names, made: Made) -> Result<(), DockerError> {
    let docker = &daemon.docker;
    let create = |role: &'static str, body| create(daemon, names, role, body);
    let volumes = made.volumes.into_iter().map(|volume| async move {
        docker
            .create_volume(volume)
            .await
            .map_err(DockerError::asked("make a volume"))
    });
    try_join_all(volumes).await?;
    create(container::PREPARE, made.holder).await?;
    let others = made
        .sidecars
        .into_iter()
        .chain([(container::AGENT, made.agent)])
        .map(|(role, body)| create(role, body));
    let own = async {
        try_join_all(others).await?;
        for (path, user) in &made.own {
            give(daemon, &names.container(container::AGENT), path, *user).await?;
        }
        Ok(())
    };
    let holder = names.container(container::PREPARE);
    futures::try_join!(own, hold(daemon, &holder))?;
    let sidecars = [
        container::SUPERVISE,
        container::CRED_PROXY,
        container::EGRESS,
    ];
    try_join_all(sidecars.map(|role| start(daemon, names, role))).await?;
    Ok(())
}

/// Makes one container.
pub(super) async fn create(
    daemon: &Daemon,
    names: &Names,
    role: &str,
    body: ContainerCreateBody,
) -> Result<(), DockerError> {
    let options = CreateContainerOptionsBuilder::new()
        .name(&names.container(role))
        .build();
    daemon
        .docker
        .create_container(Some(options), body)
        .await
        .map_err(DockerError::asked(format!("make the container {role}")))
        .map(drop)
}

/// Starts one container.
pub(super) async fn start(daemon: &Daemon, names: &Names, role: &str) -> Result<(), DockerError> {
    daemon
        .docker
        .start_container(&names.container(role), None)
        .await
        .map_err(DockerError::asked(format!("start the container {role}")))
}

/// Starts `prepare`, and waits for its word that the lock stands.
async fn hold(daemon: &Daemon, name: &str) -> Result<(), DockerError> {
    let docker = &daemon.docker;
    let options = AttachContainerOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .stream(true)
        .build();
    let attached = docker
        .attach_container(name, Some(options))
        .await
        .map_err(DockerError::asked("listen to prepare"))?;
    docker
        .start_container(name, None)
        .await
        .map_err(DockerError::asked("start the container prepare"))?;
    let mut output = attached.output;
    let mut said = String::new();
    while let Some(Ok(part)) = output.next().await {
        match part {
            LogOutput::StdOut { message } if message.trim_ascii() == HELD.as_bytes() => {
                return Ok(());
            }
            other => said.push_str(&other.to_string()),
        }
    }
    Err(DockerError::NoLock(last(&said)))
}

/// What a container wrote, part by part.
pub async fn log(
    place: &Place,
    record: &Record,
    role: &str,
    follow: bool,
    tail: Option<usize>,
) -> Result<impl Stream<Item = Result<Bytes, DockerError>> + use<>, DockerError> {
    let daemon = Daemon::of(record).await?;
    let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let options = LogsOptionsBuilder::new()
        .follow(follow)
        .stdout(true)
        .stderr(true)
        .tail(&tail)
        .build();
    let name = super::container(place, role);
    let parts = daemon.docker.logs(&name, Some(options));
    Ok(parts.map(|part| {
        part.map(LogOutput::into_bytes)
            .map_err(DockerError::asked("read a container's log"))
    }))
}

/// The end of what a container that has ended wrote.
pub(super) async fn said(daemon: &Daemon, name: &str) -> String {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let mut parts = Box::pin(daemon.docker.logs(name, Some(options)));
    let mut said = String::new();
    while let Some(Ok(part)) = parts.next().await {
        said.push_str(&part.to_string());
        said = last(&said);
    }
    said
}

fn last(text: &str) -> String {
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(SAID);
    text.chars().skip(skipped).collect()
}

/// Makes a directory of a container that never ran somebody's: a new volume belongs to root, and nobody in the pod may
/// change that.
async fn give(daemon: &Daemon, container: &str, path: &Path, user: u32) -> Result<(), DockerError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let options = UploadToContainerOptionsBuilder::new()
        .path(&parent.to_string_lossy())
        .build();
    let archive = archive::directory(&name.to_string_lossy(), user);
    daemon
        .docker
        .upload_to_container(container, Some(options), body_full(archive.into()))
        .await
        .map_err(DockerError::asked("give the agent its directories"))
}
