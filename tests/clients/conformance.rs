//! The official conformance suite; what a server with our three tools can't meet is in `expected-failures.yml`.

use super::bench::{PATIENCE, Server, installed, node, source};
use std::path::Path;
use tokio::process::Command;

/// Runs all scenarios; whether it succeeds, and what it says.
async fn suite(server: &Server, expected_failures: &Path) -> (bool, String) {
    let results = tempfile::tempdir().unwrap();
    let run = Command::new(node())
        .arg(installed(
            "node_modules/@modelcontextprotocol/conformance/dist/index.js",
        ))
        .args(["server", "--suite", "all", "--url", &server.url()])
        .arg("--expected-failures")
        .arg(expected_failures)
        .arg("--output-dir")
        .arg(results.path())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run)
        .await
        .expect("the suite hangs")
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[tokio::test]
async fn all_scenarios_pass_but_those_that_are_listed() {
    let server = Server::start(&[]).await;
    let (passed, text) = suite(&server, &source("expected-failures.yml")).await;
    assert!(passed, "{text}");
    // It must have seen some: the pinned suite has 32 scenarios, and these are the ones that a server like ours meets.
    for scenario in [
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "dns-rebinding-protection",
    ] {
        assert!(
            text.contains(&format!("✓ {scenario}: ")),
            "{scenario}: {text}"
        );
    }
}

#[tokio::test]
async fn a_listed_scenario_that_passes_fails_the_run() {
    let server = Server::start(&[]).await;
    let list = std::fs::read_to_string(source("expected-failures.yml")).unwrap() + "  - ping\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), list).unwrap();
    let (passed, text) = suite(&server, file.path()).await;
    assert!(!passed && text.contains("ping"), "{text}");
}
