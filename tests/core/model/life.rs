//! One bottle's life: what happens is done to plain objects, and after each plan they are what the oracle says.

mod deeds;
mod operator;

use super::answers::{Calls, Shot};
use super::events::Event;
use super::oracle::{self, Config};
use crate::plan::world::World;
use bot_bottle::api::{Decision, ProposalPhase as Phase};
use bot_bottle::config::decisions::Decisions;
use bot_bottle::names;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What it declared when the ConfigMap was last made of it.
    kept: Option<Config>,
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
            kept: None,
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
}
