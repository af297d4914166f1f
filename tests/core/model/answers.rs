//! The agent's side: which calls wait, and what a sidecar tells them from what it has mounted.

use super::oracle::{self, Config, File};
use bot_bottle::api::{Proposal, Tool};
use bot_bottle::config::decisions::{Answer, Decided, Decisions};
use bot_bottle::names::file;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

/// One ConfigMap, as a sidecar mounts it.
#[derive(Clone, Debug)]
pub struct Shot {
    pub hash: String,
    pub allowlist: String,
    pub routes: String,
    pub config: Config,
    pub decisions: Vec<Decided>,
    /// Uids of the proposals that the config in it comes from.
    grants: BTreeSet<String>,
}

impl Shot {
    pub fn of(config_map: &ConfigMap, grants: BTreeSet<String>) -> Self {
        let text = |name: &str| config_map.data.as_ref().unwrap()[name].clone();
        let (allowlist, routes) = (text(file::ALLOWLIST), text(file::ROUTES));
        let File::Hosts(hosts) = oracle::read(Tool::PipelockBlock, &allowlist) else {
            panic!("{allowlist}")
        };
        assert_eq!(hosts.len(), allowlist.lines().count(), "each host once");
        let File::Routes(by_path) = oracle::read(Tool::CredProxyBlock, &routes) else {
            panic!("{routes}")
        };
        let decisions: Decisions = serde_json::from_str(&text(file::DECISIONS)).unwrap();
        Self {
            hash: text(file::HASH),
            config: Config {
                hosts,
                routes: by_path,
            },
            decisions: decisions.decisions,
            allowlist,
            routes,
            grants,
        }
    }
}

#[derive(Clone, Debug)]
struct Call {
    uid: String,
    name: String,
    asked: i64,
}

/// The calls of a bottle's agent.
#[derive(Debug, Default)]
pub struct Calls {
    waiting: Vec<Call>,
    /// What was said to a question.
    said: BTreeMap<(String, i64), Answer>,
    /// How many were told that their file is in force by another way.
    in_force: usize,
}

impl Calls {
    pub fn first(&mut self, proposal: &Proposal) {
        self.wait(proposal, 1);
    }

    /// The same question again: waits on, or asks anew once it was answered.
    pub fn again(&mut self, proposal: &mut Proposal) {
        let Some(status) = &mut proposal.status else {
            return self.wait(proposal, 1);
        };
        let sidecar = status.sidecar.get_or_insert_default();
        let asked = sidecar.asked.unwrap_or(1);
        let asked = if sidecar.answered.unwrap_or(0) >= asked {
            asked + 1
        } else {
            asked
        };
        sidecar.asked = Some(asked);
        self.wait(proposal, asked);
    }

    fn wait(&mut self, proposal: &Proposal, asked: i64) {
        let name = proposal.metadata.name.clone().unwrap();
        self.waiting.push(Call {
            uid: oracle::uid(proposal),
            name,
            asked,
        });
    }

    /// The words that were said so far.
    pub fn words(&self) -> Vec<String> {
        let said = self.said.values().map(|word| word.as_str());
        let words = said.chain((self.in_force > 0).then_some("in force"));
        words.map(|word| format!("said {word}")).collect()
    }

    pub fn waiting(&self, uid: &str) -> bool {
        self.waiting.iter().any(|call| call.uid == uid)
    }

    /// Its proposal is gone.
    pub fn give_up(&mut self, uid: &str) {
        self.waiting.retain(|call| call.uid != uid);
    }

    /// Answers whom it can, as the sidecar does: from what is mounted, an approval only once it is enforced. Unless it
    /// `lives`, it can't note that it did.
    pub fn answer(
        &mut self,
        mounted: &Shot,
        enforced: bool,
        lives: bool,
        proposals: &mut [Proposal],
    ) {
        for call in std::mem::take(&mut self.waiting) {
            let proposal = proposals
                .iter_mut()
                .find(|one| one.metadata.uid.as_ref() == Some(&call.uid));
            let proposal = proposal.expect("who waits has a proposal");
            let decided = mounted.decisions.iter().find(|decided| {
                decided.proposal == call.name
                    && decided.uid == call.uid
                    && decided.asked >= call.asked
            });
            let decided = decided.filter(|decided| enforced || decided.status == Answer::Rejected);
            match decided {
                Some(decided) => self.say(&call, decided, mounted, proposal),
                None if enforced && in_force(proposal, mounted) => self.in_force += 1,
                None => {
                    self.waiting.push(call);
                    continue;
                }
            }
            if let (true, Some(status)) = (lives, &mut proposal.status) {
                let sidecar = status.sidecar.get_or_insert_default();
                sidecar.asked.get_or_insert(call.asked);
                sidecar.answered = sidecar.answered.max(Some(call.asked));
            }
        }
    }

    fn say(&mut self, call: &Call, decided: &Decided, mounted: &Shot, proposal: &Proposal) {
        let granted = decided.status != Answer::Rejected;
        assert!(
            !granted || mounted.grants.contains(&call.uid),
            "answered before it is in force: {proposal:#?}"
        );
        let spec = &proposal.spec;
        let file = spec
            .final_file
            .clone()
            .filter(|file| *file != spec.proposed_file);
        assert!(!granted || decided.final_file == file, "{decided:?}");
        let before = self
            .said
            .insert((call.uid.clone(), call.asked), decided.status);
        let ended = before.is_some_and(|before| before != Answer::Rejected) && !granted;
        assert!(
            before.is_none_or(|before| before == decided.status) || ended,
            "{before:?}, then {decided:?}"
        );
    }
}

fn in_force(proposal: &Proposal, mounted: &Shot) -> bool {
    match oracle::read(proposal.spec.tool, &proposal.spec.proposed_file) {
        File::Hosts(hosts) => hosts == mounted.config.hosts,
        File::Routes(routes) => routes == mounted.config.routes,
        File::Image | File::Unreadable => false,
    }
}
