//! The blocked call, once for every store: in force? decided earlier? else ask, wait for the decision and for its
//! enforcement, answer.
//!
//! *Guarantees.* A caller that goes away at any point loses nothing: the proposal stays, and the same call finds it
//! again. An approval is answered only while the view says that the proxies enforce what it is in.

mod ask;
mod ended;
mod refused;

use super::answer;
use super::registry::Registry;
use super::rpc::{INTERNAL_ERROR, RpcError};
use super::store::{Proposal, Store, StoreError};
use super::tally::{Stay, Tally};
use super::tools::Question;
use super::view::View;
use crate::api::Denial;
use crate::config::decisions::Answer;
use crate::telemetry::chain;
use ask::Asked;
pub use ended::Ended;
use ended::{IN_FORCE, decision, deleted, failed, in_force};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// First and longest pause between two tries of the store; each one doubles.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// Questions that are being recorded at once; each holds its file and the one in force.
const MAX_RECORDING: usize = 16;
/// KiB of the questions that wait to be recorded: two hundred of the largest, or as many calls as may wait.
const MAX_UNRECORDED: usize = 32 * 1024;

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
    denials: Option<watch::Receiver<Vec<Denial>>>,
    registry: Arc<Registry>,
    tally: Arc<Tally>,
    recording: Semaphore,
    unrecorded: Arc<Semaphore>,
}

/// A call that has to wait for the store and for a person.
#[derive(Debug)]
pub struct Waiting {
    /// What is asked and where it is kept.
    pub proposal: Proposal,
    view: watch::Receiver<Arc<View>>,
    /// Set as soon as the store has it.
    pub recorded: bool,
    /// The name for others to see while the call runs: asked anew, a question has another one.
    pub name: Arc<Mutex<String>>,
    stay: Stay,
    held: Option<OwnedSemaphorePermit>,
}

impl<S: Store> Desk<S> {
    /// A desk for one bottle.
    pub fn new(store: Arc<S>, view: watch::Receiver<Arc<View>>, settings: Settings) -> Self {
        Self {
            store,
            view,
            settings,
            denials: None,
            registry: Arc::default(),
            tally: Arc::default(),
            recording: Semaphore::new(MAX_RECORDING),
            unrecorded: Arc::new(Semaphore::new(MAX_UNRECORDED)),
        }
    }

    /// The program's counters.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// What is known now.
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The answer to a question that needs no store: its file is in force.
    pub fn at_once(&self, question: &Question) -> Option<Value> {
        let view = self.view();
        let in_force = view.enforced && view.means(question.tool, question.meaning);
        in_force.then(|| {
            self.tally.answer(IN_FORCE);
            answer::approved(&self.in_force_notes(question.tool))
        })
    }

    /// Everything else waits.
    pub fn begin(&self, question: Question) -> Result<Waiting, RpcError> {
        let size = (question.file.len() + question.justification.len()) / 1024 + 1;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.unrecorded).try_acquire_many_owned(size);
        let held = held.map_err(|_| {
            let words = "too many questions wait to be recorded; call again in a minute";
            RpcError::new(INTERNAL_ERROR, words).because("unrecorded")
        })?;
        let name = self.name(&question, None);
        Ok(Waiting {
            name: Arc::new(Mutex::new(name.clone())),
            proposal: Proposal {
                name,
                question,
                base: String::new(),
            },
            view: self.view.clone(),
            recorded: false,
            stay: self.tally.stay(),
            held: Some(held),
        })
    }

    /// The answer to a call whose time is over, or that the program's end cuts short.
    pub fn pending(&self, mut waiting: Waiting) -> Value {
        waiting.stay.answered("pending");
        let Proposal { name, question, .. } = &waiting.proposal;
        answer::pending(question.tool, name, waiting.recorded)
    }

    /// Records the question and waits, for as long as it takes.
    pub async fn wait(&self, waiting: &mut Waiting) -> Ended {
        let ended = self.outcome(waiting).await;
        waiting.stay.answered(ended.status);
        if let Err(error) = &ended.outcome {
            self.tally.refusal(error.reason);
        }
        // The first answer to a question stands in the log. An agent can ask again as often as it likes.
        let waited = waiting.stay.elapsed().as_secs();
        let proposal = &waiting.proposal.name;
        match &ended.closes {
            Some((name, 1)) if !self.registry.is_closed(name, 1) => {
                tracing::info!(proposal, status = ended.status, waited, "Answering");
            }
            _ => tracing::debug!(proposal, status = ended.status, waited, "Answering"),
        }
        ended
    }

    async fn outcome(&self, waiting: &mut Waiting) -> Ended {
        if self
            .being_enforced(&waiting.proposal.question, &mut waiting.view)
            .await
        {
            return in_force(&self.in_force_notes(waiting.proposal.question.tool), None);
        }
        let asked = {
            // Never closed, and a call that gives up gives its turn to the next one.
            let _turn = self.recording.acquire().await;
            self.ask(waiting).await
        };
        let asked = match asked {
            Ok(Asked::Number(number)) => number,
            Ok(Asked::Decided(decided)) => return decision(&decided, None),
            Err(error) => return failed(error),
        };
        waiting.recorded = true;
        waiting.held = None;
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
            if matches!(error, StoreError::Refused { .. } | StoreError::Unfit { .. }) {
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
                return decision(&decided, closes);
            }
            if let Some(decided) = self.registry.find(name, asked) {
                return decision(&decided, closes);
            }
            if self.registry.is_among(name, &view.deleted) {
                return deleted();
            }
            let is_in_force = view.enforced && view.means(question.tool, question.meaning);
            if is_in_force {
                let since = *in_force_since.get_or_insert_with(tokio::time::Instant::now);
                let until = since + self.settings.grace;
                match tokio::time::timeout_at(until, changes.changed()).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) | Err(_) => {
                        return in_force(answer::CAME_INTO_FORCE, closes);
                    }
                }
            }
            in_force_since = None;
            if changes.changed().await.is_err() {
                // The program ends.
                let words = "waiting for the decision was interrupted; call again";
                return failed(RpcError::new(INTERNAL_ERROR, words));
            }
        }
    }
}

#[cfg(test)]
mod tests;
