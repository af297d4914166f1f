//! A desk over a fake store, and the view in the test's hands.

use super::super::{Desk, Ended, Settings};
use crate::config::Files;
use crate::config::decisions::{Answer, Decided, Decisions};
use crate::supervise::store::{Proposal, Put, Standing, Store, StoreError};
use crate::supervise::tools::{self, Question};
use crate::supervise::view::View;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Keeps proposals in memory, as Kubernetes does: decided elsewhere, asked and answered counted.
#[derive(Default)]
pub struct FakeStore {
    pub kept: Mutex<HashMap<String, Kept>>,
    pub fail: Mutex<Vec<StoreError>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub base: String,
    pub asked: i64,
    pub answered: i64,
    pub ended: bool,
}

impl Store for FakeStore {
    async fn put(&self, proposal: &Proposal, create: bool) -> Result<Put, StoreError> {
        if let Some(error) = self.fail.lock().unwrap().pop() {
            return Err(error);
        }
        let mut kept = self.kept.lock().unwrap();
        if let Some(Kept {
            base,
            asked,
            answered,
            ended,
        }) = kept.get(&proposal.name).cloned()
        {
            let version = String::new();
            return Ok(Put::Exists(Standing {
                uid: String::new(),
                asked,
                answered,
                ended,
                base_changed: base != proposal.base,
                version,
                decision: None,
            }));
        }
        if !create {
            return Ok(Put::Absent);
        }
        let new = Kept {
            base: proposal.base.clone(),
            asked: 1,
            answered: 0,
            ended: false,
        };
        kept.insert(proposal.name.clone(), new);
        Ok(Put::New(format!("uid-{}", kept.len())))
    }

    async fn ask_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, StoreError> {
        let mut kept = self.kept.lock().unwrap();
        let kept = kept.get_mut(&proposal.name).unwrap();
        kept.asked = standing.answered + 1;
        Ok(Some(kept.asked))
    }

    async fn answered(&self, name: &str, asked: i64) -> Result<(), StoreError> {
        self.kept.lock().unwrap().get_mut(name).unwrap().answered = asked;
        Ok(())
    }
}

pub struct Bench {
    pub desk: Arc<Desk<FakeStore>>,
    pub view: watch::Sender<Arc<View>>,
}

pub fn view(allowlist: &str, decisions: Vec<Decided>, enforced: bool) -> Arc<View> {
    let files = Files {
        allowlist: allowlist.to_owned(),
        ..Files::default()
    };
    let decisions = Decisions {
        decisions,
        ..Decisions::default()
    };
    let mut view = View::new(Some(files), allowlist.to_owned()).with_decisions(decisions);
    view.enforced = enforced;
    Arc::new(view)
}

pub fn bench(grace: Duration) -> Bench {
    let (sender, receiver) = watch::channel(view("a.example\n", vec![], true));
    let settings = Settings {
        bottle: "demo".to_owned(),
        bottle_uid: "uid".to_owned(),
        grace,
    };
    Bench {
        desk: Arc::new(Desk::new(Arc::default(), receiver, settings)),
        view: sender,
    }
}

impl Bench {
    /// The view from here on.
    pub fn show(&self, allowlist: &str, decisions: Vec<Decided>, enforced: bool) {
        self.view
            .send(view(allowlist, decisions, enforced))
            .unwrap();
    }

    /// The uids of questions that were deleted.
    pub fn show_deleted(&self, uids: &[&str]) {
        let mut view = View::clone(&self.desk.view());
        view.deleted = uids.iter().map(ToString::to_string).collect();
        self.view.send(Arc::new(view)).unwrap();
    }

    pub fn question(&self, allowlist: &str, why: &str) -> Question {
        let params = json!({"name": "pipelock-block", "arguments": {"allowlist": allowlist, "justification": why}});
        tools::validate(&params, &self.desk.view()).unwrap()
    }

    /// Calls, waits until the store has it, and returns the call and the proposal's name.
    pub async fn ask(
        &self,
        allowlist: &str,
        why: &str,
    ) -> (tokio::task::JoinHandle<Ended>, String) {
        let mut waiting = self.desk.begin(self.question(allowlist, why)).unwrap();
        let name = waiting.proposal.name.clone();
        let desk = Arc::clone(&self.desk);
        let call = tokio::spawn(async move { desk.wait(&mut waiting).await });
        settle().await;
        (call, name)
    }

    pub fn kept(&self, name: &str) -> Kept {
        self.desk.store.kept.lock().unwrap()[name].clone()
    }

    pub async fn finish(&self, call: tokio::task::JoinHandle<Ended>) -> String {
        let ended = call.await.unwrap();
        if let Some((name, asked)) = &ended.closes {
            self.desk.close(name, *asked).await;
        }
        text(&ended)
    }
}

/// Lets every task run until it waits; one thread, so a fixed number of turns is enough.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub fn text(ended: &Ended) -> String {
    match &ended.outcome {
        Ok(value) => value["content"][0]["text"].as_str().unwrap().to_owned(),
        Err(error) => format!("{}: {}", error.code, error.message),
    }
}

pub fn decided(proposal: &str, asked: i64, status: Answer) -> Decided {
    Decided {
        uid: String::new(),
        proposal: proposal.to_owned(),
        asked,
        status,
        notes: "words".to_owned(),
        final_file: None,
    }
}
