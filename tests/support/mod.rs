//! What the tests on real clusters share: the cluster with our CRDs and policies, a namespace for each test, people
//! with tokens of their own, and requests as they go over the wire.
#![allow(dead_code, reason = "each tier uses its own part")]
#![allow(clippy::panic, reason = "a test fails by a panic")]

pub mod cluster;
pub mod install;
pub mod person;
pub mod rest;

/// `eventually` asks this often.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Asks until there is an answer; fails with `what` after `timeout`.
pub async fn eventually<T, F>(what: &str, timeout: std::time::Duration, mut ask: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    tokio::time::timeout(timeout, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{what}: not within {timeout:?}"))
}
