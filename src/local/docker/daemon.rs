//! The daemon: Docker's or Podman's socket, and what has to be right with it.

use super::DockerError;
use crate::local::record::Record;
use bollard::{
    API_DEFAULT_VERSION, Docker, models::CreateImageInfo,
    query_parameters::CreateImageOptionsBuilder,
};
use futures::TryStreamExt as _;
use std::path::{Path, PathBuf};

/// Seconds that the daemon may take to begin an answer.
const TIMEOUT: u64 = 120;

/// What flags and environment say about where it is.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_directory: Option<PathBuf>,
}

/// The socket, as `docker` and `podman` find theirs.
pub fn find(hints: &Hints) -> Result<PathBuf, DockerError> {
    if let Some(host) = hints.docker_host.as_deref().filter(|host| !host.is_empty()) {
        return match host.strip_prefix("unix://") {
            Some(path) => Ok(path.into()),
            // The agent's directories are on this machine: a daemon elsewhere can't mount them.
            None => Err(DockerError::Elsewhere(host.to_owned())),
        };
    }
    let own = hints.runtime_directory.iter().flat_map(|directory| {
        [
            directory.join("docker.sock"),
            directory.join("podman/podman.sock"),
        ]
    });
    let all = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    all.into_iter()
        .chain(own)
        .find(|path| path.exists())
        .ok_or(DockerError::NoSocket)
}

/// A daemon that answers.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// The client.
    pub docker: Docker,
    /// Its socket.
    pub socket: PathBuf,
}

impl Daemon {
    /// Connects to the socket that the record names.
    pub async fn of(record: &Record) -> Result<Self, DockerError> {
        let socket = record.docker.clone().ok_or(DockerError::NoSocket)?;
        Self::connect(&socket).await
    }

    /// Connects.
    pub async fn connect(socket: &Path) -> Result<Self, DockerError> {
        let unreachable = |source| DockerError::Unreachable {
            socket: socket.display().to_string(),
            source: Box::new(source),
        };
        let client =
            Docker::connect_with_unix(&socket.to_string_lossy(), TIMEOUT, API_DEFAULT_VERSION)
                .map_err(unreachable)?;
        let docker = client.negotiate_version().await.map_err(unreachable)?;
        Ok(Self {
            docker,
            socket: socket.to_owned(),
        })
    }

    /// Whether its containers get a filter of system calls; without one an agent would have more than in a cluster.
    pub async fn check(&self) -> Result<String, DockerError> {
        Ok(self.seen().await?.0)
    }

    /// The profile that it filters by, in its own words.
    pub(super) async fn profile(&self) -> Result<String, DockerError> {
        Ok(self.seen().await?.1)
    }

    async fn seen(&self) -> Result<(String, String), DockerError> {
        let info = self
            .docker
            .info()
            .await
            .map_err(DockerError::asked("look at the daemon"))?;
        let options = info.security_options.unwrap_or_default();
        let seccomp = options
            .into_iter()
            .find(|option| option.starts_with("name=seccomp") && !option.contains("unconfined"));
        let profile = seccomp.ok_or(DockerError::NoSeccomp)?;
        Ok((info.server_version.unwrap_or_default(), profile))
    }

    /// The image is there.
    pub async fn has(&self, image: &str) -> Result<bool, DockerError> {
        match self.docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(DockerError::asked("look for an image")(error)),
        }
    }

    /// Our own image, which is in no registry that we would know of.
    pub async fn own_image(&self, image: &str) -> Result<(), DockerError> {
        if self.has(image).await? {
            return Ok(());
        }
        Err(DockerError::NoSuperviseImage(image.to_owned()))
    }

    /// The agent's image; it is pulled when it isn't there.
    pub async fn agent_image(&self, image: &str) -> Result<(), DockerError> {
        if self.has(image).await? {
            return Ok(());
        }
        tracing::info!(image, "Pulling the agent's image");
        self.pull(image, drop).await
    }

    /// Pulls an image; `told` hears how far each part of it has come.
    pub async fn pull(&self, image: &str, mut told: impl FnMut(Part)) -> Result<(), DockerError> {
        let options = CreateImageOptionsBuilder::new()
            .from_image(&tagged(image))
            .build();
        self.docker
            .create_image(Some(options), None, None)
            .try_for_each(|step| {
                if let Some(part) = part(step) {
                    told(part);
                }
                futures::future::ready(Ok(()))
            })
            .await
            .map_err(|source| DockerError::Pull {
                image: image.to_owned(),
                source: Box::new(source),
            })
    }
}

/// A part of an image on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its name at the daemon.
    pub name: String,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes of all of it.
    pub all: u64,
}

/// What a step of a pull says of the network's work; unpacking is counted in bytes as well, and over again.
fn part(step: CreateImageInfo) -> Option<Part> {
    let downloads = step.status.as_deref() == Some("Downloading");
    let bytes = step.progress_detail.filter(|_| downloads)?;
    Some(Part {
        name: step.id?,
        done: u64::try_from(bytes.current?).ok()?,
        all: u64::try_from(bytes.total?).ok()?,
    })
}

/// Without tag or digest the daemon would pull every tag that there is.
fn tagged(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// The daemon says that there is no such thing.
pub(super) fn is_missing(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_socket_and_no_other_machine() {
        let hints = |host: &str| Hints {
            docker_host: Some(host.into()),
            ..Hints::default()
        };
        assert_eq!(
            find(&hints("unix:///run/x.sock")).unwrap(),
            Path::new("/run/x.sock")
        );
        let error = find(&hints("tcp://192.0.2.1:2375")).unwrap_err();
        assert!(
            error.to_string().contains("tcp://192.0.2.1:2375"),
            "{error}"
        );
    }

    #[test]
    fn one_image_is_pulled_and_not_all_of_its_tags() {
        for (image, pulled) in [
            ("agent", "agent:latest"),
            (
                "reg.example.com:5000/agent",
                "reg.example.com:5000/agent:latest",
            ),
            ("agent:1", "agent:1"),
            ("agent@sha256:00", "agent@sha256:00"),
        ] {
            assert_eq!(tagged(image), pulled);
        }
    }

    #[test]
    fn a_persons_own_socket_is_found() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("podman")).unwrap();
        let socket = directory.path().join("podman/podman.sock");
        std::fs::write(&socket, "").unwrap();
        let hints = Hints {
            runtime_directory: Some(directory.path().to_owned()),
            ..Hints::default()
        };
        // A machine with Docker itself has that one first.
        let found = find(&hints).unwrap();
        assert!(found == socket || found.starts_with("/var/run") || found.starts_with("/run"));
    }
}
