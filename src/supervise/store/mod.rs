//! Where proposals are kept: what the blocked call needs of it, whatever it is.

pub mod kubernetes;
pub mod queue;
pub mod socket;

use crate::config::decisions::Decided;
use crate::config::text::readable;
use crate::supervise::tools::{Question, Tool};
use std::future::Future;
use thiserror::Error;

/// What is asked, with what the reviewer needs besides.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Its name: the same question has the same name.
    pub name: String,
    /// The valid question.
    pub question: Question,
    /// The file in force, as this sidecar sees it.
    pub base: String,
}

/// What came of [`Store::put`].
#[derive(Debug)]
pub enum Put {
    /// It is there now, for the first time, with this uid; empty where the name is all.
    New(String),
    /// It was there already.
    Exists(Standing),
    /// It isn't there, and a new one was not wanted.
    Absent,
}

/// A proposal that was there already.
#[derive(Debug)]
pub struct Standing {
    /// How often it was asked.
    pub asked: i64,
    /// Up to which question it was answered.
    pub answered: i64,
    /// It ended in a way (conflict, expiry, failure) that may end otherwise when the file in force has changed.
    pub ended: bool,
    /// Whether the file in force was another one when it was asked.
    pub base_changed: bool,
    /// As [`Put::New`] has it.
    pub uid: String,
    /// The store's mark of this state, for [`Store::ask_again`].
    pub version: String,
    /// The decision, where the store itself keeps it.
    pub decision: Option<Decided>,
}

/// What a Proposal object says, wherever it is stored.
#[derive(Debug)]
pub struct Stored<'a> {
    /// `metadata.uid`.
    pub uid: Option<&'a str>,
    /// `metadata.resourceVersion`.
    pub version: Option<&'a str>,
    /// `spec.baseFile`.
    pub base: &'a str,
    /// `status.phase`; empty when there is none.
    pub phase: &'a str,
    /// `status.sidecar.asked`; a Proposal begins with the first question.
    pub asked: Option<i64>,
    /// `status.sidecar.answered`.
    pub answered: Option<i64>,
}

/// The phases of [`Standing::ended`].
const ENDED: [&str; 3] = ["Conflicted", "Expired", "Failed"];

impl Stored<'_> {
    /// How it stands to `proposal`, which has its name.
    pub fn standing(&self, proposal: &Proposal) -> Standing {
        let (asked, answered) = (self.asked.unwrap_or(1), self.answered.unwrap_or(0));
        Standing {
            uid: self.uid.unwrap_or_default().to_owned(),
            asked,
            answered,
            ended: answered >= asked && ENDED.contains(&self.phase),
            base_changed: self.base != kept(proposal.question.tool, &proposal.base),
            version: self.version.unwrap_or_default().to_owned(),
            decision: None,
        }
    }
}

/// A file as an object keeps it. White space means nothing in an allowlist, and may mean something in the other files.
pub fn kept(tool: Tool, text: &str) -> String {
    match tool {
        Tool::PipelockBlock => readable(text),
        Tool::CredProxyBlock | Tool::CapabilityBlock => text.to_owned(),
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A limit that protects the reviewer, in words for the agent.
    #[error("{0}")]
    Limit(String),
    /// The store takes no proposal like this one: too large, or against a rule that the caller's check doesn't know.
    #[error("{operation} was refused: {reason}")]
    Unfit {
        /// What was tried.
        operation: &'static str,
        /// The store's own words.
        reason: String,
    },
    /// The store takes nothing from us here; another proposal would fare no better.
    #[error("{operation} was refused: {reason}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// The store's own words.
        reason: String,
    },
    /// It failed in a way that another try may cure.
    #[error("{operation} failed")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where proposals are kept. Decisions come back through the view, not through here.
///
/// Every operation may be repeated after a failure, and be given up half-way by a caller that goes away.
pub trait Store: Send + Sync + 'static {
    /// Records the proposal unless one of its name is there; with `create` false only looks whether it is.
    fn put(
        &self,
        proposal: &Proposal,
        create: bool,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Asks an answered proposal again; the number of the new question, or none when its state is another by now.
    fn ask_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// Notes that the question was answered, so that nobody has to keep its decision for us.
    fn answered(
        &self,
        name: &str,
        asked: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
