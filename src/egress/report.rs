//! The last refusals as a file, for the sidecar that may talk to Kubernetes.

use super::Shared;
use crate::config_directory;
use crate::telemetry::chain;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Between two writes, however fast an agent is refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the list after a refusal, for ever; nothing runs while nothing is refused.
pub(super) async fn follow(shared: Arc<Shared>, state: Arc<Path>) {
    loop {
        shared.denied.notified().await;
        let newest = shared.denials().newest();
        let written = config_directory::write_denials(&state, &newest);
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = written {
            tracing::warn!(error = chain(&error), "Can't tell what was refused");
            // On a full disk: told once there is room, even if nothing more is refused.
            shared.denied.notify_one();
        }
    }
}
