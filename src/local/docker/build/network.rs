//! The network that a build's steps are in: that of a container without any, and the bottle's own proxy on a socket that
//! was bound inside it and handed over. The proxy is in this process; its config is the bottle's, as it is at each moment.

use super::{
    super::{
        DockerError, begin, containers, daemon::Daemon, found, hold::SOCKET, running, socket, vsock,
    },
    Failed, labels,
};
use crate::{
    config_directory, egress,
    local::{handover, place::Place, record::Record, sidecars},
    names::{self, container, path},
    telemetry::chain,
};
use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::CreateContainerOptionsBuilder,
};
use containers::mounts::bind;
use futures::StreamExt as _;
use std::{
    fs, net::TcpListener as StdListener, os::unix::net::UnixStream, sync::Arc, time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Whoever's it is inside, it has no right at all.
const NOBODY: &str = "65534:65534";
/// From the start of the container to its socket.
const PATIENCE: Duration = Duration::from_secs(30);
/// The directory of the socket, and the one of what the proxy reports, in `run`.
const HANDOVER: &str = "run/build";
const STATE: &str = "run/build-state";

/// Stands until it is dropped; what is left of the container then is removed by [`Network::end`], or with the next one.
pub(super) struct Network {
    name: String,
    /// For the steps.
    pub(super) mode: String,
    _line: UnixStream,
    _proxy: JoinSet<()>,
}

impl Network {
    /// Takes it down.
    pub(super) async fn end(self, daemon: &Daemon) {
        if let Err(error) = found::remove_container(daemon, &self.name).await {
            let error = chain(&error);
            tracing::warn!(
                error,
                "A build's network is left; the next build removes it"
            );
        }
    }
}

/// Makes it.
pub(super) async fn hold(
    daemon: &Daemon,
    place: &Place,
    record: &Record,
    image: &str,
) -> Result<Network, Failed> {
    held_by_the_daemon(daemon).await?;
    let refused = |error: DockerError| Failed::asked(container::LOCK, &error);
    daemon.own_image(image).await.map_err(refused)?;
    let own = |error: crate::local::Error| Failed::of(container::LOCK, &error);
    let directory = place.path(HANDOVER);
    let listener = socket::bind(&directory, SOCKET).map_err(own)?;
    let id = running::id(place);
    let name = format!("bottle-{}-{id}-build", place.key().name);
    found::remove_container(daemon, &name)
        .await
        .map_err(refused)?;
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let body = body(image, &directory.display().to_string(), &id);
    daemon
        .docker
        .create_container(Some(options), body)
        .await
        .map_err(DockerError::asked(
            "make the container of a build's network",
        ))
        .map_err(refused)?;
    daemon
        .docker
        .start_container(&name, None)
        .await
        .map_err(DockerError::asked(
            "start the container of a build's network",
        ))
        .map_err(refused)?;
    let ended = async { daemon.docker.wait_container(&name, None).next().await };
    let came = tokio::select! {
        came = tokio::time::timeout(PATIENCE, listener.accept()) => came.ok().and_then(Result::ok),
        _ = ended => None,
    };
    let Some((line, _)) = came else {
        let said = begin::said(daemon, &name).await;
        let _ = found::remove_container(daemon, &name).await;
        return Err(failed(&format!("it said {said:?}")));
    };
    let (line, sockets) = receive(line).await?;
    Ok(Network {
        mode: format!("container:{name}"),
        name,
        _proxy: serve(place, record, sockets)?,
        _line: line,
    })
}

/// Podman's builder is another program, and was not looked at; and what no namespace holds, the daemon's own profile has to.
async fn held_by_the_daemon(daemon: &Daemon) -> Result<(), Failed> {
    let version = daemon.docker.version().await;
    let version = version
        .map_err(DockerError::asked("look at the daemon"))
        .map_err(|error| Failed::asked(container::LOCK, &error))?;
    let mut parts = version.components.into_iter().flatten();
    if parts.any(|one| one.name.contains("Podman")) {
        return Err(failed("images are built by Docker, and this is Podman"));
    }
    let profile = daemon
        .profile()
        .await
        .map_err(|error| Failed::asked(container::LOCK, &error))?;
    if !vsock::leads_out() {
        return Ok(());
    }
    let text = vsock::profile(&profile).and_then(|path| fs::read_to_string(path).ok());
    if text.is_some_and(|text| vsock::closes(&text)) {
        return Ok(());
    }
    Err(failed(
        "this machine has vsock sockets, which lead to a virtual machine's host or guests, and the daemon's profile lets a \
         step make them: start the daemon with --seccomp-profile FILE, such as tests/docker/seccomp.json of bot-bottle's \
         repository",
    ))
}

fn failed(why: &str) -> Failed {
    Failed {
        container: container::LOCK.into(),
        code: 1,
        said: format!("there is no network in which a step could be held: {why}"),
        lost: false,
    }
}

fn body(image: &str, directory: &str, id: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["build-hold".into()]),
        user: Some(NOBODY.into()),
        labels: Some(labels(id)),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            privileged: Some(false),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            readonly_rootfs: Some(true),
            mounts: Some(vec![bind(directory.to_owned(), path::HANDOVER, true)]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The other side's connection, which it lives by, and what came over it.
async fn receive(line: tokio::net::UnixStream) -> Result<(UnixStream, StdListener), Failed> {
    let received = line.into_std().and_then(|line| {
        line.set_nonblocking(false)?;
        line.set_read_timeout(Some(PATIENCE))?;
        Ok(line)
    });
    let line = received.map_err(|error| failed(&error.to_string()))?;
    let received = tokio::task::spawn_blocking(move || {
        let files = handover::receive(&line)?;
        Ok::<_, std::io::Error>((line, files))
    });
    let (line, files) = match received.await {
        Ok(Ok(received)) => received,
        Ok(Err(error)) => return Err(failed(&error.to_string())),
        Err(error) => return Err(failed(&error.to_string())),
    };
    match <[_; 1]>::try_from(files) {
        Ok([socket]) => Ok((line, socket.into())),
        Err(_) => Err(failed("it handed no socket over")),
    }
}

/// The bottle's allowlist, kept by the same program.
fn serve(place: &Place, record: &Record, listener: StdListener) -> Result<JoinSet<()>, Failed> {
    let other = |error: &dyn std::error::Error| Failed::of(container::LOCK, error);
    let state = place.path(STATE);
    fs::create_dir_all(&state).map_err(|error| other(&error))?;
    let snapshots = config_directory::watch(&place.path("run/config"));
    let setup = egress::Setup {
        snapshots: snapshots.map_err(|error| other(&error))?,
        state,
        resolver: Arc::new(sidecars::resolver(record).map_err(|error| other(&error))?),
        limits: egress::Limits::default(),
        mark: None,
    };
    listener
        .set_nonblocking(true)
        .map_err(|error| other(&error))?;
    let listener = TcpListener::from_std(listener).map_err(|error| other(&error))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // Ended by being dropped.
        let stop = CancellationToken::new();
        if let Err(error) = egress::run(listener, setup, stop.cancelled_owned()).await {
            tracing::error!(error = chain(&error), "A build's proxy ended");
        }
    });
    Ok(tasks)
}

/// What a step is told of it.
pub(super) fn proxies() -> std::collections::HashMap<String, String> {
    let url = format!("http://127.0.0.1:{}", names::port::EGRESS);
    ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
        .map(|name| (name.to_owned(), url.clone()))
        .into()
}
