//! The end of a bottle.

use super::{Error, docker, now, place::Place, record::Runtime};
use crate::{api::Proposal, proposal::progress};

/// [`gone`], with what a daemon has of it.
pub async fn end(place: &Place) -> Result<(), Error> {
    let record = place.record()?;
    // Of a daemon that is away something stays; a bottle of this name that starts again removes it first.
    let cleaned = match record.runtime {
        Runtime::Docker => docker::clean(place, &record).await,
        Runtime::Sandbox | Runtime::Process => Ok(()),
    };
    gone(place)?;
    cleaned
}

/// The Bottle is gone: its grants end, its directories go, the record of what was allowed stays.
pub fn gone(place: &Place) -> Result<(), Error> {
    let locked = place.lock()?;
    for proposal in place.proposals()? {
        if let Some(status) = progress::orphan(&proposal, now()) {
            let orphaned = Proposal {
                status: Some(status),
                ..proposal
            };
            locked.put_proposal(orphaned)?;
        }
    }
    locked.remove_rest()
}
