//! The view, kept up to date from the directories and the queue.

use super::view::View;
use crate::config::decisions::{Decided, Decisions};
use crate::config_directory::{Snapshot, write_hash};
use crate::names::container;
use crate::telemetry::chain;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Hashes by role.
pub type Hashes = BTreeMap<String, String>;

/// Where a view comes from; what isn't there is left out.
pub struct Sources {
    /// The config directory.
    pub config: Option<watch::Receiver<Snapshot>>,
    /// The state directory.
    pub hashes: Option<watch::Receiver<Hashes>>,
    /// The queue's decisions; with them the config's are not read.
    pub queue: Option<watch::Receiver<HashMap<String, Decided>>>,
    /// The roles that must report a config's hash before it counts as enforced.
    pub enforcers: Vec<String>,
}

/// The view now and after each change. Must be called in a Tokio runtime; ends when the last receiver is dropped.
pub fn start(mut sources: Sources) -> watch::Receiver<Arc<View>> {
    let mut decisions = Decisions::default();
    let (sender, receiver) = watch::channel(Arc::new(sources.view(&mut decisions)));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = changed(&mut sources.config) => {}
                () = changed(&mut sources.hashes) => {}
                () = changed(&mut sources.queue) => {}
                () = sender.closed() => return,
            }
            let view = sources.view(&mut decisions);
            sender.send_if_modified(|current| {
                let differs = **current != view;
                if differs {
                    *current = Arc::new(view);
                }
                differs
            });
        }
    });
    receiver
}

/// Writes our own hash file whenever the view has another config: this role "enforces" it by using it.
pub fn report_own_hash(state: PathBuf, mut view: watch::Receiver<Arc<View>>) {
    tokio::spawn(async move {
        let mut written = None;
        loop {
            let hash = view.borrow_and_update().hash.clone();
            if written.as_ref() != Some(&hash) {
                match write_hash(&state, container::SUPERVISE, &hash) {
                    Ok(()) => written = Some(hash),
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "Can't report the config's hash");
                    }
                }
            }
            if view.changed().await.is_err() {
                return;
            }
        }
    });
}

/// Waits for a change; for ever when there is no source, or no more changes from it.
async fn changed<T>(source: &mut Option<watch::Receiver<T>>) {
    if let Some(receiver) = source {
        if receiver.changed().await.is_ok() {
            return;
        }
        *source = None;
    }
    std::future::pending::<()>().await;
}

impl Sources {
    fn view(&mut self, decisions: &mut Decisions) -> View {
        let snapshot = self
            .config
            .as_mut()
            .map(|config| config.borrow_and_update().clone());
        let view = match snapshot {
            Some(Snapshot {
                files,
                decisions: text,
                hash,
            }) => {
                if self.queue.is_none() {
                    read_decisions(&text, decisions);
                }
                View::new(Some(files), hash)
            }
            None => View::new(None, String::new()),
        };
        let mut view = view.with_decisions(decisions.clone());
        if let Some(queue) = &mut self.queue {
            view.decisions.clone_from(&queue.borrow_and_update());
        }
        let hashes = self
            .hashes
            .as_mut()
            .map(|hashes| hashes.borrow_and_update().clone())
            .unwrap_or_default();
        view.with_hashes(&self.enforcers, &hashes)
    }
}

/// Keeps the old decisions when the new text can't be read.
fn read_decisions(text: &str, decisions: &mut Decisions) {
    if text.trim().is_empty() {
        *decisions = Decisions::default();
        return;
    }
    match serde_json::from_str(text) {
        Ok(read) => *decisions = read,
        Err(error) => tracing::warn!(
            error = chain(&error),
            "Keeping the old decisions: decisions.json can't be read"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;
    use crate::config::decisions::Answer;

    fn snapshot(hash: &str, decisions: &str) -> Snapshot {
        Snapshot {
            files: Files::default(),
            decisions: decisions.to_owned(),
            hash: hash.to_owned(),
        }
    }

    fn hashes(hash: &str) -> Hashes {
        [("egress".to_owned(), hash.to_owned())].into()
    }

    #[tokio::test]
    async fn a_config_and_its_enforcement_are_seen_as_they_come() {
        let (config, config_receiver) = watch::channel(snapshot("one", ""));
        let (state, state_receiver) = watch::channel(hashes("one"));
        let mut view = start(Sources {
            config: Some(config_receiver),
            hashes: Some(state_receiver),
            queue: None,
            enforcers: vec!["egress".to_owned()],
        });
        assert!(view.borrow_and_update().enforced);
        let decisions = r#"{"decisions": [{"proposal": "p", "asked": 1, "status": "approved"}], "limits": {"pendingLeft": 3, "hourLeft": 4}}"#;
        config.send(snapshot("two", decisions)).unwrap();
        let seen = view
            .wait_for(|view| view.hash == "two")
            .await
            .unwrap()
            .clone();
        assert_eq!(
            (seen.enforced, seen.decisions["p"].status),
            (false, Answer::Approved)
        );
        assert_eq!(seen.limits.as_ref().unwrap().pending_left, 3);
        state.send(hashes("two")).unwrap();
        view.wait_for(|view| view.enforced).await.unwrap();
        // Damaged decisions take nothing back.
        config.send(snapshot("three", "{")).unwrap();
        let seen = view
            .wait_for(|view| view.hash == "three")
            .await
            .unwrap()
            .clone();
        assert!(seen.decisions.contains_key("p"));
    }
}
