//! The images that a Dockerfile begins with: pulled before anything of it runs, and looked at for what they would add.

use super::{super::daemon::Daemon, Failed, containers, tell::Tell};
use crate::names::container;
use k8s_openapi::api::core::v1::Pod;

/// Has each of them at the daemon.
pub(super) async fn pull(daemon: &Daemon, pod: &Pod, tell: &Tell<'_>) -> Result<(), Failed> {
    let pulls = format!("{}-", container::PULL);
    for one in containers(pod).filter(|one| one.name.starts_with(&pulls)) {
        let image = one.image.as_deref().unwrap_or_default();
        tell.began(&one.name);
        daemon
            .agent_image(image)
            .await
            .map_err(|error| Failed::asked(&one.name, &error))?;
        let seen = daemon.docker.inspect_image(image).await.map_err(|error| {
            let error = super::DockerError::asked("look at an image")(error);
            Failed::asked(&one.name, &error)
        })?;
        let hidden = seen.config.and_then(|config| config.on_build);
        if hidden.is_some_and(|lines| !lines.is_empty()) {
            // What it adds to the Dockerfile nobody has reviewed, and the daemon may fetch by it.
            let said = format!("the image {image} has ONBUILD instructions; build on another one");
            return Err(Failed {
                container: container::BUILD.into(),
                code: 1,
                said,
                lost: false,
            });
        }
        tell.ended(&one.name);
    }
    Ok(())
}
