//! What must come of what is stored, said a second time and in other words than `plan` says it: sets of hosts, a map
//! of routes, and a proposal's phase from its files, its decision and the clock.

use bot_bottle::api::{Decision, Proposal, ProposalPhase as Phase, Tool};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a bottle may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub hosts: BTreeSet<String>,
    /// Upstream by path.
    pub routes: BTreeMap<String, String>,
}

/// What a file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    Hosts(BTreeSet<String>),
    Routes(BTreeMap<String, String>),
    Image,
    Unreadable,
}

/// What must be stored for one proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// [`Phase::Applying`] stands for a grant, enforced or not.
    pub phase: Phase,
    /// Whether the agent is owed an answer, and which word it begins with.
    pub owed: Option<&'static str>,
}

/// What must be, after the plan that is made now.
#[derive(Clone, Debug)]
pub struct Expected {
    /// By uid.
    pub fates: BTreeMap<String, Fate>,
    /// The effective config; none while the Bottle has never been.
    pub config: Option<Config>,
    /// Uids of the grants in it.
    pub grants: BTreeSet<String>,
}

/// What the oracle looks at besides the proposals.
pub struct Sight<'a> {
    /// None while the Bottle is invalid.
    pub declared: Option<&'a Config>,
    /// What the stored ConfigMap was made of.
    pub kept: Option<&'a Config>,
    pub bottle_uid: &'a str,
    /// When each question, by uid, was first shown to reviewers.
    pub shown: &'a BTreeMap<String, Timestamp>,
    pub now: Timestamp,
}

const PENDING_TTL: SignedDuration = SignedDuration::from_hours(2);
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

pub fn read(tool: Tool, text: &str) -> File {
    match tool {
        Tool::CapabilityBlock => File::Image,
        Tool::PipelockBlock => {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let lines: BTreeSet<String> = lines.map(str::to_owned).collect();
            if lines.iter().all(|line| line.contains('.')) {
                File::Hosts(lines)
            } else {
                File::Unreadable
            }
        }
        Tool::CredProxyBlock => {
            serde_json::from_str::<serde_json::Value>(text).map_or(File::Unreadable, |file| {
                let text =
                    |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let routes = file["routes"].as_array().cloned().unwrap_or_default();
                File::Routes(
                    routes
                        .iter()
                        .map(|route| (text(&route["path"]), text(&route["upstream"])))
                        .collect(),
                )
            })
        }
    }
}

impl Config {
    /// With the difference of two files made; none when it doesn't fit.
    fn with(&self, base: &File, new: &File) -> Option<Self> {
        let mut made = self.clone();
        match (base, new) {
            (File::Hosts(base), File::Hosts(new)) => {
                made.hosts
                    .retain(|host| !base.contains(host) || new.contains(host));
                made.hosts.extend(new.difference(base).cloned());
            }
            (File::Routes(base), File::Routes(new)) => {
                for path in base.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                    let (before, after, now) =
                        (base.get(path), new.get(path), self.routes.get(path));
                    if before == after || now == after {
                        continue;
                    }
                    if now != before {
                        return None;
                    }
                    match after {
                        Some(upstream) => made.routes.insert(path.clone(), upstream.clone()),
                        None => made.routes.remove(path),
                    };
                }
            }
            _ => return None,
        }
        Some(made)
    }
}

/// Granted, in one word.
fn granted(phase: Phase) -> bool {
    matches!(phase, Phase::Applying | Phase::Enforced)
}

fn open(phase: Option<Phase>) -> bool {
    phase.is_none_or(|phase| granted(phase) || phase == Phase::Pending)
}

fn phase(proposal: &Proposal) -> Option<Phase> {
    proposal.status.as_ref().and_then(|status| status.phase)
}

pub fn uid(proposal: &Proposal) -> String {
    proposal.metadata.uid.clone().unwrap()
}

fn sequence(proposal: &Proposal) -> i64 {
    proposal
        .status
        .as_ref()
        .and_then(|status| status.applied_sequence)
        .unwrap_or(i64::MAX)
}

/// Whether a closed proposal has been kept for long enough.
pub fn forgotten(proposal: &Proposal, now: Timestamp) -> bool {
    let closed = proposal.status.as_ref().and_then(|status| status.closed_at);
    !open(phase(proposal)) && closed.is_some_and(|at| at + RETENTION <= now)
}

pub fn expect(proposals: &[Proposal], sight: &Sight<'_>) -> Expected {
    let mut config = sight.declared.cloned();
    let mut expected = Expected {
        fates: BTreeMap::new(),
        config: None,
        grants: BTreeSet::new(),
    };
    let (mut own, others): (Vec<_>, Vec<_>) = proposals
        .iter()
        .partition(|one| one.spec.bottle_uid == sight.bottle_uid);
    // Grants in their order; then decisions as they fell; then questions, which change nothing.
    own.sort_by_key(|one| {
        let spec = &one.spec;
        (
            spec.decision == Decision::Pending,
            sequence(one),
            spec.decided_at,
            one.metadata.creation_timestamp.clone(),
            one.metadata.name.clone(),
        )
    });
    for one in own {
        let phase = next(one, config.as_ref(), sight);
        if granted(phase) {
            expected.grants.insert(uid(one));
            let (base, new) = files(one);
            config = config.map(|config| config.with(&base, &new).expect("a grant fits"));
        }
        expected.fates.insert(uid(one), fate(one, phase));
    }
    for one in others {
        let phase = if open(phase(one)) {
            Phase::Orphaned
        } else {
            phase(one).unwrap()
        };
        expected.fates.insert(uid(one), Fate { phase, owed: None });
    }
    // An invalid Bottle goes on with what it was, less what has ended.
    expected.config = config.or_else(|| {
        let mut kept = sight.kept?.clone();
        for one in granted_in_order(proposals, &expected.grants) {
            let (base, new) = files(one);
            kept = kept.with(&base, &new).unwrap_or(kept);
        }
        Some(kept)
    });
    expected
}

fn granted_in_order<'a>(proposals: &'a [Proposal], grants: &BTreeSet<String>) -> Vec<&'a Proposal> {
    let mut granted: Vec<_> = proposals
        .iter()
        .filter(|one| grants.contains(&uid(one)))
        .collect();
    granted.sort_by_key(|one| sequence(one));
    granted
}

fn files(proposal: &Proposal) -> (File, File) {
    let spec = &proposal.spec;
    let new = spec.final_file.as_deref().unwrap_or(&spec.proposed_file);
    (read(spec.tool, &spec.base_file), read(spec.tool, new))
}

fn next(proposal: &Proposal, config: Option<&Config>, sight: &Sight<'_>) -> Phase {
    let spec = &proposal.spec;
    let (base, new) = files(proposal);
    let fits = config.map(|config| config.with(&base, &new).is_some());
    let stored = phase(proposal).unwrap_or(Phase::Pending);
    if !open(Some(stored)) {
        return stored;
    }
    match spec.decision {
        Decision::Pending => {
            let shown = sight
                .shown
                .get(&uid(proposal))
                .copied()
                .unwrap_or(sight.now);
            if shown + PENDING_TTL <= sight.now {
                Phase::Expired
            } else {
                Phase::Pending
            }
        }
        Decision::Rejected => Phase::Rejected,
        Decision::Revoked if granted(stored) => Phase::Revoked,
        Decision::Approved | Decision::Revoked => {
            let revoked = spec.decision == Decision::Revoked;
            match (&new, fits) {
                // No images are built here, which nobody can say of a Bottle that is not valid.
                (File::Image, _) if revoked => Phase::Rejected,
                (File::Image, _) if config.is_none() => Phase::Pending,
                (File::Image, _) => Phase::Failed,
                // A person's slip waits for its correction, unless the person gives it up.
                (File::Unreadable, _) if spec.final_file.is_some() && revoked => Phase::Rejected,
                (File::Unreadable, _) if spec.final_file.is_some() => Phase::Pending,
                (File::Unreadable, _) => Phase::Failed,
                (_, None) if revoked && !granted(stored) => Phase::Rejected,
                (_, None) if !granted(stored) => Phase::Pending,
                (_, Some(false)) if revoked => Phase::Rejected,
                (_, Some(false)) if !ended(proposal, sight) || !granted(stored) => {
                    Phase::Conflicted
                }
                _ if revoked => Phase::Revoked,
                _ if ended(proposal, sight) => Phase::Expired,
                _ => Phase::Applying,
            }
        }
    }
}

fn ended(proposal: &Proposal, sight: &Sight<'_>) -> bool {
    proposal.spec.expires_at.is_some_and(|at| at <= sight.now)
}

fn fate(proposal: &Proposal, phase: Phase) -> Fate {
    let sidecar = proposal
        .status
        .as_ref()
        .and_then(|status| status.sidecar.clone())
        .unwrap_or_default();
    let waits = sidecar.answered.unwrap_or(0) < sidecar.asked.unwrap_or(1);
    let edited = proposal
        .spec
        .final_file
        .as_ref()
        .is_some_and(|file| *file != proposal.spec.proposed_file);
    let word = match phase {
        Phase::Pending | Phase::Orphaned => None,
        Phase::Applying | Phase::Enforced if edited => Some("modified"),
        Phase::Applying | Phase::Enforced => Some("approved"),
        Phase::Rejected | Phase::Conflicted | Phase::Failed | Phase::Expired | Phase::Revoked => {
            Some("rejected")
        }
    };
    Fate {
        phase,
        owed: word.filter(|_| waits),
    }
}
