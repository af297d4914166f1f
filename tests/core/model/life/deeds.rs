//! What agents, people, the clock and the sidecars do.

use super::super::answers::{Calls, Shot};
use super::super::events::{HOSTS, Verdict, Wish};
use super::super::oracle::{self, Config};
use super::Life;
use bot_bottle::api::{Decision, Proposal, Sidecar, Tool};
use bot_bottle::names;
use bot_bottle::plan::Action;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer than what makes the operator hold questions back: that has tests of its own.
const MAX_ASKED: usize = 28;

impl Life {
    pub(super) fn find(&self, name: &str) -> Option<&Proposal> {
        self.world
            .proposals
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name))
    }

    /// The name of a question: a hash, the Bottle's uid in it.
    pub(super) fn name(&self, place: usize) -> String {
        let bottle = self.world.bottle.metadata.uid.as_deref().unwrap();
        format!("blue-{bottle}-{place}")
    }

    /// The proposal of a place; one of an earlier Bottle where this one has none.
    pub(super) fn target(&self, place: usize) -> String {
        let (name, place) = (self.name(place), format!("-{place}"));
        let all = || {
            let names = self.world.proposals.iter();
            names.filter_map(|one| one.metadata.name.clone())
        };
        let mut own = all().filter(|one| *one == name);
        let other = || all().find(|one| one.ends_with(&place));
        own.next().or_else(other).unwrap_or(name)
    }

    pub(super) fn decision(&self, place: usize) -> Option<Decision> {
        self.find(&self.target(place)).map(|one| one.spec.decision)
    }

    pub(super) fn ask(&mut self, place: usize, wish: &Wish) {
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
            // The API server takes no question with an empty file.
            Wish::Hosts(0) => (
                Tool::PipelockBlock,
                &shot.allowlist,
                "# no host\n".to_owned(),
            ),
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

    pub(super) fn decide(&mut self, place: usize, verdict: &Verdict) {
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
    pub(super) fn correct(&mut self, place: usize, bits: u8) {
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

    pub(super) fn delete(&mut self, name: &str) {
        if let Some(proposal) = self.find(name) {
            self.calls.give_up(&oracle::uid(proposal));
            self.world
                .proposals
                .retain(|one| one.metadata.name.as_deref() != Some(name));
        }
    }

    pub(super) fn edit(&mut self, bits: u8, route: Option<u8>) {
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

    pub(super) fn replace(&mut self) {
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
    pub(super) fn wait(&mut self, seconds: i64) {
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
    pub(super) fn matters(&self, action: &Action) -> bool {
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

    pub(super) fn report(&mut self, shot: Option<usize>) {
        let Some(shot) = shot.map(|at| &self.shots[at]) else {
            return;
        };
        let status = self.world.bottle.status.get_or_insert_default();
        status.sidecar = Some(Sidecar {
            enforced_hash: Some(shot.hash.clone()),
            ..Sidecar::default()
        });
    }

    pub(super) fn answer(&mut self, lives: bool) {
        let Some(mounted) = self.mounted.map(|at| &self.shots[at]) else {
            return;
        };
        let enforced = self
            .enforced
            .is_some_and(|at| self.shots[at].hash == mounted.hash);
        self.calls
            .answer(mounted, enforced, lives, &mut self.world.proposals);
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
