//! A new config: parse, swap, end what it forbids.

use super::Shared;
use super::table::{Table, TableError};
use crate::config_directory::{Enforce, Snapshot};
use crate::names::container;
use std::sync::Arc;

impl Enforce for Shared {
    const ROLE: &'static str = container::CRED_PROXY;
    type Error = TableError;

    async fn enforce(&self, snapshot: &Snapshot) -> Result<(), TableError> {
        let old = self.table();
        let new = Arc::new(Table::new(&snapshot.files, &old)?);
        // From here on every request finds the new routes.
        self.set_table(Arc::clone(&new));
        let retired = old.retired_by(&new);
        drop(old);
        let ended = async {
            for route in &retired {
                route.in_flight.close();
                route.in_flight.wait().await;
            }
        };
        // Requests that are nearly done may be done; a stream that never ends is cut.
        let in_time = tokio::time::timeout(self.limits.grace, ended).await;
        let cut: usize = retired.iter().map(|route| route.in_flight.len()).sum();
        for route in &retired {
            route.in_flight.close();
            route.cut.cancel();
        }
        if in_time.is_err() {
            for route in &retired {
                // A client that reads nothing holds its answer until its connection is looked at again: the upstream's
                // side ends with the token, so this is no longer than the client's next sign of life.
                let _ = tokio::time::timeout(self.limits.grace, route.in_flight.wait()).await;
            }
        }
        tracing::info!(hash = snapshot.hash, cut, "Enforcing a new config");
        Ok(())
    }
}
