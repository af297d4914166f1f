//! A new config: parse, swap, close what it forbids.

use super::Shared;
use super::policy::{Policy, PolicyError};
use crate::config_directory::{Enforce, Snapshot};
use crate::names::container;
use std::sync::Arc;

impl Enforce for Shared {
    const ROLE: &'static str = container::EGRESS;
    type Error = PolicyError;

    async fn enforce(&self, snapshot: &Snapshot) -> Result<(), PolicyError> {
        let policy = Arc::new(Policy::parse(&snapshot.files)?);
        // From here on every new connection asks the new one, so none is opened behind the sweep.
        self.set_policy(Arc::clone(&policy));
        let closed = self.connections.close_forbidden(&policy).await;
        tracing::info!(hash = snapshot.hash, closed, "Enforcing a new config");
        Ok(())
    }
}
