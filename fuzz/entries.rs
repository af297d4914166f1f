//! Where bytes of strangers come in, one function each, with what must hold whatever the bytes are.
//!
//! The fuzz targets call these with what they make up, and the tests of the core call them with every file of
//! `corpus/`; so what a fuzzer found once stays found on a stable compiler.

// Each target uses one of them.
#![allow(dead_code, reason = "each target uses one function")]

use bot_bottle::config::allowlist::{self, Allowlist, same_meaning};
use bot_bottle::config::decisions::Decisions;
use bot_bottle::config::routes::{self, Routes};
use bot_bottle::config::{Files, text};
use bot_bottle::egress::client_hello::{self, Hello};
use bot_bottle::supervise::methods::{Reply, handle};
use bot_bottle::supervise::rpc::{self, Message};
use bot_bottle::supervise::tools::{MAX_FILE, MAX_JUSTIFICATION, Question, Tool};
use bot_bottle::supervise::view::View;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Every target by its name, for whoever replays the corpus.
pub const ALL: [(&str, fn(&[u8])); 6] = [
    ("body", body),
    ("methods", methods),
    ("allowlist", allowlist),
    ("routes", routes),
    ("decisions", decisions),
    ("client_hello", client_hello),
];

/// The body of a POST, up to a JSON-RPC request.
pub fn body(bytes: &[u8]) {
    match rpc::parse(bytes) {
        Err(error) => {
            assert!([-32700, -32600, -32602].contains(&error.code), "{error:?}");
            assert_eq!(answered(None, &Err(error))["id"], Value::Null);
        }
        Ok(Message::Silent | Message::Remarks(_)) => {}
        Ok(Message::Request(request)) => {
            let text = rpc::response(Some(&request.id), &Ok(Value::Null));
            assert_eq!(
                echoed(&text),
                request.id.get(),
                "the id is echoed digit for digit"
            );
            if let Some(token) = request.progress_token() {
                let told = rpc::progress(&token, 1, "waiting");
                // By its grammar alone: a token may be a number that no float holds.
                let _: &RawValue = serde_json::from_str(&told).expect("a notification is JSON");
                assert!(told.contains(token.get()));
            }
        }
    }
}

/// A request, up to the answer or the question that it asks.
pub fn methods(bytes: &[u8]) {
    let Ok(Message::Request(request)) = rpc::parse(bytes) else {
        return;
    };
    let view = View::new(Some(in_force()), "hash".to_owned());
    match handle(&request, &view) {
        Reply::Now(outcome) => {
            let answer = answered(Some(&request.id), &outcome);
            assert!(answer.get("result").is_some() != answer.get("error").is_some());
        }
        Reply::Call(question) => valid(&question, &view),
    }
}

/// Two allowlists, before and after a line `====`: what is in force, and what is proposed.
pub fn allowlist(bytes: &[u8]) {
    let Some((old, new)) = halves(bytes) else {
        return;
    };
    shown(old, new);
    let in_force = Allowlist::parse_declared(old);
    if let Ok(list) = &in_force {
        same_again(list);
    }
    let in_force = in_force.unwrap_or_default();
    match Allowlist::parse_proposed(new, &in_force) {
        Err(error) => {
            let line = new.lines().nth(error.line - 1).unwrap_or_default();
            // One past the end is where something is missing.
            assert!(
                error.character <= line.chars().count() + 1,
                "{error}: {line:?}"
            );
            assert!(!error.to_string().contains(text::is_forbidden), "{error:?}");
        }
        Ok(proposed) => {
            same_again(&proposed);
            let change = allowlist::change(&in_force, &proposed);
            let applied = in_force.apply(&change);
            assert!(same_meaning(&applied, &proposed), "{change:?}");
            assert_eq!(applied.apply(&change), applied, "twice is once");
            for host in &change.added {
                assert!(!host.contains(':'), "an agent opens no port: {host}");
                assert!(!in_force.hosts().any(|known| known == *host), "{host}");
            }
        }
    }
}

/// Two `routes.json`, before and after a line `====`: what is in force, and what is proposed.
pub fn routes(bytes: &[u8]) {
    let Some((old, new)) = halves(bytes) else {
        return;
    };
    let in_force = Routes::parse_declared(old).unwrap_or_default();
    let Ok(proposed) = Routes::parse_proposed(new, &in_force) else {
        return;
    };
    let rendered = proposed.render();
    let again = Routes::parse_declared(&rendered).expect("what was accepted is accepted again");
    assert_eq!(again, proposed);
    let change = routes::change(&in_force, &proposed);
    let applied = in_force
        .apply(&change)
        .expect("a change fits what it was made from");
    assert!(applied.same_meaning(&proposed), "{change:?}");
    assert_eq!(
        applied.apply(&change).as_ref(),
        Ok(&applied),
        "twice is once"
    );
    let new = change
        .added
        .iter()
        .chain(change.changed.iter().map(|changed| &changed.to));
    for route in new {
        assert!(
            route.upstream.to_ascii_lowercase().starts_with("https://"),
            "{route:?}"
        );
        assert!(!route.plain && route.host().is_some(), "{route:?}");
    }
    shown(&in_force.render(), &rendered);
}

/// `decisions.json`.
pub fn decisions(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<Decisions>(bytes) else {
        return;
    };
    let text = serde_json::to_string(&read).expect("decisions are JSON");
    let again: Decisions = serde_json::from_str(&text).expect("what was read is read again");
    assert_eq!(again, read);
    for decided in &read.decisions {
        let answer = bot_bottle::supervise::answer::decided(decided);
        let words = answer["content"][0]["text"].as_str().expect("one text");
        assert!(words.starts_with(&format!("status: {}", decided.status.as_str())));
    }
    let view = View::default().with_decisions(read.clone());
    assert!(view.decisions.len() <= read.decisions.len());
}

/// The first bytes of a connection: however they are cut, no other name is read from them.
pub fn client_hello(bytes: &[u8]) {
    let whole = client_hello::read(bytes);
    for end in cuts(bytes.len()) {
        match (client_hello::read(&bytes[..end]), &whole) {
            (Hello::Incomplete, _) => {}
            (Hello::Complete(part), Hello::Complete(whole)) => assert_eq!(&part, whole, "at {end}"),
            (part, whole) => assert_eq!(part, *whole, "at {end}"),
        }
    }
    if let Hello::Complete(Some(name)) = whole {
        assert!(!name.is_empty() && name.is_ascii());
        let sent = bytes
            .windows(name.len())
            .any(|window| window == name.as_bytes());
        assert!(
            sent || bytes.len() > name.len() + 5,
            "{name:?} was not sent"
        );
    }
}

/// All of the first bytes, then ever fewer: a reader gets a stream in any pieces.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let first = length.min(128);
    (0..first).chain((first..length).step_by(61))
}

fn in_force() -> Files {
    Files {
        routes: r#"{"routes": [{"path": "/in/", "upstream": "http://in.example", "plain": true}]}"#
            .to_owned(),
        allowlist: "in.example\n.below.example\nport.example:8443\n".to_owned(),
        dockerfile: "FROM in.example/image\n# \u{200b}in force\n".to_owned(),
        egress: "{}".to_owned(),
    }
}

/// What a valid question is, by its own words.
fn valid(question: &Question, view: &View) {
    let Question {
        tool,
        file,
        justification,
        ..
    } = question;
    assert!(file.len() <= MAX_FILE && justification.len() <= MAX_JUSTIFICATION);
    assert!(!justification.trim().is_empty() && !file.trim().is_empty());
    assert_eq!(text::forbidden(justification, ""), Ok(()));
    assert_eq!(text::forbidden(file, view.file(*tool)), Ok(()));
    shown(view.file(*tool), file);
    let accepted = match tool {
        Tool::PipelockBlock => Allowlist::parse_declared(file).is_ok(),
        Tool::CredProxyBlock => Routes::parse_declared(file).is_ok(),
        Tool::CapabilityBlock => true,
    };
    assert!(accepted, "an agent may ask for what no Bottle may declare");
}

/// A reviewer's view hides nothing and is bounded.
fn shown(old: &str, new: &str) {
    let lines = text::diff(old, new);
    assert_eq!(lines.is_empty(), old == new);
    assert!(lines.len() <= text::MAX_LINES + 1);
    for line in &lines {
        assert!(
            !line.contains(text::is_forbidden) && !line.contains('\t'),
            "{line:?}"
        );
        assert_eq!(
            line.trim_end(),
            line,
            "kubectl would print the whole as one quoted line"
        );
    }
}

fn same_again(list: &Allowlist) {
    let again =
        Allowlist::parse_declared(&list.render()).expect("what was accepted is accepted again");
    assert_eq!(again, *list);
}

fn halves(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(text.split_once("\n====\n").unwrap_or(("", text)))
}

/// The response's fields. An id may be a number that no float holds: then it is null here.
fn answered(id: Option<&RawValue>, outcome: &Result<Value, rpc::RpcError>) -> Value {
    let text = rpc::response(id, outcome);
    let fields: HashMap<String, &RawValue> =
        serde_json::from_str(&text).expect("a response is JSON");
    let read = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or(Value::Null);
    fields
        .into_iter()
        .map(|(name, raw)| (name, read(raw)))
        .collect()
}

/// The id of a response as it is written.
fn echoed(response: &str) -> &str {
    let fields: HashMap<Cow<str>, &RawValue> = serde_json::from_str(response).expect("an object");
    fields["id"].get()
}
