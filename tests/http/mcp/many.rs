//! Many calls at once.

use super::bench::{Bench, PATIENCE, hosts};
use serde_json::json;

/// Each takes two file descriptors of this process, and the usual limit is 1,024.
const CALLS: usize = 300;

#[tokio::test]
async fn many_calls_wait_on_one_proposal_while_others_are_served_and_all_are_answered() {
    let bench = Bench::start("a.example\n").await;
    let calls: Vec<_> = (0..CALLS)
        .map(|_| tokio::spawn(bench.client.ask(hosts("b.example", "docs"))))
        .collect();
    let name = bench.directories.proposals(1).await.remove(0);
    assert_eq!(
        bench.client.rpc("ping", json!({})).await["result"],
        json!({})
    );
    bench
        .directories
        .decide(&name, &json!({"status": "approved"}));
    for call in calls {
        let (text, _) = tokio::time::timeout(PATIENCE, call)
            .await
            .expect("one was forgotten")
            .unwrap();
        assert_eq!(text, "status: approved");
    }
    bench.directories.proposals(0).await;
}
