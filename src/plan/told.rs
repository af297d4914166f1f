//! What `decisions.json` tells the sidecar: decisions that are owed, what is left of the limits, and which questions
//! nobody will decide any more.

use crate::api::Proposal;
use crate::{
    config::decisions::{Decisions, Limits},
    names,
    proposal::{answering::unanswered, progress::Progress},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;

/// The whole file, after the one in `stored`. A deletion leaves no object behind, so what was open before and is gone
/// now is remembered here.
pub fn decisions(
    stored: Option<&ConfigMap>,
    proposals: &[&Proposal],
    progressed: &[Progress],
    limits: Limits,
) -> Decisions {
    let before = stored.and_then(read).unwrap_or_default();
    let uids: Vec<String> = proposals.iter().filter_map(|one| one.uid()).collect();
    let open = proposals.iter().filter(|one| unanswered(one).is_some());
    let mut deleted = before.deleted;
    deleted.extend(before.open.into_iter().filter(|uid| !uids.contains(uid)));
    deleted.drain(..deleted.len().saturating_sub(DELETED_MAX));
    Decisions {
        decisions: progressed
            .iter()
            .filter_map(|one| one.decided.clone())
            .collect(),
        limits: Some(limits),
        open: open.filter_map(|one| one.uid()).take(OPEN_MAX).collect(),
        deleted,
    }
}

/// Uids that are remembered as deleted: as many as may be pending.
const DELETED_MAX: usize = Limits::PENDING as usize;
/// Uids that are remembered as open: beyond it (a flood by a stolen token) nobody waits.
const OPEN_MAX: usize = 256;

fn read(stored: &ConfigMap) -> Option<Decisions> {
    let text = stored.data.as_ref()?.get(names::file::DECISIONS)?;
    serde_json::from_str(text).ok()
}
