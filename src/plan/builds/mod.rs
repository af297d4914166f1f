//! Images that approved Dockerfiles become: which pods there must be beside the bottle's own, and what they show.

mod buildah;
mod container;
mod daemon;
mod declared;
mod gate;
mod kit;
mod pod;
mod probe;
mod seen;

pub use declared::Declared;
pub(super) use gate::Gate;

use super::{Action, Observed, owned, scope::Spec, settings::Builds};
use crate::{
    api::{Bottle, Build, BuildStage, Decision, Proposal, ProposalPhase, ProposalStatus, Tool},
    config::hex,
    names,
    proposal::{
        build::{self, Probed},
        change::{Change, ImageChange},
        progress::Progress,
        review,
    },
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How long a build's pod stays after its end, for its log.
const LOG_KEPT: SignedDuration = SignedDuration::from_mins(10);
/// How often another bottle's build is looked at.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(3);

/// What is there besides the bottle's own objects; empty where no proposal asks for an image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The pods of this namespace that build images, and this bottle's that tries one.
    pub pods: &'a [Arc<Pod>],
    /// Images that were built in this namespace and have run, by the name of the pod that built them.
    pub known: Option<&'a BTreeMap<String, String>>,
}

/// Whether [`Around`] matters to a bottle with this proposal.
pub fn concerns(proposal: &Proposal) -> bool {
    proposal.spec.tool == Tool::CapabilityBlock && proposal.spec.decision != Decision::Pending
}

/// Whether what was built before matters to this proposal: it has no image yet.
pub fn begins(proposal: &Proposal) -> bool {
    let status = proposal.status.as_ref();
    let phase = status.and_then(|status| status.phase);
    let open = matches!(
        phase,
        None | Some(ProposalPhase::Pending | ProposalPhase::Applying)
    );
    let image = stored(status).and_then(|build| build.image.as_ref());
    concerns(proposal) && open && image.is_none()
}

/// The pod that builds for this proposal.
pub fn pod_of(proposal: &Proposal) -> Option<String> {
    stored(proposal.status.as_ref()).map(|build| build.pod.clone())
}

/// The image that a proposal's build has brought, when it was seen to run.
pub fn brought(proposal: &Proposal) -> Option<(String, String)> {
    let build = proposal.status.as_ref()?.build.as_ref()?;
    let ran = build.stage == BuildStage::Running;
    let image = build.image.clone().filter(|_| ran)?;
    Some((build.pod.clone(), image))
}

/// The same of a Bottle's own Dockerfile.
pub fn brought_by_bottle(bottle: &Bottle) -> Option<(String, String)> {
    let build = &bottle.status.as_ref()?.dockerfile.as_ref()?.build;
    let ran = build.stage == BuildStage::Running;
    let image = build.image.clone().filter(|_| ran)?;
    Some((build.pod.clone(), image))
}

/// Whether what was built before matters to this Bottle's own Dockerfile.
pub fn begins_for(bottle: &Bottle) -> bool {
    let status = bottle.status.as_ref();
    let build = status.and_then(|status| status.dockerfile.as_ref());
    let own = bottle.spec.dockerfile.is_some();
    // One that was edited is told by its pod's name only, which is found out later.
    let edited = status.and_then(|status| status.observed_generation) != bottle.metadata.generation;
    own && (edited || build.is_none_or(|one| one.build.stage == BuildStage::Building))
}

/// The pod that builds a Bottle's own Dockerfile.
pub fn pod_of_bottle(bottle: &Bottle) -> Option<String> {
    let status = bottle.status.as_ref()?;
    Some(status.dockerfile.as_ref()?.build.pod.clone())
}

/// One bottle's builds.
pub(super) struct Work<'a> {
    bottle: &'a Bottle,
    spec: &'a Spec,
    builds: &'a Builds,
    seen: Observed<'a>,
}

impl<'a> Work<'a> {
    /// None where no images are built.
    pub(super) fn new(bottle: &'a Bottle, spec: &'a Spec, seen: Observed<'a>) -> Option<Self> {
        Some(Self {
            bottle,
            spec,
            builds: seen.settings.builds.as_ref()?,
            seen,
        })
    }

    /// What is seen of a proposal's build; none for one that asks for no image.
    pub(super) fn seen(&self, proposal: &Proposal) -> Option<build::Seen> {
        let Ok(Change::Image(change)) = review::grant(&proposal.spec) else {
            return None;
        };
        let stored = stored(proposal.status.as_ref());
        let pod = match stored {
            Some(build) => build.pod.clone(),
            None => names::build_name(&key(&change, owned(self.bottle, self.seen.pod))),
        };
        let image = stored.and_then(|build| build.image.as_deref());
        let known = self.seen.builds.known.and_then(|known| known.get(&pod));
        Some(build::Seen {
            known: known.cloned(),
            built: seen::built(self.pod(&pod), self.builds, &self.namespace()),
            probed: image.map_or(Probed::NotAsked, |image| self.probed(image)),
            agent: seen::agent(
                owned(self.bottle, self.seen.pod),
                image,
                stored.and_then(|build| build.replaced.as_deref()),
            ),
            pod,
        })
    }

    /// The pods that must come and go for the builds, before the bottle's own pod is looked at.
    pub(super) fn pods(
        &self,
        progressed: &[Progress],
        declared: Option<&Declared>,
        now: Timestamp,
    ) -> (Vec<Action>, Option<Timestamp>) {
        let mut actions = Vec::new();
        let mut recheck = None;
        let granted = progressed
            .iter()
            .filter_map(|one| one.grant.as_ref())
            .filter_map(|grant| match &grant.change {
                Change::Image(change) => Some((grant.build.as_ref()?, change)),
                Change::Hosts(_) | Change::Routes(_) => None,
            });
        let own = declared.and_then(Declared::going_on).into_iter();
        let building: Vec<(&Build, &ImageChange)> = granted
            .chain(own)
            .filter(|(build, _)| build.stage == BuildStage::Building)
            .collect();
        for (build, change) in &building {
            let there = self.pod(&build.pod);
            match there {
                None if build::wants_pod(build, now) => {
                    let made = self.builder(&build.pod, change);
                    actions.extend(made.map(|pod| Action::CreateHelper(Box::new(pod))));
                }
                // One that failed and is to be begun again: first it goes.
                Some(pod) if seen::has_failed(pod) => actions.extend(remove(pod)),
                // Another bottle's build of the same file: its changes wake that one only.
                Some(pod) if owned(self.bottle, Some(pod)).is_none() => {
                    recheck = now.checked_add(LOOK_AGAIN).ok();
                }
                None | Some(_) => {}
            }
        }
        let own = declared.filter(|one| !one.again).map(Declared::pod);
        let asked = self.seen.proposals.iter().filter_map(pod_of);
        let asked: BTreeSet<_> = asked.chain(own).collect();
        for pod in self.own(names::ROLE_BUILD) {
            let wanted = building
                .iter()
                .any(|(build, _)| build.pod == pod.name_any());
            if wanted {
                continue;
            }
            // Nobody looks for the log of a proposal that is gone.
            let known = asked.contains(&pod.name_any());
            let ended = seen::ended_at(pod).filter(|_| known);
            match ended.map(|at| at.saturating_add(LOG_KEPT).unwrap_or(at)) {
                Some(until) if until > now => {
                    recheck = Some(recheck.map_or(until, |at: Timestamp| at.min(until)));
                }
                _ => actions.extend(remove(pod)),
            }
        }
        (actions, recheck)
    }

    /// The pod `name` that builds; none of a file that a daemon is not given, which an approval was refused for.
    fn builder(&self, name: &str, change: &ImageChange) -> Option<Pod> {
        let settings = self.seen.settings;
        if self.builds.daemon {
            return daemon::render(self.bottle, settings, self.builds, name, change);
        }
        let pod = pod::render(self.bottle, self.spec, settings, self.builds, name, change);
        Some(pod)
    }

    fn pod(&self, name: &str) -> Option<&'a Pod> {
        let pods = self.seen.builds.pods.iter();
        pods.map(Arc::as_ref)
            .find(|pod| pod.metadata.name.as_deref() == Some(name))
    }

    /// This bottle's own pods of a role.
    fn own(&self, role: &'static str) -> impl Iterator<Item = &'a Pod> {
        let bottle = self.bottle;
        let pods = self.seen.builds.pods.iter().map(Arc::as_ref);
        pods.filter(move |pod| has_role(pod, role) && owned(bottle, Some(*pod)).is_some())
    }

    fn namespace(&self) -> String {
        self.bottle.namespace().unwrap_or_default()
    }
}

/// The same file on the same base is the same build. Of a base that is not the one that the agent in `pod` runs in,
/// only the name is known here.
fn key(change: &ImageChange, pod: Option<&Pod>) -> String {
    let mut hasher = Sha256::new();
    let mut part = |text: &str| {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    part(&change.dockerfile);
    for base in &change.bases {
        part(base);
        let runs = pod.and_then(super::seen::agent_image) == Some(base);
        part(
            pod.filter(|_| runs)
                .and_then(seen::image_id)
                .unwrap_or_default(),
        );
    }
    let mut key = hex(&hasher.finalize());
    key.truncate(16);
    key
}

/// Whether the pod is one of ours beside a bottle's own, for that.
pub fn has_role(pod: &Pod, role: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(names::LABEL_ROLE))
        .map(String::as_str)
        == Some(role)
}

fn stored(status: Option<&ProposalStatus>) -> Option<&Build> {
    status?.build.as_ref()
}

fn remove(pod: &Pod) -> Option<Action> {
    let uid = pod.metadata.uid.clone()?;
    let gone = pod.metadata.deletion_timestamp.is_some();
    (!gone).then(|| Action::DeleteHelper {
        name: pod.name_any(),
        uid,
    })
}
