//! A plan: the writes in their order, and when to look again.

use super::{
    roll::Standing,
    status::{HELD, SETTINGS_INTACT, WORKSPACE_KEPT},
};
use crate::{
    api::{Bottle, BottleStatus, Proposal, ProposalStatus, Resources},
    config::remarks::Word,
    proposal::{
        condition,
        lifetimes::Lifetimes,
        notice::Notice,
        progress::{self, Progress},
    },
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;

/// One write. The order of a plan's actions is the order in which they must happen.
#[derive(Clone, Debug)]
pub enum Action {
    /// Store a Proposal's status; first, so that a grant has its sequence before anybody can see it.
    ApplyProposalStatus {
        /// Name of the Proposal.
        name: String,
        /// The status, `sidecar` apart.
        status: Box<ProposalStatus>,
    },
    /// Remove a closed Proposal whose retention is over, or a question beyond what anybody could be shown.
    DeleteProposal {
        /// Name of the Proposal.
        name: String,
        /// Its uid: never delete one that was asked anew.
        uid: String,
        /// Its version, when a decision that falls meanwhile must save it.
        version: Option<String>,
    },
    /// Make the ConfigMap.
    CreateConfigMap(Box<ConfigMap>),
    /// Bring the ConfigMap up to date: new config and decisions in one write.
    ApplyConfigMap(Box<ConfigMap>),
    /// Make the claim for workspace and HOME.
    CreateClaim(Box<PersistentVolumeClaim>),
    /// Make the pod.
    CreatePod(Box<Pod>),
    /// Take the pod away; the next plan makes another.
    DeletePod {
        /// Name of the pod.
        name: String,
        /// Its uid: never delete a successor.
        uid: String,
        /// Why, for an Event.
        why: &'static str,
    },
    /// Make a pod that builds an image, or that tries one.
    CreateHelper(Box<Pod>),
    /// Take such a pod away.
    DeleteHelper {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Change the agent's image in place.
    PatchPodImage {
        /// The new image.
        image: String,
    },
    /// Change the agent's CPU and memory in place.
    ResizePod {
        /// The new resources.
        resources: Resources,
        /// Their hash, for the annotation; what the API server refuses is noted there, too.
        hash: String,
    },
    /// Touch the pod, so that the kubelet refreshes the ConfigMap's mount at once.
    TouchPod {
        /// The annotation's value.
        value: String,
    },
    /// Remove the Bottle, and with it all that is its own.
    DeleteBottle {
        /// Its uid: never delete a successor.
        uid: String,
    },
    /// Store the Bottle's status.
    ApplyBottleStatus(Box<BottleStatus>),
    /// Tell people, on the Bottle and, when it is about one, on the Proposal.
    Notify {
        /// Name of the Proposal that it is about.
        proposal: Option<String>,
        /// What to say.
        notice: Notice,
    },
}

/// What must be done, and when to look again without being called.
#[derive(Clone, Debug, Default)]
#[must_use = "an unapplied plan changes nothing"]
pub struct Plan {
    /// The writes, in order.
    pub actions: Vec<Action>,
    /// The next moment at which time alone changes something.
    pub recheck: Option<Timestamp>,
    /// Where the pod is, for the bottles that wait behind this one.
    pub standing: Standing,
    /// How many per cent of the class' bottles may be without their agent at a time.
    pub roll_percent: u8,
}

impl Plan {
    pub(super) fn look_again(&mut self, at: Option<Timestamp>) {
        self.recheck = match (self.recheck, at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Proposals of a Bottle that had this name before.
    pub(super) fn orphan_others(&mut self, others: &[&Proposal], now: Timestamp) {
        for other in others {
            if let Some(status) = progress::orphan(other, now) {
                self.actions.push(Action::ApplyProposalStatus {
                    name: other.name_any(),
                    status: Box::new(status),
                });
            }
        }
    }

    pub(super) fn store_progress(&mut self, proposals: &[&Proposal], progressed: &[Progress]) {
        for (proposal, progress) in proposals.iter().zip(progressed) {
            if progress::stored(proposal) != progress.status {
                self.actions.push(Action::ApplyProposalStatus {
                    name: proposal.name_any(),
                    status: Box::new(progress.status.clone()),
                });
            }
        }
    }

    /// Removes what is over for longer than `retention`.
    pub(super) fn remove_closed(
        &mut self,
        proposals: &[&Proposal],
        lifetimes: Lifetimes,
        now: Timestamp,
    ) {
        for proposal in proposals {
            let status = progress::stored(proposal);
            let Some(until) = lifetimes.kept_until(&status) else {
                continue;
            };
            match proposal.uid() {
                Some(uid) if until <= now => {
                    let name = proposal.name_any();
                    self.actions.push(Action::DeleteProposal {
                        name,
                        uid,
                        version: None,
                    });
                }
                _ => self.look_again(Some(until)),
            }
        }
    }

    pub(super) fn store_status(&mut self, bottle: &Bottle, status: BottleStatus) {
        let stored = bottle.status.clone().unwrap_or_default();
        if stored.conditions_without_times() != status.conditions_without_times()
            || (BottleStatus {
                sidecar: None,
                conditions: Vec::new(),
                ..stored
            }) != (BottleStatus {
                conditions: Vec::new(),
                ..status.clone()
            })
        {
            let notices = [
                not_ready(bottle, &status),
                settings_news(bottle, &status),
                held(bottle, &status),
            ];
            for notice in notices.into_iter().flatten() {
                self.notify(None, notice);
            }
            self.actions
                .push(Action::ApplyBottleStatus(Box::new(status)));
        }
    }

    pub(super) fn notify_progress(&mut self, proposals: &[&Proposal], progressed: Vec<Progress>) {
        for (proposal, progress) in proposals.iter().zip(progressed) {
            for notice in progress.notices {
                self.notify(Some(proposal.name_any()), notice);
            }
        }
    }

    pub(super) fn notify(&mut self, proposal: Option<String>, notice: Notice) {
        self.actions.push(Action::Notify { proposal, notice });
    }
}

/// An Event when the bottle becomes not ready for a reason that a person has to see to.
fn not_ready(bottle: &Bottle, status: &BottleStatus) -> Option<Notice> {
    const EXPECTED: [&str; 6] = [
        "Starting",
        "ConfigNotEnforced",
        "Suspended",
        "Finished",
        "Replacing",
        "Running",
    ];
    let reason_of = |status: &BottleStatus| {
        condition::get(&status.conditions, "Ready").map(|ready| ready.reason.clone())
    };
    let new = condition::get(&status.conditions, "Ready")?;
    let old = bottle.status.as_ref().and_then(reason_of);
    if EXPECTED.contains(&new.reason.as_str()) || old.as_deref() == Some(new.reason.as_str()) {
        return None;
    }
    Some(Notice {
        warning: true,
        reason: "NotReady",
        note: format!("{}: {}", new.reason, new.message),
    })
}

/// An Event when the agent's container says something else about its settings than before.
fn settings_news(bottle: &Bottle, status: &BottleStatus) -> Option<Notice> {
    let old = bottle.status.as_ref();
    let old = old.and_then(|old| condition::get(&old.conditions, SETTINGS_INTACT));
    let new = condition::get(&status.conditions, SETTINGS_INTACT)?;
    let said = new.reason != "Intact" && old.is_none_or(|old| old.message != new.message);
    let reason = Word::of(&new.reason);
    said.then(|| Notice {
        warning: new.status == condition::FALSE,
        reason: reason.as_str(),
        note: new.message.clone(),
    })
}

/// An Event when the pod should go and does not, for another reason than before.
fn held(bottle: &Bottle, status: &BottleStatus) -> Option<Notice> {
    let old = bottle.status.as_ref();
    let old = old.and_then(|old| condition::get(&old.conditions, WORKSPACE_KEPT));
    let new = condition::get(&status.conditions, WORKSPACE_KEPT)?;
    let news = new.reason == HELD && old.is_none_or(|old| old.message != new.message);
    news.then(|| Notice {
        warning: true,
        reason: HELD,
        note: new.message.clone(),
    })
}

impl BottleStatus {
    /// The conditions but for when they changed.
    fn conditions_without_times(&self) -> Vec<(&str, &str, &str, &str)> {
        self.conditions
            .iter()
            .map(|one| {
                (
                    one.type_.as_str(),
                    one.status.as_str(),
                    one.reason.as_str(),
                    one.message.as_str(),
                )
            })
            .collect()
    }
}
