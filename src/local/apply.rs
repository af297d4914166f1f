//! Carries out a plan's actions on the directory, one by one, in their order. Nothing is decided here.

use super::{Error, mount, place::Place};
use crate::{
    api::{Bottle, BottleStatus, Proposal, ProposalStatus},
    names,
    plan::{Action, interrupt},
    proposal::notice::Notice,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ResourceRequirements};
use kube::ResourceExt as _;
use std::{collections::BTreeMap, fs::OpenOptions, io::Write as _};

/// The files of the ConfigMap that the agent sees.
const PUBLIC: [&str; 3] = [
    names::file::ROUTES,
    names::file::ALLOWLIST,
    names::file::DOCKERFILE,
];

/// Applies `action`, planned for `bottle` and `proposals` as they were read.
pub fn apply(
    place: &Place,
    bottle: &Bottle,
    proposals: &[Proposal],
    action: Action,
) -> Result<(), Error> {
    match action {
        Action::ApplyProposalStatus { name, status } => {
            let seen = proposals.iter().find(|one| one.name_any() == name);
            proposal_status(place, seen, *status)
        }
        Action::DeleteProposal { name, uid, .. } => place.lock()?.remove_proposal(&name, &uid),
        Action::CreateConfigMap(config_map) | Action::ApplyConfigMap(config_map) => {
            store_config_map(place, *config_map)
        }
        Action::CreatePod(pod) => place.lock()?.put_pod(*pod).map(drop),
        // Whoever runs it sees that it is gone and ends it.
        Action::DeletePod { uid, .. } => {
            let locked = place.lock()?;
            if place.pod()?.and_then(|pod| pod.metadata.uid) == Some(uid) {
                locked.remove_pod()?;
            }
            Ok(())
        }
        Action::PatchPodImage { image } => change_pod(place, |pod| {
            let agent = pod.spec.iter_mut().flat_map(|spec| &mut spec.containers);
            for one in agent.filter(|one| one.name == names::container::AGENT) {
                one.image = Some(image.clone());
            }
        }),
        Action::CreateHelper(pod) => place.lock()?.put_helper(*pod).map(drop),
        Action::DeleteHelper { name, uid } => place.lock()?.remove_helper(&name, &uid),
        // `honour` refuses claims and ends by the clock.
        Action::CreateClaim(_) | Action::DeleteBottle { .. } => Ok(()),
        // Whoever runs it sees that it has changed, and changes what runs.
        Action::ResizePod { resources, hash } => change_pod(place, |pod| {
            annotate(pod, names::ANNOTATION_RESOURCES_HASH, hash);
            let agent = pod.spec.iter_mut().flat_map(|spec| &mut spec.containers);
            for one in agent.filter(|one| one.name == names::container::AGENT) {
                one.resources = Some(ResourceRequirements {
                    requests: Some(resources.requests.clone()),
                    limits: Some(resources.limits.clone()),
                    claims: None,
                });
            }
        }),
        Action::TouchPod { value } => {
            if let Some(config_map) = place.config_map()? {
                deliver(place, &config_map)?;
            }
            change_pod(place, |pod| {
                annotate(pod, names::ANNOTATION_CONFIG_TOUCH, value);
            })
        }
        Action::ApplyBottleStatus(status) => bottle_status(place, bottle, *status),
        Action::Notify { proposal, notice } => note(place, proposal.as_deref(), &notice),
    }
}

/// Brings the directories that sidecars and agent read to the ConfigMap's content.
pub fn deliver(place: &Place, config_map: &ConfigMap) -> Result<(), Error> {
    let data = config_map.data.clone().unwrap_or_default();
    let public: BTreeMap<_, _> = data
        .iter()
        .filter(|(name, _)| PUBLIC.contains(&name.as_str()))
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect();
    // The agent sees a new file when the proxies may enforce it, not before.
    mount::swap(&place.path("run/config"), &data)?;
    mount::swap(&place.path("run/current-config"), &public)
}

/// Writes the part of the pod's object that whoever runs it owns.
pub fn change_pod(place: &Place, change: impl FnOnce(&mut Pod)) -> Result<(), Error> {
    let locked = place.lock()?;
    let Some(mut pod) = place.pod()? else {
        return Ok(());
    };
    let before = pod.clone();
    change(&mut pod);
    if pod == before {
        return Ok(());
    }
    locked.put_pod(pod).map(drop)
}

/// What was asked of the running pod can't be: the plan replaces it.
pub fn refuse_resize(place: &Place) -> Result<(), Error> {
    change_pod(place, |pod| {
        let annotations = pod.annotations_mut();
        if let Some(hash) = annotations.get_mut(names::ANNOTATION_RESOURCES_HASH)
            && !hash.starts_with(&interrupt::refused(""))
        {
            *hash = interrupt::refused(hash);
        }
    })
}

fn annotate(pod: &mut Pod, name: &str, value: String) {
    pod.annotations_mut().insert(name.to_owned(), value);
}

fn proposal_status(
    place: &Place,
    seen: Option<&Proposal>,
    status: ProposalStatus,
) -> Result<(), Error> {
    let Some(seen) = seen else { return Ok(()) };
    let locked = place.lock()?;
    // The version of the plan, not today's: a sequence is given once.
    let sidecar = seen
        .status
        .as_ref()
        .and_then(|status| status.sidecar.clone());
    let proposal = Proposal {
        status: Some(ProposalStatus { sidecar, ..status }),
        ..seen.clone()
    };
    locked.put_proposal(proposal).map(drop)
}

fn store_config_map(place: &Place, mut config_map: ConfigMap) -> Result<(), Error> {
    let locked = place.lock()?;
    if let Some(old) = place.config_map()? {
        config_map.metadata.resource_version = old.metadata.resource_version;
        config_map.metadata.uid = old.metadata.uid;
        config_map.metadata.creation_timestamp = old.metadata.creation_timestamp;
    }
    let written = locked.put_config_map(config_map)?;
    deliver(place, &written)
}

fn bottle_status(place: &Place, planned: &Bottle, status: BottleStatus) -> Result<(), Error> {
    let locked = place.lock()?;
    let Some(mut bottle) = place.bottle()? else {
        return Ok(());
    };
    if bottle.metadata.uid != planned.metadata.uid {
        return Ok(());
    }
    let sidecar = bottle.status.take().and_then(|status| status.sidecar);
    bottle.status = Some(BottleStatus { sidecar, ..status });
    locked.put_bottle(bottle).map(drop)
}

/// What a cluster has Events for.
fn note(place: &Place, proposal: Option<&str>, notice: &Notice) -> Result<(), Error> {
    let Notice {
        warning,
        reason,
        note,
    } = notice;
    let kind = if *warning { "Warning" } else { "Normal" };
    let at = crate::proposal::condition::whole_seconds(super::now());
    let about = proposal.unwrap_or("-");
    let line = format!("{at} {kind} {reason} {about} {}\n", note.replace('\n', " "));
    let path = place.path("log/events");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(Error::file("write", &path))
}
