//! The refusals of the contract over a socket: the same table as the tests of the pure functions have.

#[path = "../../core/refusals/table.rs"]
mod table;

use super::bench::{Bench, Client};
use serde_json::Value;

/// A server that has the table's files in force from its start.
async fn bench() -> Bench {
    let files = table::in_force();
    let bench = Bench::start(&files.allowlist).await;
    bench.directories.write("routes.json", &files.routes);
    bench.directories.write("Dockerfile", &files.dockerfile);
    let view = &bench.state.desk;
    while view.view().files.as_ref() != Some(&files) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    bench
}

async fn refused(client: Client, params: &Value, parts: &[String]) {
    let shown: String = params.to_string().chars().take(300).collect();
    let answer = client.rpc("tools/call", params.clone()).await;
    assert_eq!(answer["error"]["code"], -32602, "{shown}: {answer}");
    assert_eq!(answer["id"], 1, "{shown}: {answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    for part in parts {
        assert!(message.contains(part), "{shown}\n{message}\nlacks {part}");
    }
}

#[tokio::test]
async fn every_refusal_is_the_same_over_a_socket_and_leaves_nothing_in_the_queue() {
    let bench = bench().await;
    let mut rows = table::hosts();
    rows.extend(table::routes());
    for tool in table::TOOLS {
        rows.extend(table::in_order(tool));
        rows.extend(table::limits(tool));
    }
    for table::Row { params, parts } in rows {
        refused(bench.client, &params, &parts).await;
    }
    let queue = std::fs::read_dir(bench.directories.path("queue")).unwrap();
    let left: Vec<_> = queue.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["archive"]);
}

#[tokio::test]
async fn what_stands_in_the_file_in_force_becomes_a_proposal() {
    let bench = bench().await;
    let accepted = table::accepted();
    let asked = accepted.len();
    for params in accepted {
        tokio::spawn(bench.client.rpc("tools/call", params));
    }
    bench.directories.proposals(asked).await;
}
