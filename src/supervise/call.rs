//! The blocked call, once for every store: in force? decided earlier? else ask, wait for the decision and for its
//! enforcement, answer.
//!
//! *Guarantees.* A caller that goes away at any point loses nothing: the proposal stays, and the same call finds it
//! again. An approval is answered only while the view says that the proxies enforce what it is in.

mod ask;

use super::answer;
use super::registry::Registry;
use super::rpc::{INTERNAL_ERROR, RpcError};
use super::store::{Proposal, Store, StoreError};
use super::tools::Question;
use super::view::View;
use crate::config::decisions::{Answer, Decided};
use crate::telemetry::chain;
use ask::Asked;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// First and longest pause between two tries of the store; each one doubles.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// Whose questions these are, and how the store's decisions arrive.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Bottle's name.
    pub bottle: String,
    /// The Bottle's uid; empty in queue mode.
    pub bottle_uid: String,
    /// How long a file that came into force waits for the decision that may belong to it. Zero where both come in
    /// one piece; in queue mode the config is written first, and the notes come with the decision.
    pub grace: Duration,
}

/// Takes calls. One for the whole program; cheap to share.
pub struct Desk<S> {
    store: Arc<S>,
    view: watch::Receiver<Arc<View>>,
    settings: Settings,
    registry: Arc<Registry>,
}

/// A call that has to wait for the store and for a person.
#[derive(Debug)]
pub struct Waiting {
    /// What is asked and where it is kept.
    pub proposal: Proposal,
    view: watch::Receiver<Arc<View>>,
    /// Set as soon as the store has it.
    pub recorded: bool,
}

/// What a call ends with. The answer goes to the client first, then [`Desk::close`] is told.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The result or error of `tools/call`.
    pub outcome: Result<Value, RpcError>,
    /// The question that it answers, if it is one that the store waits for.
    pub closes: Option<(String, i64)>,
}

impl<S: Store> Desk<S> {
    /// A desk for one bottle.
    pub fn new(store: Arc<S>, view: watch::Receiver<Arc<View>>, settings: Settings) -> Self {
        Self {
            store,
            view,
            settings,
            registry: Arc::default(),
        }
    }

    /// What is known now.
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The answer to a question that needs no store: its file is in force.
    pub fn at_once(&self, question: &Question) -> Option<Value> {
        let view = self.view();
        (view.enforced && view.means(question.tool, question.meaning))
            .then(|| answer::approved(answer::IN_FORCE))
    }

    /// Everything else waits.
    pub fn begin(&self, question: Question) -> Waiting {
        let view = self.view.clone();
        let proposal = Proposal {
            name: self.name(&question, None),
            question,
            base: String::new(),
        };
        Waiting {
            proposal,
            view,
            recorded: false,
        }
    }

    /// Records the question and waits, for as long as it takes.
    pub async fn wait(&self, waiting: &mut Waiting) -> Ended {
        if self
            .being_enforced(&waiting.proposal.question, &mut waiting.view)
            .await
        {
            return Ended {
                outcome: Ok(answer::approved(answer::IN_FORCE)),
                closes: None,
            };
        }
        let asked = match self.ask(&mut waiting.proposal, &mut waiting.view).await {
            Ok(Asked::Number(number)) => number,
            Ok(Asked::Decided(decided)) => return ended(&decided, None),
            Err(error) => {
                return Ended {
                    outcome: Err(error),
                    closes: None,
                };
            }
        };
        waiting.recorded = true;
        // From here on only the name and the meaning are needed; thousands of waiting calls hold no files.
        waiting.proposal.base = String::new();
        waiting.proposal.question.file = String::new();
        waiting.proposal.question.justification = String::new();
        self.decision(&waiting.proposal, asked, &mut waiting.view)
            .await
    }

    /// Tells the store that the client has its answer. Tries until it succeeds.
    pub async fn close(&self, name: &str, asked: i64) {
        if !self.registry.begin_close(name, asked) {
            return;
        }
        let mut pause = RETRY.0;
        while let Err(error) = self.store.answered(name, asked).await {
            tracing::warn!(
                proposal = name,
                error = chain(&error),
                "Can't note that a proposal is answered"
            );
            if matches!(error, StoreError::Refused { .. }) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Waits while the file is in the config and the proxies are about to enforce it; whether they do now. Asking a
    /// person for it would be asking for nothing.
    async fn being_enforced(
        &self,
        question: &Question,
        changes: &mut watch::Receiver<Arc<View>>,
    ) -> bool {
        loop {
            let view = changes.borrow_and_update().clone();
            if !view.means(question.tool, question.meaning) {
                return false;
            }
            if view.enforced {
                return true;
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    async fn decision(
        &self,
        proposal: &Proposal,
        asked: i64,
        changes: &mut watch::Receiver<Arc<View>>,
    ) -> Ended {
        let Proposal { name, question, .. } = proposal;
        let closes = Some((name.clone(), asked));
        let mut in_force_since = None;
        loop {
            let view = changes.borrow_and_update().clone();
            // The view first, then the registry: once answered, a decision may leave the view at any time, but only
            // after the caller that answered has put it into the registry.
            let decided = view
                .decisions
                .get(name)
                .filter(|decided| self.registry.is_of(decided, asked))
                .cloned();
            let decided =
                decided.filter(|decided| view.enforced || decided.status == Answer::Rejected);
            if let Some(decided) = decided {
                self.registry.record(&decided);
                return ended(&decided, closes);
            }
            if let Some(decided) = self.registry.find(name, asked) {
                return ended(&decided, closes);
            }
            let in_force = view.enforced && view.means(question.tool, question.meaning);
            if in_force {
                let since = *in_force_since.get_or_insert_with(tokio::time::Instant::now);
                let until = since + self.settings.grace;
                match tokio::time::timeout_at(until, changes.changed()).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) | Err(_) => {
                        return Ended {
                            outcome: Ok(answer::approved(answer::CAME_INTO_FORCE)),
                            closes,
                        };
                    }
                }
            }
            in_force_since = None;
            if changes.changed().await.is_err() {
                // The program ends.
                let error = RpcError::new(
                    INTERNAL_ERROR,
                    "waiting for the decision was interrupted; call again",
                );
                return Ended {
                    outcome: Err(error),
                    closes: None,
                };
            }
        }
    }
}

fn ended(decided: &Decided, closes: Option<(String, i64)>) -> Ended {
    Ended {
        outcome: Ok(answer::decided(decided)),
        closes,
    }
}

#[cfg(test)]
mod tests;
