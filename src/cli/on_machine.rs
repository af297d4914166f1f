//! The bottles of this machine.

use super::{Error, Where, places};
use crate::{
    api::{Bottle, BottleClass, Proposal},
    local::{self, admit::Verdict, class, identity::Key, place::Place, shelf::Shelf, state::State},
};
use k8s_openapi::api::core::v1::ConfigMap;
use std::time::Duration;

/// A state directory and a project in it.
pub struct Machine {
    state: State,
    project: String,
}

/// Between two looks at the directories of a whole project; a person does not notice it.
const LOOK: Duration = Duration::from_millis(250);

impl Machine {
    /// What the flags mean.
    pub fn open(place: &Where) -> Result<Self, Error> {
        Ok(Self {
            state: places::state(place)?,
            project: places::project(place)?,
        })
    }

    /// The project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The state directory.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The place of a bottle of this project.
    pub fn place(&self, name: &str) -> Result<Place, Error> {
        let key = Key::new(&self.project, name).map_err(local::Error::from)?;
        Ok(self.state.place(key))
    }

    fn places(&self, all: bool) -> Result<Vec<Place>, Error> {
        let project = (!all).then_some(self.project.as_str());
        Ok(self.state.places(project)?)
    }

    /// The Bottles.
    pub fn bottles(&self, all: bool) -> Result<Vec<Bottle>, Error> {
        let mut bottles = Vec::new();
        for place in self.places(all)? {
            bottles.extend(seen(&place)?);
        }
        Ok(bottles)
    }

    /// One Bottle.
    pub fn bottle(&self, name: &str) -> Result<Option<Bottle>, Error> {
        seen(&self.place(name)?)
    }

    /// The classes, each with how far its last change has come.
    pub fn classes(&self) -> Result<Vec<BottleClass>, Error> {
        let all = self.state.classes().all()?.into_iter();
        Ok(all
            .map(|one| class::seen(&self.state, one))
            .collect::<Result<_, _>>()?)
    }

    /// One class.
    pub fn class(&self, name: &str) -> Result<Option<BottleClass>, Error> {
        let found = self.state.classes().get(name)?;
        Ok(found.map(|one| class::seen(&self.state, one)).transpose()?)
    }

    /// The ConfigMaps of the project.
    pub fn config_maps(&self) -> Result<Shelf<ConfigMap>, Error> {
        Ok(self.state.config_maps(&self.project)?)
    }

    /// The ConfigMaps of the project or of all.
    pub fn all_config_maps(&self, all: bool) -> Result<Vec<ConfigMap>, Error> {
        let mut found = Vec::new();
        let projects = if all {
            self.state.projects()?
        } else {
            vec![self.project.clone()]
        };
        for project in projects {
            found.extend(self.state.config_maps(&project)?.all()?);
        }
        Ok(found)
    }

    /// The Proposals, oldest first.
    pub fn proposals(&self, all: bool) -> Result<Vec<Proposal>, Error> {
        let mut proposals = Vec::new();
        for place in self.places(all)? {
            proposals.extend(place.proposals()?);
        }
        proposals.sort_by(|one, other| {
            let at = |one: &Proposal| one.metadata.creation_timestamp.clone().map(|time| time.0);
            at(one).cmp(&at(other))
        });
        Ok(proposals)
    }

    /// Writes a decision, as admission would let it pass.
    pub fn decide(&self, proposal: &Proposal, verdict: &Verdict) -> Result<Proposal, Error> {
        let place = self.place(&proposal.spec.bottle)?;
        Ok(place.decide(proposal, verdict, &places::user())?)
    }

    /// Bottles come and go, so a project is looked at again and again instead of watched.
    pub async fn changed(&self) -> Result<(), Error> {
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}

/// The Bottle, and the truth about one that nobody keeps.
fn seen(place: &Place) -> Result<Option<Bottle>, Error> {
    let mut bottle = place.bottle()?;
    if let Some(status) = bottle.as_mut().and_then(|bottle| bottle.status.as_mut())
        && matches!(
            status.phase,
            Some(crate::api::BottlePhase::Running | crate::api::BottlePhase::Starting)
        )
        && !place.kept()
    {
        status.phase = Some(crate::api::BottlePhase::Pending);
        crate::proposal::condition::set(
            &mut status.conditions,
            "Ready",
            crate::proposal::condition::FALSE,
            "NotRunning",
            "nothing runs this bottle now: `bottle apply` starts it again",
            local::now(),
        );
    }
    Ok(bottle)
}
