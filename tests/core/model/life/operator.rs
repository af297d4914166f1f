//! What the operator does, and what must come of it.

use super::super::answers::Shot;
use super::super::oracle::{self, Config, Expected, Sight};
use super::Life;
use bot_bottle::api::{Proposal, ProposalPhase as Phase, Tool};
use bot_bottle::names;
use bot_bottle::plan::{Action, Plan};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

impl Life {
    pub(super) fn expected(&self) -> Expected {
        let mut shown = self.shown.clone();
        // Of routes the time begins anew whenever others make the question fit or unfit.
        for one in self
            .world
            .proposals
            .iter()
            .filter(|one| one.spec.tool == Tool::CredProxyBlock)
        {
            let conditions = one.status.iter().flat_map(|status| &status.conditions);
            let valid = conditions
                .into_iter()
                .find(|condition| condition.type_ == "Valid");
            shown.extend(valid.map(|valid| (oracle::uid(one), valid.last_transition_time)));
        }
        oracle::expect(
            &self.world.proposals,
            &Sight {
                declared: self.declared.as_ref(),
                kept: self.kept.as_ref(),
                bottle_uid: self.world.bottle.metadata.uid.as_deref().unwrap(),
                shown: &shown,
                now: self.world.now,
            },
        )
    }

    /// Plans, holds the plan against the oracle, and applies it, or only its first `writes`; how much it did.
    pub(super) fn plan(&mut self, writes: Option<usize>) -> usize {
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

    pub(super) fn rest(&mut self) {
        self.plan(None);
        // One plan makes the config, and the next one may find that it is enforced already.
        let mut passes = 0;
        while self.plan(None) > 0 {
            passes += 1;
            assert!(passes < 3, "it never comes to rest");
        }
        self.is_at_rest();
    }

    pub(super) fn is_as_expected(&self, plan: &Plan, expected: &Expected) {
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
                Action::DeleteProposal { name, uid, .. } => {
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
    pub(super) fn holds(config_map: &ConfigMap, config: &Config, expected: &Expected) {
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

    pub(super) fn is_at_rest(&self) {
        let Some(sidecar) = self
            .world
            .bottle
            .status
            .as_ref()
            .and_then(|status| status.sidecar.clone())
        else {
            return;
        };
        let in_force = self.kept.is_some()
            && sidecar.enforced_hash == Some(self.world.file(names::file::HASH));
        for proposal in &self.world.proposals {
            let phase = proposal.status.as_ref().and_then(|status| status.phase);
            assert!(
                !in_force || phase != Some(Phase::Applying),
                "the sidecars enforce it: {proposal:#?}"
            );
        }
    }

    pub(super) fn apply(&mut self, action: Action, expected: &Expected) {
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
                if self.declared.is_some() {
                    self.kept.clone_from(&self.declared);
                }
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
