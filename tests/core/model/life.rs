//! One bottle's life: what happens is done to plain objects, and after each plan they are what the oracle says.

use super::answers::{Calls, Shot};
use super::events::{Event, HOSTS, Verdict, Wish};
use super::oracle::{self, Config, Expected, Sight};
use crate::plan::world::World;
use bot_bottle::api::{Decision, Proposal, ProposalPhase as Phase, Sidecar, Tool};
use bot_bottle::config::decisions::Decisions;
use bot_bottle::names;
use bot_bottle::plan::{Action, Plan};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer than what makes the operator hold questions back: that has tests of its own.
const MAX_ASKED: usize = 28;

/// What lives must lead to, or they test little: phases, and words to agents.
pub const STATES: [&str; 13] = [
    "Pending",
    "Applying",
    "Enforced",
    "Rejected",
    "Conflicted",
    "Failed",
    "Expired",
    "Revoked",
    "Orphaned",
    "said approved",
    "said modified",
    "said rejected",
    "said in force",
];

const BOTTLE: &str = "
apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {name: blue, namespace: garden, uid: bottle-0, generation: 1}
spec:
  agent: {kind: claude, image: registry.example.com/agents/claude:7}
  allowlist: [h0.example]
  routes: []
  proposals: {pendingTTL: 2h, retention: 24h}
";

pub struct Life {
    world: World,
    /// What the Bottle declares; none while it can't be.
    declared: Option<Config>,
    /// Every ConfigMap that was written, with what it has to be.
    shots: Vec<Shot>,
    mounted: Option<usize>,
    enforced: Option<usize>,
    calls: Calls,
    shown: BTreeMap<String, Timestamp>,
    /// Sequences by uid: each is given once.
    sequences: BTreeMap<String, i64>,
    reached: BTreeSet<String>,
    uids: usize,
}

impl Life {
    pub fn new() -> Self {
        let mut life = Self {
            world: World::new(BOTTLE),
            declared: None,
            shots: Vec::new(),
            mounted: None,
            enforced: None,
            calls: Calls::default(),
            shown: BTreeMap::new(),
            sequences: BTreeMap::new(),
            reached: BTreeSet::new(),
            uids: 0,
        };
        life.edit(0b1, None);
        life.deliver();
        life
    }

    pub fn happens(&mut self, event: &Event) {
        match event {
            Event::Ask(place, wish) => self.ask(*place, wish),
            Event::Decide(place, verdict) => self.decide(*place, verdict),
            Event::Correct(place, bits) => self.correct(*place, *bits),
            Event::Revoke(place) => {
                if self.decision(*place) == Some(Decision::Approved) {
                    let name = self.target(*place);
                    self.world.decide(&name, Decision::Revoked);
                }
            }
            Event::Limit(place, after) => {
                let at = after.map(|seconds| self.world.now + SignedDuration::from_secs(seconds));
                if self.decision(*place) == Some(Decision::Approved) {
                    let name = self.target(*place);
                    self.world.proposal(&name).spec.expires_at = at;
                }
            }
            Event::Delete(place) => self.delete(&self.target(*place)),
            Event::Plan(writes) => drop(self.plan(*writes)),
            Event::Rest => self.rest(),
            Event::Mount => self.mounted = self.shots.len().checked_sub(1),
            Event::Enforce => self.enforced = self.mounted,
            Event::Report => self.report(self.enforced),
            Event::ReportOld(back) => self.report(self.shots.len().checked_sub(1 + back)),
            Event::Deliver => self.deliver(),
            Event::Answer(lives) => self.answer(*lives),
            Event::Edit(bits, route) => self.edit(*bits, *route),
            Event::Break => {
                self.world.bottle.spec.allowlist = vec!["no-host".into()];
                self.declared = None;
            }
            Event::Replace => self.replace(),
            Event::Wait(seconds) => self.wait(*seconds),
        }
    }

    /// Whatever happened: once everybody has done their part, nobody waits for an answer that is there. The states
    /// that it went through.
    pub fn comes_to_its_end(mut self) -> BTreeSet<String> {
        self.edit(0b11, None);
        self.rest();
        let bottle = self.world.bottle.metadata.uid.clone().unwrap();
        // A call that was lost is made again.
        for one in &mut self.world.proposals {
            if one.spec.bottle_uid == bottle {
                self.calls.again(one);
            }
        }
        for _ in 0..2 {
            self.deliver();
        }
        for proposal in &self.world.proposals {
            let phase = proposal.status.as_ref().and_then(|status| status.phase);
            assert_ne!(phase, Some(Phase::Applying), "{proposal:#?}");
            let waits = self.calls.waiting(&oracle::uid(proposal));
            let open = matches!(phase, Some(Phase::Pending | Phase::Orphaned));
            assert!(open || !waits, "its decision was lost: {proposal:#?}");
        }
        let left: Decisions =
            serde_json::from_str(&self.world.file(names::file::DECISIONS)).unwrap();
        assert_eq!(left.decisions, []);
        self.reached.extend(self.calls.words());
        self.reached
    }

    fn deliver(&mut self) {
        self.rest();
        for event in [
            Event::Mount,
            Event::Enforce,
            Event::Report,
            Event::Answer(true),
        ] {
            self.happens(&event);
        }
        self.rest();
    }

    fn find(&self, name: &str) -> Option<&Proposal> {
        self.world
            .proposals
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name))
    }

    /// The name of a question: a hash, the Bottle's uid in it.
    fn name(&self, place: usize) -> String {
        let bottle = self.world.bottle.metadata.uid.as_deref().unwrap();
        format!("blue-{bottle}-{place}")
    }

    /// The proposal of a place; one of an earlier Bottle where this one has none.
    fn target(&self, place: usize) -> String {
        let (name, place) = (self.name(place), format!("-{place}"));
        let all = || {
            let names = self.world.proposals.iter();
            names.filter_map(|one| one.metadata.name.clone())
        };
        let mut own = all().filter(|one| *one == name);
        let other = || all().find(|one| one.ends_with(&place));
        own.next().or_else(other).unwrap_or(name)
    }

    fn decision(&self, place: usize) -> Option<Decision> {
        self.find(&self.target(place)).map(|one| one.spec.decision)
    }

    fn ask(&mut self, place: usize, wish: &Wish) {
        let name = self.name(place);
        if self.find(&name).is_some() {
            let proposal = self.world.proposal(&name);
            return self.calls.again(proposal);
        }
        let Some(shot) = self.mounted.map(|at| &self.shots[at]) else {
            return;
        };
        if self.uids >= MAX_ASKED {
            return;
        }
        let mut routes = shot.config.routes.clone();
        let (tool, base, file) = match wish {
            Wish::Hosts(bits) => (Tool::PipelockBlock, &shot.allowlist, lines(*bits)),
            Wish::Nonsense => (Tool::PipelockBlock, &shot.allowlist, "no-host\n".to_owned()),
            Wish::Image => (
                Tool::CapabilityBlock,
                &shot.allowlist,
                "FROM other\n".to_owned(),
            ),
            Wish::Route(path, to) => {
                let path = format!("/r{path}/");
                match to {
                    Some(to) => routes.insert(path, upstream(*to)),
                    None => routes.remove(&path),
                };
                (Tool::CredProxyBlock, &shot.routes, routes_file(&routes))
            }
        };
        let base = base.clone();
        self.uids += 1;
        self.world.ask(&name, &file);
        let bottle_uid = self.world.bottle.metadata.uid.clone().unwrap();
        let proposal = self.world.proposal(&name);
        proposal.spec.tool = tool;
        proposal.spec.base_file = base;
        proposal.spec.bottle_uid = bottle_uid;
        proposal.metadata.uid = Some(format!("uid-{}", self.uids));
        self.calls.first(proposal);
    }

    fn decide(&mut self, place: usize, verdict: &Verdict) {
        if self.decision(place) != Some(Decision::Pending) {
            return;
        }
        let name = self.target(place);
        let hosts = self.world.proposal(&name).spec.tool == Tool::PipelockBlock;
        let (decision, file) = match verdict {
            Verdict::Reject => (Decision::Rejected, None),
            Verdict::ApproveAs(bits) if hosts => (Decision::Approved, Some(lines(*bits))),
            Verdict::ApproveBadly if hosts => (Decision::Approved, Some("no-host\n".to_owned())),
            _ => (Decision::Approved, None),
        };
        self.world.decide(&name, decision).final_file = file;
    }

    /// As the API server allows it: only where the operator said that the final file is at fault.
    fn correct(&mut self, place: usize, bits: u8) {
        let Some(proposal) = self.find(&self.target(place)) else {
            return;
        };
        let reason = proposal
            .status
            .as_ref()
            .and_then(|status| status.reason.clone());
        let approved = proposal.spec.decision == Decision::Approved;
        if approved && reason.as_deref() == Some(names::REASON_INVALID_FINAL_FILE) {
            let name = self.target(place);
            self.world.proposal(&name).spec.final_file = Some(lines(bits));
        }
    }

    fn delete(&mut self, name: &str) {
        if let Some(proposal) = self.find(name) {
            self.calls.give_up(&oracle::uid(proposal));
            self.world
                .proposals
                .retain(|one| one.metadata.name.as_deref() != Some(name));
        }
    }

    fn edit(&mut self, bits: u8, route: Option<u8>) {
        let hosts: BTreeSet<String> = hosts(bits).collect();
        let routes: BTreeMap<_, _> = route
            .map(|to| ("/r0/".to_owned(), upstream(to)))
            .into_iter()
            .collect();
        let spec = &mut self.world.bottle.spec;
        spec.allowlist = hosts.iter().cloned().collect();
        let declared = routes
            .iter()
            .map(|(path, upstream)| serde_json::json!({"path": path, "upstream": upstream}));
        spec.routes = serde_json::from_value(declared.collect()).unwrap();
        self.declared = Some(Config { hosts, routes });
    }

    fn replace(&mut self) {
        self.uids += 1;
        self.world.bottle.metadata.uid = Some(format!("bottle-{}", self.uids));
        self.world.bottle.status = None;
        // What the old one owned goes with it, and so does its agent.
        self.world.config_map = None;
        self.world.pod = None;
        (self.mounted, self.enforced) = (None, None);
        self.reached.extend(self.calls.words());
        self.calls = Calls::default();
        self.shots.clear();
    }

    /// Time alone changes nothing that the operator did not say it would look at.
    fn wait(&mut self, seconds: i64) {
        let before = self.world.plan();
        self.world.wait(seconds);
        let now = self.world.now;
        let after = self.world.plan();
        let matters = after.actions.iter().any(|action| self.matters(action));
        if before.actions.is_empty() && matters {
            let told = before.recheck.is_some_and(|at| at <= now);
            assert!(told, "{:?}: {:#?}", before.recheck, after.actions);
        }
    }

    /// What is left of an hour's questions may be told late: whoever needs it asks, and then the operator looks.
    fn matters(&self, action: &Action) -> bool {
        match action {
            Action::ApplyProposalStatus { .. } | Action::DeleteProposal { .. } => true,
            Action::ApplyConfigMap(made) => {
                let of = |made| Shot::of(made, BTreeSet::new());
                let (old, new) = (of(self.world.config_map.as_ref().unwrap()), of(made));
                old.hash != new.hash || old.decisions != new.decisions
            }
            _ => false,
        }
    }

    fn report(&mut self, shot: Option<usize>) {
        let Some(shot) = shot.map(|at| &self.shots[at]) else {
            return;
        };
        let status = self.world.bottle.status.get_or_insert_default();
        status.sidecar = Some(Sidecar {
            enforced_hash: Some(shot.hash.clone()),
            ..Sidecar::default()
        });
    }

    fn answer(&mut self, lives: bool) {
        let Some(mounted) = self.mounted.map(|at| &self.shots[at]) else {
            return;
        };
        let enforced = self
            .enforced
            .is_some_and(|at| self.shots[at].hash == mounted.hash);
        self.calls
            .answer(mounted, enforced, lives, &mut self.world.proposals);
    }

    fn expected(&self) -> Expected {
        oracle::expect(
            &self.world.proposals,
            &Sight {
                declared: self.declared.as_ref(),
                bottle_uid: self.world.bottle.metadata.uid.as_deref().unwrap(),
                shown: &self.shown,
                now: self.world.now,
            },
        )
    }

    /// Plans, holds the plan against the oracle, and applies it, or only its first `writes`; how much it did.
    fn plan(&mut self, writes: Option<usize>) -> usize {
        let expected = self.expected();
        let plan = self.world.plan();
        self.is_as_expected(&plan, &expected);
        let actions: Vec<Action> = plan
            .actions
            .into_iter()
            .take(writes.unwrap_or(usize::MAX))
            .collect();
        let count = actions.len();
        for action in actions {
            self.apply(action, &expected);
        }
        count
    }

    fn rest(&mut self) {
        self.plan(None);
        // One plan makes the config, and the next one may find that it is enforced already.
        let mut passes = 0;
        while self.plan(None) > 0 {
            passes += 1;
            assert!(passes < 3, "it never comes to rest");
        }
        self.is_at_rest();
    }

    fn is_as_expected(&self, plan: &Plan, expected: &Expected) {
        let mut stored: BTreeMap<&str, &Proposal> = BTreeMap::new();
        for one in &self.world.proposals {
            stored.insert(one.metadata.name.as_deref().unwrap(), one);
        }
        let mut statuses: BTreeMap<&str, _> = stored
            .iter()
            .map(|(name, one)| (*name, one.status.clone().unwrap_or_default()))
            .collect();
        let mut deleted = BTreeSet::new();
        let mut config_map = self.world.config_map.as_ref();
        for action in &plan.actions {
            match action {
                Action::ApplyProposalStatus { name, status } => {
                    assert!(
                        config_map == self.world.config_map.as_ref(),
                        "a grant has its number before it is seen"
                    );
                    statuses.insert(name, (**status).clone());
                }
                Action::DeleteProposal { name, uid } => {
                    assert_eq!(oracle::uid(stored[name.as_str()]), *uid);
                    deleted.insert(name.as_str());
                }
                Action::CreateConfigMap(made) | Action::ApplyConfigMap(made) => {
                    config_map = Some(made)
                }
                _ => {}
            }
        }
        let reported = self
            .world
            .bottle
            .status
            .as_ref()
            .and_then(|status| status.sidecar.as_ref()?.enforced_hash.clone());
        let mut numbers = BTreeSet::new();
        for (name, proposal) in &stored {
            let (fate, status) = (&expected.fates[&oracle::uid(proposal)], &statuses[name]);
            let before = proposal.status.as_ref().and_then(|status| status.phase);
            match status.phase.unwrap() {
                // Only by the word of the sidecars, about a config that holds it.
                Phase::Enforced => {
                    assert_eq!(
                        fate.phase,
                        if before == Some(Phase::Enforced) {
                            fate.phase
                        } else {
                            Phase::Applying
                        }
                    );
                    assert!(
                        matches!(fate.phase, Phase::Applying | Phase::Enforced),
                        "{name}"
                    );
                    if before != Some(Phase::Enforced) {
                        let in_force =
                            Shot::of(self.world.config_map.as_ref().unwrap(), BTreeSet::new());
                        assert_eq!(
                            reported.as_ref(),
                            Some(&in_force.hash),
                            "{name} is not enforced"
                        );
                        assert_eq!(
                            Some(&in_force.config),
                            expected.config.as_ref(),
                            "{name} is not in it"
                        );
                    }
                }
                phase => assert_eq!(phase, fate.phase, "{name}: {proposal:#?}"),
            }
            if expected.grants.contains(&oracle::uid(proposal)) {
                assert!(
                    numbers.insert(status.applied_sequence.unwrap()),
                    "two grants have one number"
                );
            }
            assert_eq!(
                deleted.contains(name),
                oracle::forgotten(proposal, self.world.now),
                "{name}"
            );
        }
        if let (Some(config), Some(config_map)) = (&expected.config, config_map) {
            Self::holds(config_map, config, expected);
        }
    }

    /// The config and the decisions that go with it are in one object.
    fn holds(config_map: &ConfigMap, config: &Config, expected: &Expected) {
        let shot = Shot::of(config_map, BTreeSet::new());
        assert_eq!(
            shot.config, *config,
            "every grant once, and no trace of what has ended"
        );
        let told: BTreeMap<String, &str> = shot
            .decisions
            .iter()
            .map(|decided| (decided.uid.clone(), decided.status.as_str()))
            .collect();
        assert_eq!(told.len(), shot.decisions.len(), "a decision is told once");
        let owed: BTreeMap<String, &str> = expected
            .fates
            .iter()
            .filter_map(|(uid, fate)| Some((uid.clone(), fate.owed?)))
            .collect();
        assert_eq!(told, owed);
    }

    fn is_at_rest(&self) {
        let Some(sidecar) = self
            .world
            .bottle
            .status
            .as_ref()
            .and_then(|status| status.sidecar.clone())
        else {
            return;
        };
        let in_force = self.declared.is_some()
            && sidecar.enforced_hash == Some(self.world.file(names::file::HASH));
        for proposal in &self.world.proposals {
            let phase = proposal.status.as_ref().and_then(|status| status.phase);
            assert!(
                !in_force || phase != Some(Phase::Applying),
                "the sidecars enforce it: {proposal:#?}"
            );
        }
    }

    fn apply(&mut self, action: Action, expected: &Expected) {
        match &action {
            Action::ApplyProposalStatus { name, status } => {
                let uid = oracle::uid(self.world.proposal(name));
                self.reached
                    .extend(status.phase.map(|phase| format!("{phase:?}")));
                if status.phase == Some(Phase::Pending) {
                    self.shown.entry(uid.clone()).or_insert(self.world.now);
                }
                if let Some(number) = status.applied_sequence {
                    let given = *self.sequences.entry(uid).or_insert(number);
                    assert_eq!(given, number, "a grant keeps its number");
                }
            }
            Action::CreateConfigMap(made) | Action::ApplyConfigMap(made) => {
                self.shots.push(Shot::of(made, expected.grants.clone()));
            }
            Action::DeleteProposal { name, .. } => {
                let uid = oracle::uid(self.world.proposal(name));
                self.calls.give_up(&uid);
            }
            _ => {}
        }
        self.world.apply(action);
    }
}

fn hosts(bits: u8) -> impl Iterator<Item = String> {
    (0..HOSTS)
        .filter(move |host| bits >> host & 1 == 1)
        .map(|host| format!("h{host}.example"))
}

fn lines(bits: u8) -> String {
    hosts(bits).map(|host| host + "\n").collect()
}

fn upstream(number: u8) -> String {
    format!("https://u{number}.example")
}

fn routes_file(routes: &BTreeMap<String, String>) -> String {
    let routes: Vec<_> = routes
        .iter()
        .map(|(path, upstream)| serde_json::json!({"path": path, "upstream": upstream}))
        .collect();
    serde_json::json!({"routes": routes}).to_string()
}
