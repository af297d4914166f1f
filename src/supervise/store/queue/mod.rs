//! The queue directory: one file per proposal, decided by a second file (`docs/queue.md`).

mod directory;
mod format;

#[cfg(test)]
mod tests;

pub use directory::{Directory, Place, QueueError};
pub use format::{DecisionFile, ProposalFile, Word};

use super::{Proposal, Put, Standing, Store, StoreError};
use crate::config::decisions::Decided;
use crate::config::text::diff;
use crate::config_directory;
use crate::config_directory::watcher::Changes;
use crate::supervise::registry::{HOUR_LIMIT, PENDING_LIMIT};
use crate::telemetry::chain;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use thiserror::Error;
use tokio::sync::watch;

/// What an agent may ask of a person (contract section 1).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Proposals that wait for a decision.
    pub pending: usize,
    /// New ones in an hour.
    pub hour: usize,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The queue can't be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its files can't.
    #[error("the queue can't be opened")]
    Queue(#[from] QueueError),
    /// Its changes can't be seen.
    #[error("the queue can't be watched")]
    Watch(#[from] config_directory::Error),
}

/// A store over a queue directory. One process at a time may own it.
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    directory: Directory,
    bottle: String,
    limits: Limits,
    /// When proposals were made in the last hour; the lock also makes every step on the files one at a time.
    made: Mutex<Vec<SystemTime>>,
}

impl Queue {
    /// Opens or creates the directory.
    pub fn open(root: &Path, bottle: &str, limits: Limits) -> Result<Self, OpenError> {
        let directory = Directory::open(root)?;
        let made = Mutex::new(directory.made()?);
        Ok(Self {
            shared: Arc::new(Shared {
                directory,
                bottle: bottle.to_owned(),
                limits,
                made,
            }),
        })
    }

    /// The decisions on open proposals, now and after each change. Must be called in a Tokio runtime.
    pub fn watch(&self) -> Result<watch::Receiver<HashMap<String, Decided>>, OpenError> {
        // First the watch, then the read: no change is missed between them.
        let mut changes = Changes::of(self.shared.directory.root())?;
        let (sender, receiver) = watch::channel(self.shared.decisions()?);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = changes.next() => {}
                    () = sender.closed() => return,
                }
                match blocking(&shared, Shared::decisions).await {
                    Ok(decisions) => {
                        sender.send_if_modified(|current| {
                            let differs = *current != decisions;
                            *current = decisions;
                            differs
                        });
                    }
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "Can't read the queue's decisions");
                    }
                }
            }
        });
        Ok(receiver)
    }
}

/// Files are written through to the disk, which may take long: not on the thread that serves.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    operation: impl FnOnce(&Shared) -> Result<T, QueueError> + Send + 'static,
) -> Result<T, QueueError> {
    let owned = Arc::clone(shared);
    match tokio::task::spawn_blocking(move || operation(&owned)).await {
        Ok(result) => result,
        Err(error) => Err(QueueError::Io {
            operation: "work on",
            path: shared.directory.root().to_owned(),
            source: std::io::Error::other(error),
        }),
    }
}

impl Store for Queue {
    async fn put(&self, proposal: &Proposal, create: bool) -> Result<Put, StoreError> {
        let proposal = proposal.clone();
        let put = blocking(&self.shared, move |shared| shared.put(&proposal, create)).await;
        match put.map_err(failed("writing the proposal"))? {
            Ok(put) => Ok(put),
            Err(limit) => Err(StoreError::Limit(limit.to_owned())),
        }
    }

    async fn ask_again(
        &self,
        _: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, StoreError> {
        // What is decided here stays decided: nobody has to be asked.
        Ok(Some(standing.asked))
    }

    async fn answered(&self, name: &str, _: i64) -> Result<(), StoreError> {
        let name = name.to_owned();
        let archived = blocking(&self.shared, move |shared| shared.archive(&name)).await;
        archived.map_err(failed("archiving the proposal"))
    }
}

fn failed(operation: &'static str) -> impl FnOnce(QueueError) -> StoreError {
    move |error| StoreError::Failed {
        operation,
        source: Box::new(error),
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SystemTime>> {
        self.made
            .lock()
            .expect("nothing panics while it holds the queue")
    }

    fn decisions(&self) -> Result<HashMap<String, Decided>, QueueError> {
        let _made = self.lock();
        self.directory.decisions()
    }

    fn archive(&self, name: &str) -> Result<(), QueueError> {
        let _made = self.lock();
        self.directory.archive(name)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a shell: proposals carry the time, and the limit counts an hour"
    )]
    fn put(
        &self,
        proposal: &Proposal,
        create: bool,
    ) -> Result<Result<Put, &'static str>, QueueError> {
        let mut made = self.lock();
        let name = &proposal.name;
        if let Some((file, place)) = self.directory.proposal(name)? {
            return self
                .standing(proposal, &file, place)
                .map(|standing| Ok(Put::Exists(standing)));
        }
        if !create {
            return Ok(Ok(Put::Absent));
        }
        let now = SystemTime::now();
        made.retain(|time| now.duration_since(*time).is_ok_and(|age| age < HOUR));
        if self.directory.pending()? >= self.limits.pending {
            return Ok(Err(PENDING_LIMIT));
        }
        if made.len() >= self.limits.hour {
            return Ok(Err(HOUR_LIMIT));
        }
        let question = &proposal.question;
        self.directory.create(&ProposalFile {
            name: name.clone(),
            bottle: self.bottle.clone(),
            tool: question.tool.name().to_owned(),
            file: question.tool.file_name().to_owned(),
            justification: question.justification.clone(),
            diff: diff(&proposal.base, &question.file),
            proposed_file: question.file.clone(),
            base_file: proposal.base.clone(),
            asked_at: jiff::Timestamp::now(),
        })?;
        made.push(now);
        Ok(Ok(Put::New(String::new())))
    }

    fn standing(
        &self,
        proposal: &Proposal,
        file: &ProposalFile,
        place: Place,
    ) -> Result<Standing, QueueError> {
        let open = Standing {
            uid: String::new(),
            asked: 1,
            answered: 0,
            ended: false,
            base_changed: file.base_file != proposal.base,
            version: String::new(),
            decision: None,
        };
        // An open one is answered from the view, decided or not, and archived then.
        if place == Place::Open {
            return Ok(open);
        }
        let decision = self.directory.decision(&file.name)?;
        let ended = decision.as_ref().is_some_and(DecisionFile::is_ended);
        match decision.map(|decision| decision.decided(&file.name, &file.proposed_file)) {
            Some(Ok(decided)) => Ok(Standing {
                answered: 1,
                ended,
                decision: Some(decided),
                ..open
            }),
            Some(Err(error)) => {
                tracing::warn!(
                    proposal = file.name,
                    error = chain(&error),
                    "Can't use an archived decision"
                );
                self.directory.reopen(&file.name)?;
                Ok(open)
            }
            None => {
                self.directory.reopen(&file.name)?;
                Ok(open)
            }
        }
    }
}
