//! One proposal's next state, from what is stored and what the sidecars report.

use super::{
    Event, State,
    answering::{answered, owed},
    build,
    change::Change,
    condition::{self, FALSE, TRUE, UNKNOWN},
    notice::{Facts, Notice, Why},
    record::record,
    review, step, unfit,
};
use crate::{
    api::{Build, BuildStage, Decision, Proposal, ProposalStatus},
    config::decisions::Decided,
    names,
};
use jiff::Timestamp;
use kube::ResourceExt as _;

/// The result of [`progress`].
#[derive(Clone, Debug)]
pub struct Progress {
    /// The status as it must be stored; `sidecar` apart.
    pub status: ProposalStatus,
    /// The change that is part of the effective config.
    pub grant: Option<Grant>,
    /// What happened, for people.
    pub notices: Vec<Notice>,
    /// The answer, when one is owed.
    pub decided: Option<Decided>,
    /// When to look again.
    pub recheck: Option<Timestamp>,
}

/// One applied grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Its place in the fold.
    pub sequence: i64,
    /// What it changes.
    pub change: Change,
    /// How far its image has come, when it changes that.
    pub build: Option<Build>,
}

impl Grant {
    /// Whether it is part of the files in force: an image is not before the agent runs in it.
    pub fn in_force(&self) -> bool {
        let stage = self.build.as_ref().map(|build| build.stage);
        !matches!(self.change, Change::Image(_)) || stage == Some(BuildStage::Running)
    }
}

/// Takes every step that the stored objects allow, but for [`Event::Enforce`], which needs the whole bottle's config
/// ([`enforce`]) and [`Event::LoseBottle`] ([`orphan`]).
pub fn progress(proposal: &Proposal, facts: Facts<'_>) -> Progress {
    let mut status = stored(proposal);
    let mut notices = Vec::new();
    let mut state = State::from(status.phase);
    while let Some((event, why)) = next_event(proposal, &status, state, facts) {
        let Ok(transition) = step(state, event) else {
            break;
        };
        state = transition.to;
        notices.extend(record(&proposal.spec, &mut status, state, &why, facts));
    }
    let looked = look(proposal, &mut status, &mut state, facts, &mut notices);
    if let (State::New, Some(full)) = (state, facts.held) {
        let (reason, message) = full.why();
        status.reason = Some(reason.into());
        status.message = Some(message);
    }
    invalid_final_file(proposal, &mut status, state, facts.now);
    unfit::waits(proposal, &mut status, state, facts);
    answered(proposal, &mut status, state, facts.now);
    let grant = granted(proposal, &status, state);
    let decided = owed(proposal, &status, state);
    let recheck = match state {
        State::Applying | State::Enforced => [proposal.spec.expires_at, looked]
            .into_iter()
            .flatten()
            .min(),
        State::Pending => shown_at(&status).and_then(|at| facts.lifetimes.pending_until(at)),
        _ => facts.lifetimes.kept_until(&status),
    };
    Progress {
        status,
        grant,
        notices,
        decided,
        recheck,
    }
}

/// One look at what an approved Dockerfile has come to; when to look again.
fn look(
    proposal: &Proposal,
    status: &mut ProposalStatus,
    state: &mut State,
    facts: Facts<'_>,
    notices: &mut Vec<Notice>,
) -> Option<Timestamp> {
    let seen = facts.build.filter(|_| *state == State::Applying)?;
    let now = condition::whole_seconds(facts.now);
    let step = build::step(status.build.as_ref(), seen, now);
    let log = step.build.log.clone();
    status.build = Some(step.build);
    if let Some((reason, message)) = step.failed {
        let to = super::step(*state, Event::Fail).ok()?.to;
        *state = to;
        let message = with_log(message, &log);
        let why = Why { reason, message };
        notices.extend(record(&proposal.spec, status, to, &why, facts));
        return None;
    }
    let reason = match status.build.as_ref().map(|build| build.stage) {
        Some(BuildStage::Replacing) => "Replacing",
        Some(BuildStage::Running) => "Approved",
        Some(BuildStage::Building) | None => "Building",
    };
    condition::set(
        &mut status.conditions,
        "Enforced",
        UNKNOWN,
        reason,
        &step.message,
        now,
    );
    status.reason = Some(reason.into());
    status.message = Some(step.message);
    step.recheck
}

/// The sentence and the end of the log, as long as a message may be.
pub fn with_log(message: String, log: &[String]) -> String {
    const MOST: usize = 3500;
    if log.is_empty() {
        return message;
    }
    let text = format!("{message}\nthe log's last lines:\n{}", log.join("\n"));
    text.chars().take(MOST).collect()
}

/// Every sidecar enforces a config that holds this grant.
pub fn enforce(status: &mut ProposalStatus, now: Timestamp) -> Option<Notice> {
    let transition = step(State::from(status.phase), Event::Enforce).ok()?;
    status.phase = transition.to.into();
    status.reason = Some("Enforced".into());
    status.message = Some("the change is in force".into());
    status.enforced_at = Some(condition::whole_seconds(now));
    let now = condition::whole_seconds(now);
    condition::set(
        &mut status.conditions,
        "Enforced",
        TRUE,
        "Enforced",
        "every sidecar enforces the change",
        now,
    );
    let change = status.summary.clone().unwrap_or_else(|| "no change".into());
    Some(Notice {
        warning: false,
        reason: "ProposalEnforced",
        note: format!("in force: {change}"),
    })
}

/// The status of a proposal whose Bottle is gone; none when it is closed already.
pub fn orphan(proposal: &Proposal, now: Timestamp) -> Option<ProposalStatus> {
    let mut status = stored(proposal);
    let transition = step(State::from(status.phase), Event::LoseBottle).ok()?;
    status.phase = transition.to.into();
    status.reason = Some("BottleGone".into());
    status.message = Some(format!(
        "there is no Bottle {} with uid {} any more; a Bottle of the same name inherits nothing",
        proposal.spec.bottle, proposal.spec.bottle_uid
    ));
    let now = condition::whole_seconds(now);
    status.closed_at = Some(now);
    condition::set(
        &mut status.conditions,
        "Enforced",
        FALSE,
        "BottleGone",
        "its Bottle is gone",
        now,
    );
    Some(status)
}

/// What the operator owns of the stored status.
pub fn stored(proposal: &Proposal) -> ProposalStatus {
    ProposalStatus {
        sidecar: None,
        ..proposal.status.clone().unwrap_or_default()
    }
}

/// Since when a reviewer can see the question.
fn shown_at(status: &ProposalStatus) -> Option<Timestamp> {
    condition::get(&status.conditions, "Valid").map(|valid| valid.last_transition_time)
}

fn next_event(
    proposal: &Proposal,
    status: &ProposalStatus,
    state: State,
    facts: Facts<'_>,
) -> Option<(Event, Why)> {
    let (spec, now) = (&proposal.spec, facts.now);
    let why = |reason, message: String| Why { reason, message };
    match (state, spec.decision) {
        (State::New, _) if facts.held.is_some() => None,
        (State::New, _) => Some((
            Event::Seen,
            why(
                "NeedsDecision",
                format!(
                    "a person has to decide: kubectl edit proposal {} -n {}, and set spec.decision to Approved or Rejected",
                    proposal.name_any(),
                    proposal.namespace().unwrap_or_default()
                ),
            ),
        )),
        // A revocation before the grant was applied: it was approved once, so it is applied and taken back.
        (State::Pending, Decision::Approved | Decision::Revoked) => approve(proposal, facts),
        (State::Pending, Decision::Rejected) => {
            let by = spec.decided_by.as_deref().unwrap_or("somebody");
            Some((Event::Reject, why("Rejected", format!("rejected by {by}"))))
        }
        (State::Applying | State::Enforced, Decision::Revoked) => {
            let by = spec.revoked_by.as_deref().unwrap_or("somebody");
            Some((Event::Revoke, why("Revoked", format!("revoked by {by}"))))
        }
        (State::Applying | State::Enforced, Decision::Approved) => {
            let ended = spec.expires_at.filter(|at| *at <= now).map(|at| {
                let message = format!("the grant ended at {at}");
                (Event::Expire, why("Expired", message))
            });
            ended.or_else(|| unfit::since(spec, facts.today))
        }
        (State::Pending, Decision::Pending) => {
            let ttl = facts.lifetimes.pending_ttl?;
            facts
                .lifetimes
                .pending_until(shown_at(status)?)
                .filter(|at| *at <= now)?;
            let words = format!(
                "nobody decided within {ttl:#}; ask again with another justification if it is still needed"
            );
            Some((Event::Expire, why("NotDecided", words)))
        }
        (State::Applying | State::Enforced, Decision::Pending | Decision::Rejected)
        | (
            State::Rejected
            | State::Conflicted
            | State::Failed
            | State::Expired
            | State::Revoked
            | State::Orphaned,
            _,
        ) => None,
    }
}

fn approve(proposal: &Proposal, facts: Facts<'_>) -> Option<(Event, Why)> {
    let by = proposal.spec.decided_by.as_deref().unwrap_or("somebody");
    match review::valid(&proposal.spec, facts.today) {
        Err(review::Invalid::Unfit(unfit)) => unfit::approval(&proposal.spec, &unfit),
        // Nobody can say whether it fits until the Bottle is valid again.
        Ok(()) if facts.today.is_none() => unfit::given_up(&proposal.spec),
        Ok(()) => Some((
            Event::Approve,
            Why {
                reason: "Approved",
                message: format!("approved by {by}; on its way to the sidecars"),
            },
        )),
        // A human's slip is corrected, not answered, unless the human gives it up.
        Err(review::Invalid::File(_)) if proposal.spec.final_file.is_some() => {
            unfit::given_up(&proposal.spec)
        }
        Err(review::Invalid::File(error)) => Some((
            Event::Fail,
            Why {
                reason: "InvalidFile",
                message: format!("the proposed file is invalid: {error}"),
            },
        )),
    }
}

/// An approval whose `finalFile` breaks a rule stays unapplied until it is corrected.
fn invalid_final_file(
    proposal: &Proposal,
    status: &mut ProposalStatus,
    state: State,
    now: Timestamp,
) {
    if state != State::Pending || proposal.spec.decision != Decision::Approved {
        return;
    }
    if let Err(review::Invalid::File(error)) = review::grant(&proposal.spec) {
        let message = format!("finalFile can't be applied: {error}; correct it with kubectl edit");
        let now = condition::whole_seconds(now);
        condition::set(
            &mut status.conditions,
            "Applied",
            FALSE,
            names::REASON_INVALID_FINAL_FILE,
            &message,
            now,
        );
        status.reason = Some(names::REASON_INVALID_FINAL_FILE.into());
        status.message = Some(message);
    }
}

fn granted(proposal: &Proposal, status: &ProposalStatus, state: State) -> Option<Grant> {
    if !state.granted() {
        return None;
    }
    Some(Grant {
        sequence: status.applied_sequence?,
        change: review::grant(&proposal.spec).ok()?,
        build: status.build.clone(),
    })
}
