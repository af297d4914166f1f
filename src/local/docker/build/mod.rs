//! Carries out the pods beside a bottle's own, with the daemon: it builds an image, or tries one.
//!
//! A step of a Dockerfile is root there and has raw sockets, so its network is a container's that has none ([`network`]).
//! What the daemon would do by itself, with the machine's network, is in none of the files that it is given
//! (`config::dockerfile::daemon`), and in no image that they begin with ([`bases`]).

mod bases;
mod image;
mod network;
mod tell;
mod trial;

pub use image::there;

use super::{DockerError, daemon::Daemon};
use crate::{
    local::{place::Place, record::Record},
    names::{self, container},
    plan::builds::has_role,
    telemetry::chain,
};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use k8s_openapi::api::core::v1::{Container, Pod};
use std::{collections::HashMap, time::Duration};
use tell::Tell;

/// Without a limit in the pod.
const DEADLINE: Duration = Duration::from_secs(900);

/// How a container of such a pod ended badly.
#[derive(Debug)]
struct Failed {
    container: String,
    code: i32,
    said: String,
    /// The daemon went away: nobody knows how it would have ended.
    lost: bool,
}

impl Failed {
    fn of(container: &str, error: &dyn std::error::Error) -> Self {
        Self {
            container: container.to_owned(),
            code: 1,
            said: chain(error),
            lost: false,
        }
    }

    /// The same for what the daemon was asked.
    fn asked(container: &str, error: &DockerError) -> Self {
        use bollard::errors::Error as Bollard;
        let answered = match error {
            DockerError::Asked { source, .. } | DockerError::Pull { source, .. } => matches!(
                **source,
                Bollard::DockerResponseServerError { .. } | Bollard::DockerStreamError { .. }
            ),
            DockerError::Unreachable { .. } => false,
            _ => true,
        };
        Self {
            lost: !answered,
            ..Self::of(container, error)
        }
    }
}

/// Does what the pod is for, and says in its status how it goes.
pub async fn carry_out(place: Place, record: Record, pod: Pod) {
    let spec = pod.spec.as_ref();
    let seconds = spec
        .and_then(|spec| spec.active_deadline_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok());
    let deadline = seconds.map_or(DEADLINE, Duration::from_secs);
    let tell = Tell::new(&place, &pod);
    let work = async {
        let daemon = Daemon::of(&record)
            .await
            .map_err(|error| Failed::asked(container::LOCK, &error))?;
        if has_role(&pod, names::ROLE_PROBE) {
            trial::run(&daemon, &place, &pod, &tell).await
        } else {
            image::build(&daemon, &place, &record, &pod, &tell).await
        }
    };
    match tokio::time::timeout(deadline, Box::pin(work)).await {
        Err(_) => tell.too_late(),
        Ok(Ok((name, said))) => tell.done(&name, &said),
        Ok(Err(failed)) => {
            tracing::warn!(
                container = failed.container,
                error = failed.said,
                "No image"
            );
            tell.failed(&failed);
        }
    }
}

/// The containers of the pod in their order, the first ones first.
fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| {
        spec.init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
    })
}

fn labels(id: &str) -> HashMap<String, String> {
    [
        (names::LABEL_MANAGED_BY, names::PRODUCT),
        (names::LABEL_HELPER, id),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The repository of what is built for a place.
fn repository(id: &str) -> String {
    format!("{}/built-{id}", names::PRODUCT)
}

/// Removes what is left of a place that is no more: containers, and every image that was built for it.
pub(super) async fn clean(daemon: &Daemon, id: &str) -> Result<(), DockerError> {
    let labelled: HashMap<String, Vec<String>> = [(
        "label".to_owned(),
        vec![format!("{}={id}", names::LABEL_HELPER)],
    )]
    .into();
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&labelled)
        .build();
    let left = daemon.docker.list_containers(Some(options)).await;
    for one in left.map_err(DockerError::asked("list containers"))? {
        super::found::remove_container(daemon, one.id.as_deref().unwrap_or_default()).await?;
    }
    let named: HashMap<String, Vec<String>> =
        [("reference".to_owned(), vec![repository(id)])].into();
    let options = ListImagesOptionsBuilder::new().filters(&named).build();
    let images = daemon.docker.list_images(Some(options)).await;
    for image in images.map_err(DockerError::asked("list images"))? {
        for tag in image.repo_tags {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            let removed = daemon.docker.remove_image(&tag, Some(options), None).await;
            if let Err(error) = removed {
                tracing::warn!(tag, %error, "An image that was built is left");
            }
        }
    }
    Ok(())
}
