//! Tells the Bottle's status which hosts egress has refused: a reviewer sees what the agent really tried.
//!
//! An agent decides how often it is refused. So news are told soon, and the more seldom the longer they don't end.

use super::report::BottleStatus;
use super::store::StoreError;
use crate::api::Denial;
use crate::config::denials::is_news;
use crate::telemetry::chain;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// From the first news to the write: what a program tries comes in bursts.
const SETTLE: Duration = Duration::from_secs(2);
/// Shortest and longest pause after a write.
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// Reports for ever; ends with `denials`.
pub async fn run(status: &impl BottleStatus, mut denials: watch::Receiver<Vec<Denial>>) {
    let mut reported = Vec::new();
    let mut pause = PAUSE.0;
    loop {
        let ended = denials
            .wait_for(|now| is_news(&reported, now))
            .await
            .is_err();
        if ended {
            return;
        }
        sleep(SETTLE).await;
        let now = denials.borrow_and_update().clone();
        send(status, &json!({"denials": now})).await;
        tracing::info!(
            hosts = now.len(),
            "Reported refused hosts to the Bottle's status"
        );
        reported = now;
        sleep(pause).await;
        let goes_on = is_news(&reported, &denials.borrow());
        pause = if goes_on {
            (pause * 2).min(PAUSE.1)
        } else {
            PAUSE.0
        };
    }
}

/// Tries again what another try may cure; what is refused is only news that is lost.
async fn send(status: &impl BottleStatus, fields: &Value) {
    let mut pause = PAUSE.0;
    while let Err(error) = status.merge(fields).await {
        tracing::warn!(
            error = chain(&error),
            "Can't report refused hosts to the Bottle's status"
        );
        if !matches!(error, StoreError::Failed { .. }) {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::denials::tests::denial;
    use std::sync::{Arc, Mutex};
    use tokio::time::Instant;

    /// When something was merged, and what.
    #[derive(Default)]
    struct FakeStatus(Mutex<Vec<(Instant, Value)>>);

    impl BottleStatus for Arc<FakeStatus> {
        async fn merge(&self, sidecar: &Value) -> Result<(), StoreError> {
            self.0
                .lock()
                .unwrap()
                .push((Instant::now(), sidecar.clone()));
            Ok(())
        }
    }

    fn start() -> (watch::Sender<Vec<Denial>>, Arc<FakeStatus>) {
        let status = Arc::new(FakeStatus::default());
        let (sender, receiver) = watch::channel(Vec::new());
        let task = Arc::clone(&status);
        tokio::spawn(async move { run(&task, receiver).await });
        (sender, status)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_write_and_the_same_again_is_none() {
        let (sender, status) = start();
        sender.send(vec![denial("a.example", 1)]).unwrap();
        sleep(SETTLE / 2).await;
        sender
            .send(vec![denial("b.example", 1), denial("a.example", 2)])
            .unwrap();
        sleep(PAUSE.1).await;
        sender
            .send(vec![denial("a.example", 3), denial("b.example", 1)])
            .unwrap();
        sleep(PAUSE.1).await;
        let merged = status.0.lock().unwrap().clone();
        assert_eq!(merged.len(), 1, "{merged:?}");
        assert_eq!(
            merged[0].1,
            json!({"denials": [
                {"host": "b.example", "port": 443, "reason": "HostNotListed", "count": 1},
                {"host": "a.example", "port": 443, "reason": "HostNotListed", "count": 2},
            ]})
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_tries_new_hosts_for_an_hour_makes_few_writes() {
        let (sender, status) = start();
        for number in 0..3600 {
            sender
                .send(vec![denial(&format!("h{number}.example"), 1)])
                .unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        let merged = status.0.lock().unwrap().clone();
        assert!(merged.len() < 20, "{}", merged.len());
        let closest = merged.windows(2).map(|pair| pair[1].0 - pair[0].0).min();
        assert!(closest >= Some(PAUSE.0), "{closest:?}");
        // Quiet for a while, it is heard soon again.
        sleep(PAUSE.1 * 2).await;
        let before = status.0.lock().unwrap().len();
        sender.send(vec![denial("last.example", 1)]).unwrap();
        sleep(SETTLE * 2).await;
        assert_eq!(status.0.lock().unwrap().len(), before + 1);
    }
}
