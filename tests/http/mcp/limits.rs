//! The reviewer's limits as flags, what clients are told at the transport's, and what the program tells in its log.

use super::bench::{Bench, Directories, PATIENCE, hosts, request};
use super::process::start;
use bot_bottle::supervise::{Waits, connections, store::queue};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn limited(held: connections::Limits) -> Bench {
    let limits = queue::Limits {
        pending: 20,
        hour: 30,
    };
    Bench::serving("a.example\n", Waits::default(), limits, held).await
}

/// Sends this, and reads until the server ends.
async fn answer_to(bench: &Bench, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(bench.client.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    all(stream).await
}

async fn all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text))
        .await
        .expect("no end")
        .unwrap();
    text
}

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_408_and_an_idle_client_is_let_go_without_a_word() {
    let bench = limited(connections::Limits {
        head: Duration::from_millis(100),
        ..connections::Limits::default()
    })
    .await;
    for begun in [&b""[..], b"POST / HTTP/1.1\r\nHo"] {
        let answer = answer_to(&bench, begun).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let ping = request("", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let ping = ping.replace("Connection: close\r\n", "");
    let answer = answer_to(&bench, ping.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#""result":{}}"#),
        "{answer}"
    );
}

#[tokio::test]
async fn half_a_request_that_has_to_go_is_told_503() {
    let bench = limited(connections::Limits {
        free: 1,
        ..connections::Limits::default()
    })
    .await;
    let mut first = TcpStream::connect(bench.client.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";
    first.write_all(head).await.unwrap();
    // Its half has to be there before the next one comes.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        bench.client.rpc("ping", json!({})).await["result"],
        json!({})
    );
    let answer = all(first).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn more_waiting_calls_than_there_is_room_for_are_told_503() {
    let bench = limited(connections::Limits {
        waiting: 1,
        ..connections::Limits::default()
    })
    .await;
    let _first = tokio::spawn(bench.client.ask(hosts("b.example", "docs")));
    bench.directories.proposals(1).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": hosts("c.example", "docs")});
    let second = bench.client.post("", &call.to_string()).await;
    assert_eq!(second.status, 503, "{second:?}");
    assert_eq!(bench.directories.proposals(1).await.len(), 1);
    assert_eq!(
        bench.client.rpc("ping", json!({})).await["result"],
        json!({})
    );
}

#[tokio::test]
async fn the_limits_of_a_queue_are_flags() {
    for (flags, words) in [
        (["--max-pending", "1"], "Wait for one of them"),
        (["--max-hourly", "1"], "call again later"),
    ] {
        let directories = Directories::new("a.example\n");
        let program = start(&directories, &[&flags[..], &["--max-wait", "0"]].concat()).await;
        program
            .client
            .rpc("tools/call", hosts("b.example", "docs"))
            .await;
        directories.proposals(1).await;
        let refused = refusal(&program, "c.example").await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("too many") && message.contains(words),
            "{message}"
        );
    }
}

/// A call that may not wait can give up before the queue has looked at it; the next one finds what came of that.
async fn refusal(program: &super::process::Program, host: &str) -> Value {
    loop {
        let answer = program.client.rpc("tools/call", hosts(host, "docs")).await;
        if !answer["error"].is_null() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
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
