//! What is in force: the declared config and the grants folded into one, and what of it is not yet there.

use super::{
    Action, Observed, builds, engine, files, fold, grants, kept, owned, pod, problem::Problem,
    running, running::PodPlan, scope::Spec, sealed, seen, workspace, workspace::Served,
};
use crate::{
    api::Bottle,
    config::{Files, decisions::Decisions},
    names,
    proposal::progress::{self, Grant, Progress},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;

/// The config part of a plan.
pub(super) struct EffectivePlan {
    pub config_map_action: Option<Action>,
    pub claim_action: Option<Action>,
    /// What workspace and HOME live in; none while the Bottle is invalid.
    pub kept: Option<workspace::Kept>,
    pub pod: PodPlan,
    pub hash: String,
    /// The agent's image as it is wanted; none while the Bottle is invalid.
    pub image: Option<String>,
    pub applied: bool,
    pub hidden: Vec<String>,
    pub suspended: bool,
    /// Pods that try an image.
    pub helpers: Vec<Action>,
    /// The image of the last granted Dockerfile.
    pub built: Option<String>,
    /// Why it can't be used.
    pub unusable: Option<String>,
    pub recheck: Option<Timestamp>,
}

/// Where the agent's image comes from.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub work: Option<&'a builds::Work<'a>>,
    pub declared: Option<&'a builds::Declared>,
}

/// The config that a valid Bottle and its grants make, and the pod for it.
pub(super) fn effective(
    bottle: &Bottle,
    spec: &Spec,
    seen: Observed<'_>,
    progressed: &[Progress],
    decisions: Decisions,
    images: Images<'_>,
    now: Timestamp,
) -> Result<EffectivePlan, Problem> {
    let name = names::object_name(&bottle.name_any());
    if seen.config_map.is_some() && owned(bottle, seen.config_map).is_none() {
        return Err(Problem::NameTaken {
            kind: "ConfigMap",
            name,
        });
    }
    if seen.pod.is_some() && owned(bottle, seen.pod).is_none() {
        return Err(Problem::NameTaken { kind: "Pod", name });
    }
    let claim = owned(bottle, seen.claim);
    if seen.claim.is_some() && claim.is_none() {
        let kind = "PersistentVolumeClaim";
        return Err(Problem::NameTaken { kind, name });
    }
    let effective = fold::fold(&spec.declared, &grants_of(progressed));
    engine::check(spec.engine, &effective.allowlist)?;
    let declared = match images.declared {
        Some(declared) => declared.image(),
        None => Some(&spec.image).filter(|_| spec.build.is_none()),
    };
    let wanted = effective.image.as_ref().or(declared);
    let gate = match (images.work, wanted) {
        (Some(work), Some(wanted)) => work.gate(wanted, now),
        _ => builds::Gate::open(),
    };
    let stays = owned(bottle, seen.pod)
        .and_then(seen::agent_image)
        .filter(|_| !gate.open || wanted.is_none());
    // Before there is an image there is no pod.
    let no_image = wanted.is_none() && stays.is_none();
    let files = files::files(spec, &effective)?;
    let hash = files.hash();
    let made = workspace::Made {
        config: Files {
            dockerfile: String::new(),
            ..files.clone()
        }
        .hash(),
        grants: grants::hash(&grants_of(progressed)),
    };
    let (work, served) = spec.work.live(claim, seen.pod, made, now);
    let spec = &Spec {
        image: stays.or(wanted).cloned().unwrap_or_default(),
        work,
        ..spec.clone()
    };
    let told = decisions.clone();
    let config_map = files::config_map(bottle, spec, &files, decisions);
    let rendered = pod::render(bottle, spec, seen.settings);
    if let Some(leak) = sealed::leaks(&rendered, spec.user).first() {
        return Err(Problem::NotSealed(leak.to_string()));
    }
    let delivery = delivery(bottle, seen.config_map, &config_map, &told);
    let pod = match (seen.pod, served) {
        (None, Some(Served::NotYet(until))) if !spec.suspended => PodPlan::begins_at(until),
        (None, _) if no_image => PodPlan::begins_at(None),
        _ => running::decide(
            bottle,
            spec,
            seen.settings,
            seen.pod,
            &config_map,
            delivery,
            seen.turn,
            now,
        ),
    };
    let claim_action = spec
        .work
        .claim
        .as_ref()
        .filter(|_| claim.is_none() && !spec.suspended)
        .map(|wanted| Action::CreateClaim(Box::new(workspace::render(bottle, wanted))));
    let kept = workspace::Kept::of(bottle, spec, seen.settings, claim, served, pod.held);
    let config_map_action = match seen.config_map {
        None => Some(Action::CreateConfigMap(Box::new(config_map))),
        Some(old) if same_config_map(old, &config_map) => None,
        Some(_) => Some(Action::ApplyConfigMap(Box::new(config_map))),
    };
    Ok(EffectivePlan {
        config_map_action,
        claim_action,
        kept: Some(kept),
        pod,
        hash,
        image: Some(spec.image.clone()).filter(|_| !no_image),
        applied: delivery.in_force(),
        hidden: effective.hidden,
        helpers: gate.actions,
        built: effective.image,
        unusable: gate.problem,
        recheck: gate.recheck,
        suspended: spec.suspended,
    })
}

/// The config of a Bottle that is not valid now: what it last declared, with the grants of today. Its pod stays as it
/// is. None where that can't be told.
pub(super) fn still_effective(
    bottle: &Bottle,
    stored: &ConfigMap,
    seen: Observed<'_>,
    progressed: &[Progress],
    decisions: Decisions,
    now: Timestamp,
) -> Option<EffectivePlan> {
    let effective = fold::fold(&kept::read(stored)?, &grants_of(progressed));
    let told = decisions.clone();
    let (config_map, files) = kept::config_map(bottle, stored, &effective, decisions).ok()?;
    let delivery = delivery(bottle, Some(stored), &config_map, &told);
    Some(EffectivePlan {
        pod: running::deliver(owned(bottle, seen.pod), &config_map, delivery, now),
        config_map_action: (!same_config_map(stored, &config_map))
            .then(|| Action::ApplyConfigMap(Box::new(config_map))),
        claim_action: None,
        kept: None,
        hash: files.hash(),
        image: None,
        applied: delivery.in_force(),
        hidden: effective.hidden,
        helpers: Vec::new(),
        built: None,
        unusable: None,
        recheck: None,
        suspended: false,
    })
}

fn grants_of(progressed: &[Progress]) -> Vec<Grant> {
    let grants = progressed.iter().map(|one| one.grant.clone());
    grants.flatten().collect()
}

/// How far `wanted` has come, by what is stored and what the sidecars report.
fn delivery(
    bottle: &Bottle,
    stored: Option<&ConfigMap>,
    wanted: &ConfigMap,
    told: &Decisions,
) -> running::Delivery {
    let sidecar = bottle
        .status
        .as_ref()
        .and_then(|status| status.sidecar.as_ref());
    let enforced = sidecar.and_then(|sidecar| sidecar.enforced_hash.as_ref());
    let hash = wanted
        .data
        .as_ref()
        .and_then(|data| data.get(names::file::HASH));
    running::Delivery {
        stored: stored.is_some_and(|old| old.data == wanted.data),
        enforced: enforced.is_some() && enforced == hash,
        callers: match (&*told.decisions, &*told.deleted) {
            ([], []) => running::Callers::None,
            ([], _) => running::Callers::OfDeleted,
            _ => running::Callers::OfDecided,
        },
    }
}

/// The sidecars report the hash of a config that holds every applied grant: those are in force.
pub(super) fn enforce(effective: &EffectivePlan, progressed: &mut [Progress], now: Timestamp) {
    if !effective.applied {
        return;
    }
    let granted = |one: &&mut Progress| one.grant.as_ref().is_some_and(progress::Grant::in_force);
    for one in progressed.iter_mut().filter(granted) {
        one.notices.extend(progress::enforce(&mut one.status, now));
    }
}

fn same_config_map(old: &ConfigMap, new: &ConfigMap) -> bool {
    let labels_kept = new.metadata.labels.iter().flatten().all(|(key, value)| {
        old.metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(key))
            == Some(value)
    });
    old.data == new.data && labels_kept
}
