//! Everything that a bottle's sidecar tells the Bottle's status.

use super::feed::Hashes;
use super::remarks::Remarks;
use super::report::BottleStatus;
use super::view::View;
use super::{denials, report};
use crate::api::Denial;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Where it comes from.
pub struct Told {
    /// Which config is in force.
    pub view: watch::Receiver<Arc<View>>,
    /// Which role enforces which config.
    pub hashes: watch::Receiver<Hashes>,
    /// The roles that must.
    pub enforcers: Vec<String>,
    /// What egress refused.
    pub denials: watch::Receiver<Vec<Denial>>,
    /// What was told of the agent's settings.
    pub remarks: Remarks,
    /// What `seal` says about them; none: nothing yet.
    pub said: watch::Receiver<Option<Vec<String>>>,
}

impl Told {
    /// Tells it, for ever.
    pub async fn tell(self, status: &impl BottleStatus) {
        let Self {
            view,
            hashes,
            enforcers,
            denials,
            remarks,
            said,
        } = self;
        let begun = Notify::new();
        let first = remarks.first_report();
        let enforced = report::run(status, view, hashes, &enforcers, first, &begun);
        // The first report may take back what was said in an earlier pod.
        let settings = async {
            begun.notified().await;
            remarks.run(status, said).await;
        };
        futures::join!(enforced, denials::run(status, denials), settings);
    }
}
