//! A keeper's plans, one after another until there is nothing left to do. Nothing is decided here.

use super::{
    Error, apply,
    class::{self, Turn},
    honour,
    keeper::Keeper,
    now,
    place::Place,
};
use crate::{
    api::{Bottle, BottleClass},
    plan::{Observed, builds::Around, plan, roll::Standing, settings::Settings},
    proposal::condition,
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use std::collections::BTreeMap;

/// Plans in a row that still have something to do: more would mean that they never end.
const ROUNDS: u32 = 16;

impl Keeper<'_> {
    /// Plans and applies until there is nothing left to do; when to look again.
    pub(super) fn reconcile(
        &mut self,
        bottle: &Bottle,
        settings: &Settings,
        known: &BTreeMap<String, String>,
    ) -> Result<Option<Timestamp>, Error> {
        let mut bottle = bottle.clone();
        for _ in 0..ROUNDS {
            let class = class::of(self.place.state(), &bottle)?;
            if let Err(refused) = honour::bottle(&bottle, class.as_ref(), &self.place.record()?) {
                not_honoured(self.place, &refused.to_string())?;
                return Ok(None);
            }
            let proposals = self.place.proposals()?;
            let (config_map, pod) = (self.place.config_map()?, self.place.pod()?);
            let beside = self.place.helpers()?;
            let seen = Observed {
                class: class.as_ref(),
                proposals: &proposals,
                config_map: config_map.as_ref(),
                pod: pod.as_ref(),
                claim: None,
                settings,
                builds: Around {
                    pods: &beside,
                    known: Some(known),
                },
                // Without a class, what changes beside the Bottle is this program, which a person has put there.
                turn: class.is_none() || self.turn.is_some(),
            };
            let mut plan = plan(&bottle, seen, now());
            match plan.standing {
                Standing::Waiting if self.takes_turn(class.as_ref(), plan.roll_percent)? => {
                    plan = self::plan(&bottle, Observed { turn: true, ..seen }, now());
                }
                // The name of an image is waited for where an operator reads what a kubelet wrote: here it is the pod's.
                Standing::Settled | Standing::Renaming | Standing::Held => self.turn = None,
                Standing::Waiting | Standing::Moving => {}
            }
            if plan.actions.is_empty() {
                return Ok(plan.recheck);
            }
            for action in plan.actions {
                tracing::debug!(?action, "applying");
                apply::apply(self.place, &bottle, &proposals, action)?;
            }
            match self.place.bottle()? {
                Some(read) => bottle = read,
                None => return Ok(None),
            }
        }
        tracing::warn!(bottle = %self.place.key(), "the plan does not come to rest");
        Ok(None)
    }

    /// Whether it is this bottle's turn to start anew for its class' change, now or already.
    fn takes_turn(&mut self, class: Option<&BottleClass>, percent: u8) -> Result<bool, Error> {
        if let (None, Some(class)) = (&self.turn, class) {
            self.turn = Turn::take(self.place.state(), &class.name_any(), percent)?;
        }
        Ok(self.turn.is_some())
    }
}

fn not_honoured(place: &Place, message: &str) -> Result<(), Error> {
    let locked = place.lock()?;
    let Some(mut bottle) = place.bottle()? else {
        return Ok(());
    };
    let before = bottle.clone();
    let status = bottle.status.get_or_insert_default();
    let now = condition::whole_seconds(now());
    condition::set(
        &mut status.conditions,
        "Ready",
        condition::FALSE,
        "NotHonoured",
        message,
        now,
    );
    if bottle == before {
        return Ok(());
    }
    locked.put_bottle(bottle)?;
    if place.pod()?.is_some() {
        locked.remove_pod()?;
    }
    Ok(())
}
