//! SHELL: the `supervise` program's roles `mcp` and `report`.
//!
//! A request's way: [`server`] accepts, [`connections`] keeps room, [`http`] keeps the transport's rules, [`rpc`] and [`methods`] read it,
//! [`tools`] checks the question, [`call`] asks the [`store`] and waits for the [`view`], [`answer`] has the
//! words, [`tally`] counts. [`told`] is what the Bottle's status is told: by [`report`],
//! [`denials`] and [`remarks`].

pub mod answer;
pub mod call;
pub mod connections;
pub mod denials;
pub mod feed;
pub mod http;
pub mod mcp;
pub mod methods;
pub mod options;
mod registry;
pub mod remarks;
pub mod report;
pub mod rpc;
pub mod server;
pub mod store;
mod stream;
pub mod tally;
pub mod told;
pub mod tools;
pub mod view;

use call::Desk;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What every connection shares.
pub struct State<S> {
    /// Takes the calls.
    pub desk: Desk<S>,
    /// How long they may wait.
    pub waits: Waits,
    /// Set when the program ends: waiting calls are answered as pending.
    pub stopping: CancellationToken,
    /// Answers that are on their way, and notes of answers given.
    pub tasks: TaskTracker,
    /// What `seal` said last about the agent's settings.
    pub remarks: watch::Sender<Option<Vec<String>>>,
}

/// How long a call may wait before it is told to call again.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// A call that is answered with plain JSON.
    pub plain: Duration,
    /// A call over an event stream whose client can't be sent progress.
    pub stream: Duration,
    /// Between two signs of life.
    pub heartbeat: Duration,
}

impl Default for Waits {
    /// Below what agent programs wait: 60 s for headers, 180 s without progress. A beat comes at least every 10 s, so
    /// the timer leaves room for its own lateness.
    fn default() -> Self {
        Self {
            plain: Duration::from_secs(45),
            stream: Duration::from_secs(170),
            heartbeat: Duration::from_secs(9),
        }
    }
}

impl<S: store::Store> State<S> {
    /// A server's state at its start.
    pub fn new(desk: Desk<S>, waits: Waits) -> Self {
        Self {
            desk,
            waits,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            remarks: watch::Sender::new(None),
        }
    }
}
