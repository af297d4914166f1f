//! The agent's own container, among those of its pod.

use super::{DockerError, attach, daemon::Daemon};
use crate::local::{place::Place, runner::Attach};
use tokio::task::JoinSet;

/// The agent's container, as the daemon has it.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// The image, as the pod names it.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// The container's id.
    pub container: String,
}

/// What is followed of an agent for as long as it is this one.
pub(super) fn follow(
    daemon: &Daemon,
    name: &str,
    place: &Place,
    attached: Attach,
    taken_over: bool,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (daemon, name) = (daemon.clone(), name.to_owned());
    match attached {
        Attach::Log => {
            tasks.spawn(attach::log(daemon, name, place.clone(), taken_over));
        }
        Attach::Terminal => {
            tasks.spawn(attach::follow_size(daemon, name));
        }
        Attach::Inherit | Attach::Output => {}
    }
    tasks
}

/// Looks at it.
pub(super) async fn seen(daemon: &Daemon, name: &str) -> Result<Agent, DockerError> {
    let found = daemon.docker.inspect_container(name, None).await;
    let found = found.map_err(DockerError::asked("look at the agent's container"))?;
    let named = found.config.and_then(|config| config.image);
    Ok(Agent {
        image: named.unwrap_or_default(),
        image_id: found.image.unwrap_or_default(),
        container: found.id.unwrap_or_default(),
    })
}
