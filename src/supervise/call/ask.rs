//! Recording a question: under its name, found again, or asked anew.

use super::{Desk, RETRY, Settings, Waiting};
use crate::config::decisions::Decided;
use crate::config::{hex, proposal_name::proposal_name};
use crate::supervise::registry;
use crate::supervise::rpc::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};
use crate::supervise::store::{Proposal, Put, Standing, Store, StoreError};
use crate::supervise::tools::Question;
use crate::telemetry::chain;
use sha2::{Digest, Sha256};

/// How often a proposal that changes under our hands is looked at again before that counts as a failure.
const MAX_RACES: u32 = 20;

/// What came of asking.
pub(super) enum Asked {
    /// The question's number; its decision comes with the view.
    Number(i64),
    /// Decided earlier, and kept by the store.
    Decided(Decided),
}

impl<S: Store> Desk<S> {
    pub(super) fn name(&self, question: &Question, extra_base: Option<&str>) -> String {
        let Settings {
            bottle, bottle_uid, ..
        } = &self.settings;
        let Question {
            tool,
            file,
            justification,
            ..
        } = question;
        proposal_name(
            bottle,
            bottle_uid,
            tool.name(),
            file,
            justification,
            extra_base,
        )
    }

    /// Puts the question, under another name when the old one has ended in a way that may end otherwise now.
    pub(super) async fn ask(&self, waiting: &mut Waiting) -> Result<Asked, RpcError> {
        let Waiting {
            proposal,
            view,
            name,
            ..
        } = waiting;
        // What the reviewer compares with is what is in force when it is asked.
        let base = view.borrow().file(proposal.question.tool).to_owned();
        proposal.base = base;
        let mut races = 0;
        loop {
            let place = self.registry.reserve(&view.borrow_and_update().clone());
            let put = self.persist(proposal, place.is_ok()).await?;
            let standing = match put {
                Put::New(uid) => {
                    if let Ok(place) = place {
                        place.keep();
                    }
                    // An older proposal of this name is gone, and so is what was decided on it.
                    self.registry.renew(&proposal.name, uid);
                    self.tally.question();
                    tracing::info!(
                        proposal = proposal.name,
                        tool = proposal.question.tool.name(),
                        "New proposal"
                    );
                    return Ok(Asked::Number(1));
                }
                Put::Absent => {
                    let words = place.err().unwrap_or(registry::PENDING_LIMIT);
                    return Err(RpcError::new(INVALID_PARAMS, words).because("limit"));
                }
                Put::Exists(standing) => standing,
            };
            self.registry.know(&proposal.name, &standing.uid);
            let anew = self.name(
                &proposal.question,
                Some(&hex(&Sha256::digest(&proposal.base))),
            );
            if standing.ended && standing.base_changed && proposal.name != anew {
                name.lock()
                    .expect("nothing panics while it holds the name")
                    .clone_from(&anew);
                proposal.name = anew;
                continue;
            }
            self.tally.attached();
            if let Some(decided) = standing.decision {
                return Ok(Asked::Decided(decided));
            }
            if standing.answered < standing.asked {
                return Ok(Asked::Number(standing.asked));
            }
            if let Some(number) = self.persist_again(proposal, &standing).await? {
                return Ok(Asked::Number(number));
            }
            races += 1;
            if races > MAX_RACES {
                return Err(RpcError::new(
                    INTERNAL_ERROR,
                    "asking the proposal again failed; call again",
                ));
            }
        }
    }

    async fn persist(&self, proposal: &Proposal, create: bool) -> Result<Put, RpcError> {
        retry(|| self.store.put(proposal, create)).await
    }

    async fn persist_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, RpcError> {
        retry(|| self.store.ask_again(proposal, standing)).await
    }
}

fn refused(code: i32, words: String) -> RpcError {
    RpcError::new(code, words).because("store")
}

/// Tries until the store answers or refuses; the caller's client waits meanwhile, and may give up.
async fn retry<T, F>(mut operation: impl FnMut() -> F) -> Result<T, RpcError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = RETRY.0;
    loop {
        match operation().await {
            Ok(value) => return Ok(value),
            Err(StoreError::Limit(message)) => {
                return Err(RpcError::new(INVALID_PARAMS, message).because("limit"));
            }
            Err(error @ StoreError::Unfit { .. }) => {
                return Err(refused(
                    INVALID_PARAMS,
                    format!("{error}. Correct what it names, and call again"),
                ));
            }
            Err(error @ StoreError::Refused { .. }) => {
                return Err(refused(
                    INTERNAL_ERROR,
                    format!(
                        "{error}. Calling again changes nothing: tell the person who runs this bottle"
                    ),
                ));
            }
            Err(error @ StoreError::Failed { .. }) => {
                tracing::warn!(error = chain(&error), "Trying again to record a proposal");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}
