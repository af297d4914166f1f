//! A person who decides every question once, some time after it is there.

use super::Random;
use super::check::Directory;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What is decided on a proposal, and the words that its agent must be told.
pub fn decision(name: &str) -> (Value, String) {
    let notes = format!("for {name}");
    let last = name.bytes().last().unwrap_or_default();
    match last % 3 {
        0 => (
            json!({"status": "approved", "notes": notes}),
            format!("status: approved\nnotes: {notes}"),
        ),
        1 => (
            json!({"status": "rejected", "notes": notes}),
            format!("status: rejected\nnotes: {notes}"),
        ),
        _ => (
            json!({"status": "modified", "notes": notes, "finalFile": "instead.example\n"}),
            format!("status: modified\nnotes: {notes}\n"),
        ),
    }
}

/// Goes on until everything is decided, after `stop`.
pub fn start(directory: Arc<Directory>, stop: Arc<AtomicBool>, seed: u64) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut random = Random(seed);
        let mut done = BTreeSet::new();
        loop {
            let stopping = stop.load(Ordering::Relaxed);
            let open = directory.undecided();
            if stopping && done.len() == directory.asked.lock().unwrap().len() {
                return;
            }
            for name in open {
                // Two thirds wait for another look.
                if random.below(3) > 0 || !done.insert(name.clone()) {
                    continue;
                }
                let (decision, _) = decision(&name);
                let draft = directory.root().join(format!(".by-hand-{name}"));
                fs::write(&draft, decision.to_string()).unwrap();
                let mut decided = directory.decided.lock().unwrap();
                fs::rename(
                    draft,
                    directory.root().join(format!("{name}.decision.json")),
                )
                .unwrap();
                decided.insert(name, decision);
            }
            thread::sleep(Duration::from_millis(3 + random.below(5)));
        }
    })
}
