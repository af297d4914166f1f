//! The queue directory as a stranger sees it, and what was promised about it.

use super::PATIENCE;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// What an agent asks.
#[derive(Clone, Debug)]
pub struct Question {
    pub file: String,
    pub justification: String,
}

pub struct Directory {
    place: tempfile::TempDir,
    address: SocketAddr,
    /// Every question that was ever sent, by the name of its proposal.
    pub asked: Mutex<BTreeMap<String, Question>>,
    /// Every decision that was ever written whole.
    pub decided: Mutex<BTreeMap<String, Value>>,
    /// Every proposal that was ever there.
    seen: Mutex<BTreeSet<String>>,
    /// Files of the archive that were read already.
    known: Mutex<BTreeMap<PathBuf, Value>>,
}

/// Files by the name of their proposal.
#[derive(Default)]
struct Files {
    proposals: BTreeMap<String, Value>,
    decisions: BTreeMap<String, Value>,
    drafts: usize,
}

impl Directory {
    pub fn new() -> Self {
        // A loopback address of our own: a port that is free between two lives stays free.
        let [.., high, low] = std::process::id().to_be_bytes();
        let ip = Ipv4Addr::new(127, 77, high, low);
        let port = TcpListener::bind((ip, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("queue/archive")).unwrap();
        Self {
            place,
            address: (ip, port).into(),
            asked: Mutex::default(),
            decided: Mutex::default(),
            seen: Mutex::default(),
            known: Mutex::default(),
        }
    }

    pub fn root(&self) -> PathBuf {
        self.place.path().join("queue")
    }

    /// A config directory that isn't there: nothing is in force.
    pub fn absent(&self) -> PathBuf {
        self.place.path().join("absent")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the files of a proposal are.
    pub fn places(&self, name: &str) -> Vec<String> {
        let places = ["", "archive/"]
            .map(|place| [".json", ".decision.json"].map(|end| format!("{place}{name}{end}")));
        let files = places.into_iter().flatten();
        files
            .filter(|file| self.root().join(file).exists())
            .collect()
    }

    /// Open proposals without a decision.
    pub fn undecided(&self) -> Vec<String> {
        let names = |end: &str| -> BTreeSet<String> {
            let entries = fs::read_dir(self.root()).unwrap().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            names
                .filter_map(|name| name.strip_suffix(end).map(str::to_owned))
                .collect()
        };
        let decided = names(".decision.json");
        let all = names(".json");
        let open = all
            .into_iter()
            .filter(|name| !name.ends_with(".decision") && !name.starts_with('.'));
        open.filter(|name| !decided.contains(name)).collect()
    }

    /// While no program runs: agents may have sent more, and the decider may write, but nothing is moved.
    pub fn check(&self) {
        let decided = self.decided.lock().unwrap().clone();
        let open = read(&self.root(), None);
        let mut known = self.known.lock().unwrap();
        let archived = read(&self.root().join("archive"), Some(&mut known));
        assert_eq!(archived.drafts, 0);
        let mut seen = self.seen.lock().unwrap();
        seen.extend(
            open.proposals
                .keys()
                .chain(archived.proposals.keys())
                .cloned(),
        );
        let asked = self.asked.lock().unwrap();
        for name in seen.iter() {
            let question = asked
                .get(name)
                .unwrap_or_else(|| panic!("{name} was never asked"));
            let found = match (open.proposals.get(name), archived.proposals.get(name)) {
                (Some(_), Some(_)) => panic!("{name} is there twice"),
                (None, None) => panic!("{name} is lost"),
                (Some(found), None) | (None, Some(found)) => found,
            };
            assert_eq!(found["name"], **name);
            assert_eq!(found["proposedFile"], *question.file, "{name}");
            assert_eq!(found["justification"], *question.justification, "{name}");
        }
        for (name, decision) in &decided {
            let found = match (open.decisions.get(name), archived.decisions.get(name)) {
                (Some(_), Some(_)) => panic!("the decision on {name} is there twice"),
                (None, None) => panic!("the decision on {name} is lost"),
                (Some(found), None) => found,
                (None, Some(found)) => {
                    assert!(
                        archived.proposals.contains_key(name),
                        "{name} looks undecided"
                    );
                    found
                }
            };
            assert_eq!(found, decision, "{name}");
        }
    }

    /// In the end nothing waits, and all that is left is in the archive.
    pub fn everything_is_answered_and_archived(&self) {
        let began = Instant::now();
        loop {
            let open = read(&self.root(), None);
            if open.proposals.is_empty() && open.decisions.is_empty() {
                assert_eq!(open.drafts, 0, "drafts of the dead are left");
                break;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "open: {:?}",
                open.proposals.keys()
            );
            thread::sleep(Duration::from_millis(5));
        }
        // All of it once more.
        self.known.lock().unwrap().clear();
        let archived = read(&self.root().join("archive"), None);
        assert_eq!(archived.proposals.len(), self.asked.lock().unwrap().len());
        assert_eq!(archived.decisions.len(), archived.proposals.len());
    }
}

/// Every file, whole or not at all; those that are known only have to be there.
fn read(directory: &Path, mut known: Option<&mut BTreeMap<PathBuf, Value>>) -> Files {
    let mut files = Files::default();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "archive" || name.starts_with(".by-hand") {
            continue;
        }
        if name.starts_with('.') && path.extension().is_some_and(|end| end == "draft") {
            files.drafts += 1;
            continue;
        }
        let before = known.as_ref().and_then(|known| known.get(&path).cloned());
        let value = match before {
            Some(value) => value,
            None => match fs::read(&path) {
                Ok(bytes) => serde_json::from_slice(&bytes)
                    .unwrap_or_else(|error| panic!("{name} is half-written: {error}")),
                // A running program may have moved it since.
                Err(_) => continue,
            },
        };
        if let Some(known) = &mut known {
            known.insert(path.clone(), value.clone());
        }
        match (
            name.strip_suffix(".decision.json"),
            name.strip_suffix(".json"),
        ) {
            (Some(name), _) => drop(files.decisions.insert(name.to_owned(), value)),
            (None, Some(name)) => drop(files.proposals.insert(name.to_owned(), value)),
            (None, None) => panic!("what is {name}?"),
        }
    }
    files
}
