//! What egress refused last, where an answer can say it.

use super::Desk;
use crate::api::Denial;
use crate::supervise::answer;
use crate::supervise::store::Store;
use crate::supervise::tools::Tool;
use tokio::sync::watch;

impl<S: Store> Desk<S> {
    /// With what egress refused last, for the answers that can say it.
    #[must_use]
    pub fn with_denials(self, denials: watch::Receiver<Vec<Denial>>) -> Self {
        Self {
            denials: Some(denials),
            ..self
        }
    }

    /// Whose desk it is.
    pub fn bottle(&self) -> &str {
        &self.settings.bottle
    }

    /// The notes for a file that is in force: an agent that asks for it was refused something else, or otherwise.
    pub(super) fn in_force_notes(&self, tool: Tool) -> String {
        let refused = self
            .denials
            .as_ref()
            .map(|denials| denials.borrow().clone());
        let refused = refused.filter(|_| tool == Tool::PipelockBlock);
        answer::in_force(&self.view().still_refused(refused.unwrap_or_default()))
    }
}
