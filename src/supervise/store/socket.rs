//! A store behind a Unix socket, for a sidecar whose Bottle is kept by a process outside of its container.
//!
//! One question and one answer per connection, each one JSON document up to the end of its direction. Whoever serves
//! it does what it is asked as the one Bottle's own sidecar: nothing else can be said in this language.

use super::{Proposal, Put, Standing, Store, StoreError};
use crate::supervise::report::BottleStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Whoever serves is near: what takes longer is tried again.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest document: two files of an object, each byte of them written as an escape.
pub const MAX_DOCUMENT: u64 = 16 * 1024 * 1024;

/// What is asked of the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// [`Store::put`].
    Put {
        /// The proposal.
        proposal: Words,
        /// Whether a new one is wanted.
        create: bool,
    },
    /// [`Store::ask_again`].
    AskAgain {
        /// The proposal.
        proposal: Words,
        /// Up to which question it was answered.
        answered: i64,
        /// The store's mark.
        version: String,
    },
    /// [`Store::answered`].
    Answered {
        /// The proposal's name.
        name: String,
        /// The question's number.
        asked: i64,
    },
    /// [`BottleStatus::merge`].
    Merge(Value),
}

/// A proposal on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Words {
    /// Its name.
    pub name: String,
    /// The tool's name.
    pub tool: String,
    /// The whole new file.
    pub file: String,
    /// Why.
    pub justification: String,
    /// The file in force.
    pub base: String,
}

/// What the store says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Reply {
    /// [`Put::New`].
    New(String),
    /// [`Put::Exists`].
    Exists {
        /// How often it was asked.
        asked: i64,
        /// Up to which question it was answered.
        answered: i64,
        /// Whether it ended in a way that may end otherwise.
        ended: bool,
        /// Whether the file in force was another one.
        base_changed: bool,
        /// Its uid.
        uid: String,
        /// The store's mark.
        version: String,
    },
    /// [`Put::Absent`].
    Absent,
    /// The new question's number, or none.
    Asked(Option<i64>),
    /// It is written.
    Done,
    /// It is not, for this reason.
    Failed(String),
}

/// The store at the other end of a socket.
#[derive(Clone, Debug)]
pub struct Remote {
    path: PathBuf,
}

impl Remote {
    /// By the socket's path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    async fn exchange(&self, request: &Request) -> io::Result<Reply> {
        let mut stream = UnixStream::connect(&self.path).await?;
        stream.write_all(&serde_json::to_vec(request)?).await?;
        stream.shutdown().await?;
        let mut text = Vec::new();
        stream.take(MAX_DOCUMENT).read_to_end(&mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    }

    async fn ask(&self, operation: &'static str, request: Request) -> Result<Reply, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Failed {
            operation,
            source,
        };
        match tokio::time::timeout(TIMEOUT, self.exchange(&request)).await {
            Ok(Ok(Reply::Failed(reason))) => Err(failed(reason.into())),
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(elapsed) => Err(failed(elapsed.into())),
        }
    }
}

fn words(proposal: &Proposal) -> Words {
    let question = &proposal.question;
    Words {
        name: proposal.name.clone(),
        tool: question.tool.name().to_owned(),
        file: question.file.clone(),
        justification: question.justification.clone(),
        base: proposal.base.clone(),
    }
}

fn unexpected(operation: &'static str, reply: &Reply) -> StoreError {
    StoreError::Failed {
        operation,
        source: format!("the store answered {reply:?}").into(),
    }
}

impl Store for Remote {
    async fn put(&self, proposal: &Proposal, create: bool) -> Result<Put, StoreError> {
        let operation = "writing the proposal";
        let proposal = words(proposal);
        match self
            .ask(operation, Request::Put { proposal, create })
            .await?
        {
            Reply::New(uid) => Ok(Put::New(uid)),
            Reply::Exists {
                asked,
                answered,
                ended,
                base_changed,
                uid,
                version,
            } => Ok(Put::Exists(Standing {
                asked,
                answered,
                ended,
                base_changed,
                uid,
                version,
                decision: None,
            })),
            Reply::Absent => Ok(Put::Absent),
            other => Err(unexpected(operation, &other)),
        }
    }

    async fn ask_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, StoreError> {
        let operation = "asking again";
        let request = Request::AskAgain {
            proposal: words(proposal),
            answered: standing.answered,
            version: standing.version.clone(),
        };
        match self.ask(operation, request).await? {
            Reply::Asked(asked) => Ok(asked),
            other => Err(unexpected(operation, &other)),
        }
    }

    async fn answered(&self, name: &str, asked: i64) -> Result<(), StoreError> {
        let operation = "noting the answer";
        let name = name.to_owned();
        match self
            .ask(operation, Request::Answered { name, asked })
            .await?
        {
            Reply::Done => Ok(()),
            other => Err(unexpected(operation, &other)),
        }
    }
}

impl BottleStatus for Remote {
    async fn merge(&self, sidecar: &Value) -> Result<(), StoreError> {
        let operation = "updating the Bottle's status";
        match self.ask(operation, Request::Merge(sidecar.clone())).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(operation, &other)),
        }
    }
}
