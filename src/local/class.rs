//! Classes on this machine: which one a bottle has, whose turn it is to start anew for one's change, and how far that is.

use super::{
    Error, keeper,
    place::Place,
    state::{State, open_lock},
    write,
};
use crate::{
    api::{Bottle, BottleClass, BottleClassStatus},
    plan::{
        Action, Observed,
        builds::Around,
        plan,
        roll::{Standing, limit},
    },
    telemetry::chain,
};
use kube::ResourceExt as _;
use std::{collections::BTreeMap, fs, fs::File};

/// The class that the Bottle names. One that can't be read is as good as none, as in a cluster: the plan says so, and
/// what closes a hole goes on.
pub fn of(state: &State, bottle: &Bottle) -> Result<Option<BottleClass>, Error> {
    let Some(name) = &bottle.spec.class else {
        return Ok(None);
    };
    match state.classes().get(name) {
        Err(error @ Error::Object { .. }) => {
            tracing::error!(error = chain(&error), "A BottleClass is left alone");
            Ok(None)
        }
        found => found,
    }
}

/// Every bottle that names the class. One that can't be read names none: it is another project's, perhaps.
pub fn bottles(state: &State, class: &str) -> Result<Vec<(Place, Bottle)>, Error> {
    let mut all = Vec::new();
    for place in state.places(None)? {
        let bottle = match place.bottle() {
            Err(Error::Object { .. }) => None,
            found => found?,
        };
        let of_class = |bottle: &Bottle| bottle.spec.class.as_deref() == Some(class);
        all.extend(bottle.filter(of_class).map(|bottle| (place, bottle)));
    }
    Ok(all)
}

/// The right to have one's agent start anew for a class' change, until it is dropped or its process ends: a lock, of
/// which there are as many as agents may be away at a time.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Takes one of the class' turns; none when all are taken.
    pub fn take(state: &State, class: &str, percent: u8) -> Result<Option<Self>, Error> {
        let directory = state.classes().make()?.join(".turns").join(class);
        write::directory(&directory).map_err(Error::file("make", &directory))?;
        for number in 0..limit(bottles(state, class)?.len(), percent) {
            let path = directory.join(number.to_string());
            let lock = open_lock(&path)?;
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Self { _lock: lock })),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(source)) => {
                    return Err(Error::file("lock", &path)(source));
                }
            }
        }
        Ok(None)
    }
}

/// The class with how far its last change has come, worked out from what is stored.
pub fn seen(state: &State, mut class: BottleClass) -> Result<BottleClass, Error> {
    let mut status = BottleClassStatus {
        observed_generation: class.metadata.generation,
        ..BottleClassStatus::default()
    };
    for (place, bottle) in bottles(state, &class.name_any())? {
        status.bottles += 1;
        match standing(&place, &bottle, &class)? {
            Standing::Settled | Standing::Renaming => status.updated += 1,
            Standing::Moving => status.rolling += 1,
            Standing::Waiting | Standing::Held => status.waiting += 1,
        }
    }
    class.status = Some(status);
    Ok(class)
}

/// Where a bottle is, seen from what this class wants. One whose config is still to be written waits.
fn standing(place: &Place, bottle: &Bottle, class: &BottleClass) -> Result<Standing, Error> {
    use Action::{ApplyConfigMap, CreateConfigMap, CreatePod};
    let settings = keeper::settings(&place.record()?);
    let proposals = place.proposals()?;
    let (config_map, pod) = (place.config_map()?, place.pod()?);
    let (beside, known) = (place.helpers()?, BTreeMap::new());
    let observed = Observed {
        class: Some(class),
        proposals: &proposals,
        config_map: config_map.as_ref(),
        pod: pod.as_ref(),
        claim: None,
        settings: &settings,
        builds: Around {
            pods: &beside,
            known: Some(&known),
        },
        turn: false,
    };
    let plan = plan(bottle, observed, super::now());
    let unwritten = |action: &Action| {
        matches!(
            action,
            ApplyConfigMap(_) | CreateConfigMap(_) | CreatePod(_)
        )
    };
    Ok(if plan.actions.iter().any(unwritten) {
        Standing::Waiting
    } else {
        plan.standing
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_class_only_so_many_have_their_turn_and_each_is_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let take = |class: &str| Turn::take(&state, class, 10).unwrap();
        let first = take("small");
        assert!(first.is_some());
        assert!(take("small").is_none());
        assert!(take("large").is_some(), "another class' is another");
        drop(first);
        assert!(take("small").is_some());
    }
}
