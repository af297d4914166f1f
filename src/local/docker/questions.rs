//! Serves the bottle's objects to the `supervise` in its container, by a socket that only that container has.
//!
//! What is asked there is asked by a sidecar: it may add undecided proposals of this bottle, count questions and
//! answers, and report. Every document is checked before anything is made of it.

use super::socket;
use crate::{
    local::{Error, place::Place, store::LocalStore},
    supervise::{
        report::BottleStatus as _,
        store::{
            Proposal, Put, Standing, Store as _, StoreError,
            socket::{MAX_DOCUMENT, Reply, Request, Words},
        },
        tools::{MAX_FILE, MAX_JUSTIFICATION, Question, Tool},
        view::Meaning,
    },
    telemetry::chain,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

/// Exchanges at a time; the sidecar's own calls wait for each other on the state's lock anyway.
const AT_A_TIME: usize = 32;
/// How long one may take to be read.
const PATIENCE: Duration = Duration::from_secs(15);
/// Hexadecimal digits at the end of a proposal's name.
const DIGITS: usize = 12;

/// Binds the socket, over one that an earlier keeper left.
pub(super) fn bind(place: &Place) -> Result<UnixListener, Error> {
    socket::bind(&place.path("run/store"), "socket")
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: UnixListener, place: Place, bottle_uid: String) {
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    let bottle = place.key().name.clone();
    let store = LocalStore::new(place, bottle_uid);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "Can't accept a question");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (store, bottle) = (store.clone(), bottle.clone());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = exchange(stream, &store, &bottle).await {
                tracing::debug!(%error, "A question was not answered");
            }
        });
    }
}

async fn exchange(mut stream: UnixStream, store: &LocalStore, bottle: &str) -> io::Result<()> {
    let mut text = Vec::new();
    let (reader, mut writer) = stream.split();
    tokio::time::timeout(PATIENCE, reader.take(MAX_DOCUMENT).read_to_end(&mut text)).await??;
    let reply = match serde_json::from_slice(&text) {
        Ok(request) => answer(store, bottle, request).await,
        Err(error) => Reply::Failed(error.to_string()),
    };
    writer.write_all(&serde_json::to_vec(&reply)?).await?;
    writer.shutdown().await
}

async fn answer(store: &LocalStore, bottle: &str, request: Request) -> Reply {
    let reply = match request {
        Request::Put { proposal, create } => match checked(proposal, bottle) {
            Ok(proposal) => store.put(&proposal, create).await.map(put),
            Err(reason) => return Reply::Failed(reason),
        },
        Request::AskAgain {
            proposal,
            answered,
            version,
        } => match checked(proposal, bottle) {
            Ok(proposal) => {
                let standing = Standing {
                    asked: answered,
                    answered,
                    ended: false,
                    base_changed: false,
                    uid: String::new(),
                    version,
                    decision: None,
                };
                store
                    .ask_again(&proposal, &standing)
                    .await
                    .map(Reply::Asked)
            }
            Err(reason) => return Reply::Failed(reason),
        },
        Request::Answered { name, asked } if is_name(&name, bottle) => {
            store.answered(&name, asked).await.map(|()| Reply::Done)
        }
        Request::Answered { .. } => return Reply::Failed(FOREIGN.into()),
        Request::Merge(fields) => store.merge(&fields).await.map(|()| Reply::Done),
    };
    reply.unwrap_or_else(|error: StoreError| Reply::Failed(chain(&error)))
}

const FOREIGN: &str = "that is no name of this bottle's proposals";

/// `<bottle>-<12 hex>`: a name becomes a file's.
fn is_name(name: &str, bottle: &str) -> bool {
    let rest = name
        .strip_prefix(bottle)
        .and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| {
        rest.len() == DIGITS && rest.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    })
}

fn checked(words: Words, bottle: &str) -> Result<Proposal, String> {
    if !is_name(&words.name, bottle) {
        return Err(FOREIGN.into());
    }
    let tool = Tool::ALL
        .into_iter()
        .find(|tool| tool.name() == words.tool)
        .ok_or("there is no such tool")?;
    if words.file.len() > MAX_FILE || words.justification.len() > MAX_JUSTIFICATION {
        return Err("the proposal is too large".into());
    }
    Ok(Proposal {
        name: words.name,
        base: words.base,
        question: Question {
            tool,
            // What it means is worked out anew by the plan; the store keeps its words.
            meaning: Meaning::of_dockerfile(&words.file),
            file: words.file,
            justification: words.justification,
        },
    })
}

fn put(put: Put) -> Reply {
    match put {
        Put::New(uid) => Reply::New(uid),
        Put::Absent => Reply::Absent,
        Put::Exists(standing) => Reply::Exists {
            asked: standing.asked,
            answered: standing.answered,
            ended: standing.ended,
            base_changed: standing.base_changed,
            uid: standing.uid,
            version: standing.version,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{identity::Key, state::State};
    use serde_json::json;

    async fn ask(store: &LocalStore, request: serde_json::Value) -> serde_json::Value {
        let reply = match serde_json::from_value(request) {
            Ok(request) => answer(store, "demo", request).await,
            Err(error) => Reply::Failed(error.to_string()),
        };
        serde_json::to_value(reply).unwrap()
    }

    #[tokio::test]
    async fn a_sidecar_adds_undecided_proposals_of_its_own_bottle_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let place = State::open(state.path())
            .unwrap()
            .place(Key::new("p", "demo").unwrap());
        let store = LocalStore::new(place.clone(), "uid".into());
        let put = |name: &str| {
            json!({"put": {"create": true, "proposal": {"name": name, "tool": "pipelock-block", "file": "a.example.com\n",
                   "justification": "why", "base": ""}}})
        };
        for name in [
            "other-0123456789ab",
            "demo-../../x",
            "demo-0123456789AB",
            "demo-0123456789ab/x",
            "demo",
        ] {
            let reply = ask(&store, put(name)).await;
            assert!(reply.get("failed").is_some(), "{name}: {reply}");
        }
        assert!(place.proposals().unwrap().is_empty());
        let reply = ask(&store, put("demo-0123456789ab")).await;
        assert!(reply.get("new").is_some(), "{reply}");
        let made = &place.proposals().unwrap()[0];
        assert_eq!(made.spec.decision, crate::api::Decision::Pending);
        let mut decided = put("demo-0123456789ac");
        decided["put"]["proposal"]["decision"] = "Approved".into();
        assert!(ask(&store, decided).await.get("failed").is_some());
        let again = ask(&store, put("demo-0123456789ab")).await;
        assert_eq!(again["exists"]["answered"], 0, "{again}");
    }
}
