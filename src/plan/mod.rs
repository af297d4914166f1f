//! CORE: what must exist for one bottle, decided from what is there. No client, no clock, no randomness.

pub mod action;
pub mod builds;
pub mod containers;
mod denials;
mod effective;
pub mod engine;
pub mod files;
mod finished;
pub mod fold;
pub mod grants;
mod image;
pub mod instructions;
pub mod interrupt;
mod kept;
pub mod metadata;
pub mod namespace;
pub mod overlay;
pub mod pod;
mod pod_template;
pub mod problem;
pub mod roll;
pub mod routes;
pub mod running;
pub mod scope;
pub mod sealed;
pub mod seen;
pub mod settings;
pub mod status;
pub mod surplus;
mod told;
mod values;
pub mod volumes;
pub mod workspace;

pub use action::{Action, Plan};

use crate::{
    api::{Bottle, BottleClass, Proposal, ProposalPhase},
    proposal::{limits::Room, notice::Notice},
};
use effective::{EffectivePlan, Images, effective, enforce, still_effective};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;
use settings::Settings;

/// What is: the objects around one Bottle, as the caches hold them.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The class that the Bottle names, when it exists.
    pub class: Option<&'a BottleClass>,
    /// Every Proposal that names this Bottle.
    pub proposals: &'a [Proposal],
    /// The ConfigMap of our name.
    pub config_map: Option<&'a ConfigMap>,
    /// The pod of our name.
    pub pod: Option<&'a Pod>,
    /// The claim of our name.
    pub claim: Option<&'a PersistentVolumeClaim>,
    /// What the operator was told.
    pub settings: &'a Settings,
    /// Pods that build images, and what they have built.
    pub builds: builds::Around<'a>,
    /// Whether it is this bottle's turn to lose its running agent for a change that is not its own.
    pub turn: bool,
}

/// Plans one bottle. Planning again on the applied state gives an empty plan.
pub fn plan(bottle: &Bottle, seen: Observed<'_>, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let uid = bottle.metadata.uid.as_deref().unwrap_or_default();
    let own = surplus::sort(own_proposals(seen.proposals, uid));
    let others = surplus::sort(surplus::others(seen.proposals, uid));
    let proposals = own.kept;
    plan.orphan_others(&others.kept, now);
    plan.roll_percent = overlay::roll_percent(seen.class, seen.settings);
    // What is no duration is the Bottle's problem, told below; the safe lifetimes hold meanwhile.
    let lifetimes = overlay::lifetimes(bottle, seen.class, seen.settings).unwrap_or_default();
    let mut room = Room::of(&proposals, now);
    let spec = scope::validate(bottle, seen.class, seen.settings);
    let stored = owned(bottle, seen.config_map);
    let declared = spec.as_ref().map(|spec| &spec.declared).ok();
    let work = spec
        .as_ref()
        .ok()
        .and_then(|spec| builds::Work::new(bottle, spec, seen));
    let declared_build = work.as_ref().and_then(|work| work.declared(now));
    plan.look_again(declared_build.as_ref().and_then(|one| one.recheck));
    let build = |proposal: &Proposal| work.as_ref().and_then(|work| work.seen(proposal));
    let mut progressed =
        grants::progress_all(&proposals, declared, &mut room, lifetimes, &build, now);
    plan.look_again(room.opens());
    for progress in &progressed {
        plan.look_again(progress.recheck);
    }
    let pending = progressed
        .iter()
        .filter(|one| one.status.phase == Some(ProposalPhase::Pending))
        .count();
    let pending = u32::try_from(pending).unwrap_or(u32::MAX);
    let told = told::decisions(stored, &proposals, &progressed, room.left(pending));
    let result = spec.as_ref().map_err(Clone::clone).and_then(|spec| {
        let images = Images {
            work: work.as_ref(),
            declared: declared_build.as_ref(),
        };
        effective(bottle, spec, seen, &progressed, told.clone(), images, now)
    });
    let (mut effective, problem) = match result {
        Ok(effective) => (Some(effective), None),
        Err(problem) => {
            let kept = stored
                .and_then(|stored| still_effective(bottle, stored, seen, &progressed, told, now));
            (kept, Some(problem))
        }
    };
    if let Some(effective) = &effective {
        enforce(effective, &mut progressed, now);
    }
    plan.store_progress(&proposals, &progressed);
    if let Some(work) = &work {
        let (actions, recheck) = work.pods(&progressed, declared_build.as_ref(), now);
        plan.actions.extend(actions);
        plan.look_again(recheck);
    }
    if let Some(effective) = &mut effective {
        plan.carry_out(effective);
    }
    let effective = effective.as_ref();
    let telling = denials::tell(bottle.status.as_ref(), now);
    let status = status::render(status::Inputs {
        bottle,
        problem: problem.as_ref(),
        pod: owned(bottle, seen.pod),
        image: effective.and_then(|one| one.image.as_deref()),
        suspended: effective.is_some_and(|one| one.suspended),
        hash: effective.map(|one| one.hash.as_str()),
        pending,
        hidden: effective.map_or(&[], |one| &one.hidden),
        built: effective.and_then(|one| one.built.as_deref()),
        unusable: effective.and_then(|one| one.unusable.as_deref()),
        declared: declared_build.as_ref(),
        dockerfile: match (&spec, &declared_build) {
            (_, Some(declared)) => Some(declared.status.clone()),
            (Ok(spec), None) if spec.build.is_none() => None,
            // Nothing is built while there shall be no agent, and nothing of it forgotten.
            _ => bottle
                .status
                .as_ref()
                .and_then(|status| status.dockerfile.clone()),
        },
        kept: effective.and_then(|one| one.kept.as_ref()),
        denials_told: telling.told,
        now,
    });
    plan.store_status(bottle, status);
    plan.look_again(telling.recheck);
    // After the status, so that one that can't be written repeats no Event.
    if let Some(notice) = telling.notice {
        plan.notify(None, notice);
    }
    plan.notify_progress(&proposals, progressed);
    plan.remove_closed(&[&*proposals, &*others.kept].concat(), lifetimes, now);
    plan.remove_surplus(&[own.surplus, others.surplus].concat(), now);
    if let Ok(spec) = &spec {
        plan.remove_finished(spec, uid, owned(bottle, seen.pod), now);
    }
    plan
}

impl Plan {
    /// Takes over what the effective config asks for: the ConfigMap first, then the pod.
    fn carry_out(&mut self, effective: &mut EffectivePlan) {
        self.look_again(effective.pod.recheck);
        self.look_again(effective.recheck);
        self.actions.append(&mut effective.helpers);
        self.standing = effective.pod.standing;
        self.actions.extend(effective.config_map_action.take());
        self.actions.extend(effective.claim_action.take());
        for action in effective.pod.actions.drain(..) {
            if let Action::DeletePod { why, .. } = &action {
                self.notify(
                    None,
                    Notice {
                        warning: false,
                        reason: "ReplacingPod",
                        note: format!("ending the pod: {why}"),
                    },
                );
            }
            self.actions.push(action);
        }
    }
}

/// Oldest first, so that sequences are given in the order of asking; another Bottle's of the same name apart.
///
/// One that is being deleted is gone: somebody's finalizer must not keep open what was deleted to be closed.
fn own_proposals<'a>(proposals: &'a [Proposal], uid: &str) -> Vec<&'a Proposal> {
    let mut own: Vec<&Proposal> = proposals
        .iter()
        .filter(|proposal| proposal.spec.bottle_uid == uid)
        .filter(|proposal| proposal.metadata.deletion_timestamp.is_none())
        .collect();
    own.sort_by_key(|proposal| {
        (
            proposal.spec.decided_at,
            proposal.creation_timestamp(),
            proposal.name_any(),
        )
    });
    own
}

/// The object, when it is this very Bottle's: the chart's policy lets the operator alone say that a Bottle controls it.
fn owned<'a, K: kube::Resource>(bottle: &Bottle, object: Option<&'a K>) -> Option<&'a K> {
    let uid = bottle.metadata.uid.as_deref()?;
    object.filter(|object| {
        object
            .meta()
            .owner_references
            .iter()
            .flatten()
            .any(|owner| owner.uid == uid && owner.controller == Some(true))
    })
}
