//! Tells the Bottle's status what `seal` said about the agent's settings.
//!
//! The agent can say such things, too. So the same again is no news, and news are told the more seldom the longer
//! they don't end.

use super::report::BottleStatus;
use super::store::StoreError;
use crate::config_directory::{read_remarks, write_remarks};
use crate::telemetry::chain;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Shortest and longest pause after a write.
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// What the status holds of this pod's agent.
#[derive(Debug)]
pub struct Remarks {
    state: PathBuf,
    told: Option<Vec<String>>,
}

impl Remarks {
    /// As an earlier start of this sidecar left it in the state directory.
    pub fn open(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            told: read_remarks(state),
        }
    }

    /// What the first report has to say: in a new pod, that nothing of the old one holds any more.
    pub fn first_report(&self) -> Map<String, Value> {
        let new = self.told.is_none();
        let gone = new.then(|| ("settings".to_owned(), Value::Null));
        gone.into_iter().collect()
    }

    /// Reports for ever; ends with `said`. To be called after the first report.
    pub async fn run(
        mut self,
        status: &impl BottleStatus,
        mut said: watch::Receiver<Option<Vec<String>>>,
    ) {
        if self.told.is_none() {
            self.remember(Vec::new());
        }
        let mut pause = PAUSE.0;
        loop {
            let news = |now: &Option<Vec<String>>| now.is_some() && *now != self.told;
            let Ok(now) = said.wait_for(news).await.map(|now| now.clone()) else {
                return;
            };
            let lines = now.unwrap_or_default();
            let sent = status.merge(&json!({"settings": lines})).await;
            match &sent {
                Ok(()) => tracing::info!(lines = lines.len(), "Reported the agent's settings"),
                Err(error) => {
                    tracing::warn!(error = chain(error), "Can't report the agent's settings");
                }
            }
            // Another try cures a failure; what is refused would be refused again.
            if !matches!(sent, Err(StoreError::Failed { .. })) {
                self.remember(lines);
            }
            sleep(pause).await;
            let goes_on = *said.borrow() != self.told;
            pause = if goes_on {
                (pause * 2).min(PAUSE.1)
            } else {
                PAUSE.0
            };
        }
    }

    fn remember(&mut self, lines: Vec<String>) {
        if let Err(error) = write_remarks(&self.state, &lines) {
            tracing::warn!(error = chain(&error), "Can't remember what was reported");
        }
        self.told = Some(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct FakeStatus(Mutex<Vec<Value>>);

    impl BottleStatus for Arc<FakeStatus> {
        async fn merge(&self, sidecar: &Value) -> Result<(), StoreError> {
            self.0.lock().unwrap().push(sidecar.clone());
            Ok(())
        }
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn start(state: &Path) -> (watch::Sender<Option<Vec<String>>>, Arc<FakeStatus>) {
        let (sender, receiver) = watch::channel(None);
        let status = Arc::new(FakeStatus::default());
        let (remarks, task) = (Remarks::open(state), Arc::clone(&status));
        tokio::spawn(async move { remarks.run(&task, receiver).await });
        (sender, status)
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_with_nothing_to_say_costs_no_write_and_a_new_pod_clears_the_old_ones_words() {
        let state = tempfile::tempdir().unwrap();
        let cleared = Remarks::open(state.path()).first_report();
        assert_eq!(Value::from(cleared), json!({"settings": null}));
        let (sender, status) = start(state.path());
        sleep(PAUSE.1).await;
        sender.send_replace(Some(lines("")));
        sleep(PAUSE.1).await;
        assert!(status.0.lock().unwrap().is_empty());
        // The sidecar starts again in the same pod: what was told still holds.
        assert!(Remarks::open(state.path()).first_report().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn news_are_told_once_and_taken_back_when_they_are_over() {
        let state = tempfile::tempdir().unwrap();
        let (sender, status) = start(state.path());
        for text in ["Drifted: a", "Drifted: a", ""] {
            sender.send_replace(Some(lines(text)));
            sleep(PAUSE.1).await;
        }
        let merged = status.0.lock().unwrap().clone();
        let settings = |lines: &[&str]| json!({"settings": lines});
        assert_eq!(merged, [settings(&["Drifted: a"]), settings(&[])]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_talks_for_an_hour_makes_few_writes() {
        let state = tempfile::tempdir().unwrap();
        let (sender, status) = start(state.path());
        for number in 0..3600 {
            sender.send_replace(Some(lines(&format!("Other: {number}"))));
            sleep(Duration::from_secs(1)).await;
        }
        let merged = status.0.lock().unwrap().len();
        assert!(merged < 20, "{merged}");
    }
}
