//! What the demo puts up and takes down: a state directory with one bottle in it, kept by this same process.

use super::temporary::Temporary;
use super::{DECLARED, Error, OTHER, WANTED};
use crate::api::{Agent, AgentKind, Bottle, BottleSpec, Egress, Proposal, ProposalPhase};
use crate::local::admit::Verdict;
use crate::local::honour::NotHonoured;
use crate::local::identity::Key;
use crate::local::keeper;
use crate::local::place::Place;
use crate::local::record::{Record, Runtime};
use crate::local::runner::Attach;
use crate::local::sandbox::{Bubblewrap, layout};
use crate::local::state::State;
use crate::telemetry::chain;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a step may take that waits for no person.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at the bottle's directory.
const PAUSE: Duration = Duration::from_millis(5);
/// How much of the bottle's log is shown when it fails.
const LOG_LINES: usize = 8;

/// The file that lets the agent go on, in its workspace: its lines and ours shall stand in their order.
pub const GO: &str = "go-on";

/// The environment by which the agent finds its way, whatever the runtime.
pub const SUPERVISE_URL: &str = "DEMO_SUPERVISE_URL";
/// As [`SUPERVISE_URL`]: where the web's stand-in really is.
pub const WEB: &str = "DEMO_WEB";

/// One bottle; gone after [`Stage::clean`].
pub struct Stage {
    place: Place,
    kept: Option<JoinHandle<Result<(), crate::local::Error>>>,
    stop: Option<oneshot::Sender<()>>,
    _root: Temporary,
}

/// The best runtime that is there, and why it is not the best one.
pub fn runtime(wanted: Option<Runtime>) -> (Runtime, Option<String>) {
    if let Some(runtime) = wanted {
        return (runtime, None);
    }
    match Bubblewrap::find(std::env::var_os("PATH").as_deref()) {
        Ok(_) => (Runtime::Sandbox, None),
        Err(error) => (Runtime::Process, Some(chain(&error))),
    }
}

impl Stage {
    /// An empty state directory below the system's place for temporary files, for this user only.
    pub fn new() -> Result<Self, Error> {
        let failed = |source| Error::Stage {
            operation: "make a temporary directory",
            source,
        };
        let root = Temporary::directory().map_err(failed)?;
        let key = Key::new("demo", "demo").map_err(crate::local::Error::from)?;
        let place = State::open(&root.0)?.place(key);
        Ok(Self {
            place,
            kept: None,
            stop: None,
            _root: root,
        })
    }

    /// Makes the bottle and has it run.
    pub fn start(&mut self, runtime: Runtime, web: SocketAddr) -> Result<(), Error> {
        let program = match runtime {
            Runtime::Sandbox => layout::PROGRAM.to_owned(),
            Runtime::Docker => {
                let hint = "its agent is this program, which is in no image; try `bottle run --runtime docker`";
                let refused = NotHonoured::new("the demo", runtime, hint);
                return Err(crate::local::Error::from(refused).into());
            }
            Runtime::Process => std::env::current_exe()
                .map_err(|source| Error::Stage {
                    operation: "find our own program",
                    source,
                })?
                .display()
                .to_string(),
        };
        let record = Record {
            runtime,
            // The stand-ins of the web are on this machine.
            resolve: [WANTED, OTHER].map(|host| format!("{host}={web}")).to_vec(),
            ..Record::default()
        };
        let locked = self.place.lock()?;
        locked.put_record(&record)?;
        locked.put_bottle(bottle(program, web))?;
        drop(locked);
        let (stop, stopped) = oneshot::channel();
        let options = keeper::Options {
            attach: Attach::Output,
            search: std::env::var_os("PATH"),
            once: true,
            ..keeper::Options::default()
        };
        let place = self.place.clone();
        self.kept = Some(tokio::spawn(async move {
            keeper::keep(&place, options, stopped).await
        }));
        self.stop = Some(stop);
        Ok(())
    }

    /// The first proposal that a person can decide about.
    pub async fn pending(&mut self) -> Result<Proposal, Error> {
        self.wait_for("a proposal", |phase| phase == Some(ProposalPhase::Pending))
            .await
    }

    /// The decided proposal, once it is in force or refused.
    pub async fn settled(&mut self) -> Result<Proposal, Error> {
        self.wait_for("the change in force", |phase| {
            !matches!(
                phase,
                None | Some(ProposalPhase::Pending | ProposalPhase::Applying)
            )
        })
        .await
    }

    async fn wait_for(
        &mut self,
        what: &'static str,
        wanted: impl Fn(Option<ProposalPhase>) -> bool,
    ) -> Result<Proposal, Error> {
        let place = self.place.clone();
        let look = async {
            loop {
                let found = place.proposals()?.into_iter().next();
                if let Some(proposal) = found
                    && wanted(proposal.status.as_ref().and_then(|status| status.phase))
                {
                    return Ok(proposal);
                }
                if self.kept.as_ref().is_none_or(JoinHandle::is_finished) {
                    return Err(self.failure(what).await);
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(found) => found,
            Err(_) => Err(Error::Bottle {
                what,
                log: self.log(),
            }),
        }
    }

    /// Why the bottle ended too early.
    async fn failure(&mut self, what: &'static str) -> Error {
        match self.kept.take() {
            Some(kept) => match kept.await {
                Ok(Err(error)) => Error::Local(error),
                _ => Error::Bottle {
                    what,
                    log: self.log(),
                },
            },
            None => Error::Bottle {
                what,
                log: self.log(),
            },
        }
    }

    /// Writes the decision, as `bottle approve` does.
    pub fn decide(&self, proposal: &Proposal, verdict: &Verdict) -> Result<(), Error> {
        self.place
            .decide(proposal, verdict, &crate::cli::places::user())?;
        Ok(())
    }

    /// Lets the agent tell the rest.
    pub fn go_on(&self) -> Result<(), Error> {
        let path = self.place.path("workspace").join(GO);
        fs::write(path, "").map_err(|source| Error::Stage {
            operation: "let the agent go on",
            source,
        })
    }

    /// Waits for the agent's end.
    pub async fn ended(&mut self) -> Result<(), Error> {
        let Some(kept) = self.kept.take() else {
            return Ok(());
        };
        match tokio::time::timeout(PATIENCE, kept).await {
            Ok(Ok(result)) => result?,
            _ => {
                return Err(Error::Bottle {
                    what: "the agent's end",
                    log: self.log(),
                });
            }
        }
        let word = fs::read_to_string(self.place.path("run/last-word")).unwrap_or_default();
        if word.trim().is_empty() {
            return Ok(());
        }
        Err(Error::Bottle {
            what: "the agent to tell its whole story",
            log: self.log(),
        })
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.place.path("log/agent")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Ends the processes, then removes the directory.
    pub async fn clean(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(kept) = self.kept.take() {
            let _ = tokio::time::timeout(PATIENCE, kept).await;
        }
    }
}

fn bottle(program: String, web: SocketAddr) -> Bottle {
    let env = [
        (SUPERVISE_URL, crate::names::mcp::URL.to_owned()),
        (WEB, web.to_string()),
    ];
    let spec = BottleSpec {
        agent: Agent {
            kind: Some(AgentKind::Custom),
            command: vec![program, "local".into(), "demo-agent".into()],
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            max_restarts: Some(0),
            ..Agent::default()
        },
        allowlist: DECLARED.lines().map(str::to_owned).collect(),
        egress: Egress {
            allow_internal: vec!["127.0.0.0/8".into()],
            ..Egress::default()
        },
        ..BottleSpec::default()
    };
    Bottle::new("demo", spec)
}
