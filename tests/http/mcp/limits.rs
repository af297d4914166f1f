//! The reviewer's limits as flags, and what the program tells in its log.

use super::bench::{Directories, hosts};
use super::process::start;
use serde_json::{Value, json};

#[tokio::test]
async fn the_limits_of_a_queue_are_flags() {
    for (flags, words) in [
        (["--max-pending", "1"], "Wait for one of them"),
        (["--max-hourly", "1"], "call again later"),
    ] {
        let directories = Directories::new("a.example\n");
        let program = start(&directories, &[&flags[..], &["--max-wait", "0"]].concat()).await;
        let ask = |host| program.client.rpc("tools/call", hosts(host, "docs"));
        ask("b.example").await;
        // The first call may have given up before its proposal was there.
        directories.proposals(1).await;
        let refused = ask("c.example").await;
        // It gives up as well, or is refused: the answer that comes once it waits long enough is the second.
        let refused = if refused["error"].is_null() {
            let text = refused["result"]["content"][0]["text"].clone();
            assert!(text.as_str().unwrap().contains("still being recorded"));
            continue_until_refused(&program, "c.example").await
        } else {
            refused
        };
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("too many") && message.contains(words),
            "{message}"
        );
    }
}

async fn continue_until_refused(program: &super::process::Program, host: &str) -> Value {
    loop {
        let answer = program.client.rpc("tools/call", hosts(host, "docs")).await;
        if !answer["error"].is_null() {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Stands in every file, justification and broken body that this test sends.
const MARK: &str = "marked-content";

#[tokio::test]
async fn the_log_tells_what_happened_and_never_what_was_in_a_file() {
    let directories = Directories::new("a.example\n");
    let program = start(&directories, &[]).await;
    let client = program.client;
    let file = format!("# {MARK}\nb.{MARK}.example\n");
    let question = hosts(&file, &format!("because of {MARK}"));
    let first = tokio::spawn(client.ask(question.clone()));
    let name = directories.proposals(1).await.remove(0);
    directories.decide(
        &name,
        &json!({"status": "rejected", "notes": format!("not {MARK}")}),
    );
    first.await.unwrap();
    directories.proposals(0).await;
    client.ask(question).await;
    client
        .rpc(
            "tools/call",
            hosts(&format!("https://{MARK}.example"), MARK),
        )
        .await;
    client
        .rpc("tools/call", hosts(&format!("\u{200b}{MARK}"), MARK))
        .await;
    client.post("", &format!("{MARK} is not JSON")).await;
    client.rpc(MARK, json!({})).await;
    let (_, log) = program.end().await;
    assert!(!log.contains(MARK), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| -> Vec<&Value> {
        lines
            .iter()
            .filter(|line| line["message"] == message)
            .collect()
    };
    let new = of("New proposal");
    assert_eq!(new.len(), 1, "{log}");
    assert_eq!(
        (&new[0]["proposal"], &new[0]["tool"]),
        (&json!(name), &json!("pipelock-block"))
    );
    let answers = of("Answering");
    // The second answer is the same; an agent may ask for it as often as it likes.
    assert_eq!(answers.len(), 1, "{log}");
    assert_eq!(answers[0]["status"], "rejected");
    let all = of("Calls since the start");
    let last = all.last().unwrap();
    for (key, value) in [
        ("questions", json!(1)),
        ("attached", json!(1)),
        ("waiting", json!(0)),
        ("answers", json!("rejected=2")),
        (
            "refusals",
            json!("hidden-character=1 invalid-file=1 not-json=1 unknown-method=1"),
        ),
    ] {
        assert_eq!(last[key], value, "{key}: {last}");
    }
}
