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
        if let Err(error) = config_directory::write_denials(&state, &newest) {
            tracing::warn!(error = chain(&error), "Can't tell what was refused");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
