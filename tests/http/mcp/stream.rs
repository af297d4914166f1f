//! Blocked calls over an event stream. The clock is paused where time is the matter.

use super::bench::{Bench, Directories, PATIENCE, hosts, request, state};
use bot_bottle::supervise::http::respond;
use bot_bottle::supervise::store::queue::Limits;
use bot_bottle::supervise::store::queue::Queue;
use bot_bottle::supervise::{State, Waits};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

const LIMITS: Limits = Limits {
    pending: 20,
    hour: 30,
};

fn body(token: Option<&Value>) -> String {
    let mut params = hosts("b.example", "docs");
    if let Some(token) = token {
        params["_meta"] = json!({"progressToken": token});
    }
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).to_string()
}

/// Calls without a socket, so that a paused clock moves only when everything waits.
async fn call(
    state: &Arc<State<Queue>>,
    token: Option<&Value>,
) -> http::Response<bot_bottle::supervise::http::Body> {
    let body = body(token);
    let request = http::Request::post("/")
        .header("accept", "application/json, text/event-stream")
        .header("content-length", body.len())
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    respond(Arc::clone(state), request).await
}

async fn next(response: &mut http::Response<bot_bottle::supervise::http::Body>) -> Option<String> {
    let frame = response.body_mut().frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

fn data(event: &str) -> Value {
    let line = event
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap_or_else(|| panic!("{event}"));
    serde_json::from_str(line).unwrap()
}

#[tokio::test(start_paused = true)]
async fn with_a_token_progress_comes_at_least_every_10_s_for_hours() {
    let directories = Directories::new("a.example\n");
    let state = state(&directories, Waits::default(), LIMITS);
    let mut response = call(&state, Some(&json!("tok"))).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (began, mut last, mut progress) = (Instant::now(), Instant::now(), -1);
    while began.elapsed() < Duration::from_secs(2 * 60 * 60) {
        let event = next(&mut response).await.unwrap();
        let message = data(&event);
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "tok");
        let now = message["params"]["progress"].as_i64().unwrap();
        assert!(now > progress, "{event}");
        assert!(
            last.elapsed() <= Duration::from_secs(10),
            "{:?} without a sign of life",
            last.elapsed()
        );
        (last, progress) = (Instant::now(), now);
    }
    let event = next(&mut response).await.unwrap();
    let words = data(&event)["params"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        words.starts_with("waiting for a decision on demo-") && words.ends_with(", 120 min"),
        "{words}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_token_comments_come_and_then_a_pending_answer_in_time() {
    let directories = Directories::new("a.example\n");
    let state = state(&directories, Waits::default(), LIMITS);
    let began = Instant::now();
    let mut response = call(&state, None).await;
    let mut comments = 0;
    let last = loop {
        let event = next(&mut response).await.unwrap();
        if !event.starts_with(": ") {
            break event;
        }
        comments += 1;
    };
    assert!(comments >= 17, "{comments}");
    assert_eq!(began.elapsed().as_secs(), 170);
    let text = data(&last)["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.starts_with("status: pending"), "{text}");
    assert_eq!(next(&mut response).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_plain_call_is_answered_within_45_s() {
    let directories = Directories::new("a.example\n");
    let state = state(&directories, Waits::default(), LIMITS);
    let body = body(Some(&json!(1)));
    let request = http::Request::post("/")
        .header("content-length", body.len())
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let began = Instant::now();
    let response = respond(state, request).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(began.elapsed().as_secs(), 45);
}

#[tokio::test]
async fn headers_come_at_once_then_progress_then_the_answer_then_the_end() {
    let bench = Bench::start("a.example\n").await;
    let accept = "Accept: text/event-stream, application/json\r\n";
    // A number that no 64 bits hold.
    let token = "123456789012345678901234567890";
    let body = body(Some(&json!("TOKEN"))).replace("\"TOKEN\"", token);
    let mut stream = TcpStream::connect(bench.client.address).await.unwrap();
    stream
        .write_all(request(accept, &body).as_bytes())
        .await
        .unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("notifications/progress") {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .expect("no headers")
            .unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(
        seen.starts_with("HTTP/1.1 200") && seen.contains("text/event-stream"),
        "{seen}"
    );
    assert!(
        seen.contains(&format!("\"progressToken\":{token},")),
        "{seen}"
    );
    let name = bench.directories.proposals(1).await.remove(0);
    bench
        .directories
        .decide(&name, &json!({"status": "approved"}));
    let mut rest = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut rest))
        .await
        .expect("no end")
        .unwrap();
    assert!(
        rest.contains(r#"data: {"jsonrpc":"2.0","id":7,"result":"#)
            && rest.contains("status: approved"),
        "{rest}"
    );
    bench.directories.proposals(0).await;
}

#[tokio::test]
async fn a_stream_that_is_given_up_leaves_the_proposal() {
    let bench = Bench::start("a.example\n").await;
    let mut stream = TcpStream::connect(bench.client.address).await.unwrap();
    stream
        .write_all(request("Accept: text/event-stream\r\n", &body(None)).as_bytes())
        .await
        .unwrap();
    let name = bench.directories.proposals(1).await.remove(0);
    drop(stream);
    // Its task has ended when only ours is left.
    while !bench.state.tasks.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench
        .directories
        .decide(&name, &json!({"status": "approved"}));
    assert_eq!(
        bench.client.ask(hosts("b.example", "docs")).await.0,
        "status: approved"
    );
}
