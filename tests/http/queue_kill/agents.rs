//! Agents that ask, lose their server in the midst of it, and ask again.

use super::PATIENCE;
use super::check::{Directory, Question};
use super::decider::decision;
use bot_bottle::config::proposal_name::proposal_name;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Asks one question after the other until `stop`; how many were answered.
pub fn start(number: usize, directory: Arc<Directory>, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    thread::spawn(move || {
        let mut mine = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let question = Question {
                file: format!("q{}.agent{number}.example\n", mine.len()),
                justification: format!("agent {number} needs it"),
            };
            ask(&directory, &question);
            mine.push(question);
        }
        // What was answered stays answered, and in the same way.
        for question in &mine {
            ask(&directory, question);
        }
        mine.len()
    })
}

fn ask(directory: &Directory, question: &Question) {
    let Question {
        file,
        justification,
    } = question;
    let name = proposal_name("demo", "", "pipelock-block", file, justification, None);
    directory
        .asked
        .lock()
        .unwrap()
        .insert(name.clone(), question.clone());
    let began = Instant::now();
    let answer = loop {
        if let Some(answer) = call(directory, question) {
            break answer;
        }
        assert!(began.elapsed() < PATIENCE, "{name} is never answered");
        thread::sleep(Duration::from_millis(8));
    };
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{name}: {answer}"));
    let known = directory.decided.lock().unwrap().contains_key(&name);
    assert!(known, "{name} is answered before it is decided: {text}");
    let right = text.starts_with(&decision(&name).1);
    assert!(right, "{name}: {text}\n{:?}", directory.places(&name));
}

/// One try; none when the server went away.
fn call(directory: &Directory, question: &Question) -> Option<Value> {
    let Question {
        file,
        justification,
    } = question;
    let arguments = json!({"allowlist": file, "justification": justification});
    let params = json!({"name": "pipelock-block", "arguments": arguments});
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: supervise\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(directory.address()).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    // Half an answer is none.
    serde_json::from_str(body).ok()
}
