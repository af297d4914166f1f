//! What a Docker daemon of this machine builds, as a pod: the images that it is built on, the lock, the build. The shell
//! carries it out, and its status says how far it has come, as everywhere.

use super::{super::settings::Settings, Builds, pod};
use crate::{
    api::Bottle,
    config::dockerfile::daemon,
    names::{self, container},
    proposal::change::ImageChange,
};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// The pod `name`.
pub(super) fn render(
    bottle: &Bottle,
    settings: &Settings,
    builds: &Builds,
    name: &str,
    change: &ImageChange,
) -> Option<Pod> {
    let plain = daemon::plain(&change.dockerfile).ok()?;
    let one = |name: String, image: Option<String>| Container {
        name,
        image,
        ..Container::default()
    };
    let pulls = change
        .bases
        .iter()
        .enumerate()
        .map(|(at, base)| one(format!("{}-{at}", container::PULL), Some(base.clone())));
    let lock = one(
        container::LOCK.into(),
        Some(settings.supervise_image.clone()),
    );
    let mut metadata = pod::metadata(bottle, name, names::ROLE_BUILD);
    metadata.annotations = Some([(names::ANNOTATION_DOCKERFILE.to_owned(), plain)].into());
    Some(Pod {
        metadata,
        spec: Some(PodSpec {
            init_containers: Some(pulls.chain([lock]).collect()),
            containers: vec![one(container::BUILD.into(), None)],
            restart_policy: Some("Never".into()),
            active_deadline_seconds: Some(builds.timeout_seconds),
            ..PodSpec::default()
        }),
        status: None,
    })
}
