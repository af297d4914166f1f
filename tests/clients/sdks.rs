//! The official SDKs, newest and a year old, and a client that knows neither streams nor progress.

use super::bench::{Kind, Server};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn every_client_lists_and_reads_and_is_told_what_is_wrong() {
    let server = Server::start(&[]).await;
    for kind in Kind::SDKS.into_iter().chain([Kind::Plain]) {
        let said = kind.start(&server, "list").ends().await;
        let said = said.last().unwrap();
        let version = said["version"].as_str().unwrap();
        match kind {
            Kind::Plain => assert_eq!(version, "2024-11-05"),
            _ => assert!(version >= "2025-06-18", "{kind:?}: {version}"),
        }
        let tools = ["cred-proxy-block", "pipelock-block", "capability-block"];
        assert_eq!(said["tools"], json!(tools), "{kind:?}");
        let resources = ["routes.json", "allowlist", "Dockerfile"]
            .map(|file| format!("file:///etc/claude-bottle/current-config/{file}"));
        assert_eq!(said["resources"], json!(resources), "{kind:?}");
        assert_eq!(said["allowlist"], "a.example\n", "{kind:?}");
        assert_eq!(said["refused"], -32602, "{kind:?}");
    }
}

#[tokio::test]
async fn every_sdk_shows_progress_and_gets_the_decision_after_a_real_wait() {
    wait_for_a_decision(Duration::from_secs(20)).await;
}

#[tokio::test]
#[ignore = "six minutes: tier long"]
async fn every_sdk_waits_for_six_minutes() {
    wait_for_a_decision(Duration::from_secs(6 * 60)).await;
}

async fn wait_for_a_decision(how_long: Duration) {
    let server = Server::start(&[]).await;
    let clients: Vec<_> = Kind::SDKS
        .map(|kind| {
            let client = kind.start(&server, "call");
            (kind, tokio::spawn(client.ends()))
        })
        .into();
    let mut proposals = Vec::new();
    for (kind, _) in &clients {
        proposals.push(server.proposal(kind.host()).await);
    }
    tokio::time::sleep(how_long).await;
    for ((kind, said), proposal) in clients.into_iter().zip(proposals) {
        server.approve(&proposal, "docs only");
        let mut said = said.await.unwrap();
        let answer = said.pop().unwrap();
        let expected = json!({"text": "status: approved\nnotes: docs only", "isError": false});
        assert_eq!(answer, expected, "{kind:?}");
        let numbers: Vec<u64> = said.iter().map(|line| number(&line["progress"])).collect();
        assert!(
            numbers.len() as u64 > how_long.as_secs() / 10,
            "{kind:?}: {said:?}"
        );
        assert!(numbers.is_sorted_by(|a, b| a < b), "{kind:?}: {said:?}");
        let words = format!("waiting for a decision on {proposal}, ");
        for line in &said {
            let message = line["message"].as_str().unwrap();
            assert!(message.starts_with(&words), "{kind:?}: {message}");
        }
    }
}

/// Python's numbers may be floats.
fn number(value: &Value) -> u64 {
    let text = value.to_string();
    text.trim_end_matches(".0")
        .parse()
        .unwrap_or_else(|_| panic!("{value}"))
}

#[tokio::test]
async fn a_client_that_cancels_and_asks_again_goes_on_waiting_for_the_same_proposal() {
    let server = Server::start(&[]).await;
    for kind in Kind::SDKS {
        let mut client = kind.start(&server, "cancel");
        let mut said = client.says().await.unwrap();
        while said["gaveUp"].is_null() {
            assert!(said["text"].is_null(), "{kind:?}: {said}");
            said = client.says().await.unwrap();
        }
        let proposal = server.proposal(kind.host()).await;
        // It asks again, and its progress names the proposal that was there.
        let again = client.says().await.unwrap();
        let message = again["message"].as_str().unwrap();
        assert!(message.contains(&proposal), "{kind:?}: {message}");
        server.approve(&proposal, "late");
        let said = client.ends().await;
        let text = "status: approved\nnotes: late";
        assert_eq!(said.last().unwrap()["text"], text, "{kind:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_killed_in_its_wait_is_answered_when_it_comes_again() {
    let server = Server::start(&[]).await;
    for kind in Kind::SDKS {
        let mut client = kind.start(&server, "call");
        let first = client.says().await.unwrap();
        assert!(!first["progress"].is_null(), "{kind:?}: {first}");
        let proposal = server.proposal(kind.host()).await;
        client.kill().await;
        server.approve(&proposal, "while you were away");
        let said = kind.start(&server, "call").ends().await;
        let text = "status: approved\nnotes: while you were away";
        assert_eq!(said.last().unwrap()["text"], text, "{kind:?}");
    }
}

#[tokio::test]
async fn a_client_of_plain_json_is_told_to_call_again_until_there_is_a_decision() {
    let server = Server::start(&["--max-wait", "2"]).await;
    let mut client = Kind::Plain.start(&server, "call");
    let proposal = server.proposal(Kind::Plain.host()).await;
    for _ in 0..2 {
        let said = client.says().await.unwrap();
        let text = said["pending"].as_str().unwrap();
        assert!(
            text.contains(&proposal) && text.contains("again with the same arguments"),
            "{text}"
        );
    }
    server.approve(&proposal, "at last");
    let said = client.ends().await;
    let text = "status: approved\nnotes: at last";
    assert_eq!(said.last().unwrap()["text"], text);
}
