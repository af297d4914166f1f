//! SHELL: `bottle demo`: the whole road on one machine, with a real bottle of the best runtime that is there.
//!
//! A scripted agent ([`script`]) with a real HTTP client is refused a host, calls `pipelock-block` and waits; a person
//! sees the difference and decides; the change is applied and enforced; the call returns, and the host answers. A
//! second host stays closed, and so does the way around the proxy.

mod agent;
mod person;
mod screen;
pub mod script;
mod stage;
mod temporary;
mod web;

use crate::api::{Decision, Proposal};
use crate::config::allowlist::Allowlist;
use crate::local::admit::Verdict;
use crate::local::record::Runtime;
use person::Choice;
use screen::Screen;
use stage::Stage;
use std::io;
use std::process::ExitCode;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// The host that the agent needs.
const WANTED: &str = "docs.example.com";
/// A host that nobody opens.
const OTHER: &str = "paste.example.net";
/// What the bottle may reach at the start.
const DECLARED: &str = "packages.example.org\n";
/// What the agent says to the person.
const WHY: &str =
    "The task is to fix the build, and the error message links to the guide on docs.example.com.";

/// `bottle demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Approve without asking.
    #[arg(long)]
    pub yes: bool,
    /// Program that edits a file.
    #[arg(long, env = "EDITOR", default_value = "vi", hide_env_values = true)]
    pub editor: String,
    /// How the agent is run. Default: sandbox where it works, else process.
    #[arg(long)]
    pub runtime: Option<Runtime>,
}

/// Why the demo ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// Reading answers or writing the story.
    #[error("can't talk to the terminal")]
    Terminal(#[source] io::Error),
    /// Directories, files, processes.
    #[error("can't {operation}")]
    Stage {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The bottle.
    #[error(transparent)]
    Local(#[from] crate::local::Error),
    /// The bottle did not do its part.
    #[error("waited for {what} in vain; the agent's log ends with:\n{log}")]
    Bottle {
        /// What it waited for.
        what: &'static str,
        /// Its last lines.
        log: String,
    },
    /// The agent's side of a connection.
    #[error("the agent's request to {0} failed")]
    Request(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something answered in another way than the road says.
    #[error("expected {expected}, got: {got}")]
    Unexpected {
        /// What the road says.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// Nobody can answer.
    #[error("no answer came: run with --yes to go on without a person")]
    NoAnswer,
    /// SIGINT, SIGTERM or SIGHUP.
    #[error("interrupted")]
    Interrupted(u8),
}

/// Runs the demo, and cleans up whatever happens.
pub async fn main(options: Options) -> ExitCode {
    let mut screen = Screen::default();
    let ended = match Stage::new() {
        Err(error) => Err(error),
        Ok(mut stage) => {
            let ended = tokio::select! {
                ended = story(&options, &mut stage, &mut screen) => ended,
                interrupted = interrupted() => Err(interrupted),
            };
            stage.clean().await;
            ended
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted(code)) => {
            let _ = screen.line("\nInterrupted. Every process that was started has ended.");
            ExitCode::from(code)
        }
        Err(error) => {
            let _ = screen.line(&format!(
                "\nThe demo can't go on: {}",
                crate::telemetry::chain(&error)
            ));
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> Error {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
        // Without handlers the signals end the program by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Error::Interrupted(130),
        _ = terminate.recv() => Error::Interrupted(143),
        _ = hangup.recv() => Error::Interrupted(129),
    }
}

/// Our part; the agent tells its own on the same screen, from inside.
async fn story(options: &Options, stage: &mut Stage, screen: &mut Screen) -> Result<(), Error> {
    let (runtime, why_not) = stage::runtime(options.runtime);
    screen
        .opening(runtime, why_not.as_deref())
        .map_err(Error::Terminal)?;
    let web = web::start().await?;
    stage.start(runtime, web)?;
    let say = |screen: &mut Screen, text: &str| screen.line(text).map_err(Error::Terminal);

    let proposal = stage.pending().await?;
    let name = proposal.metadata.name.as_deref().unwrap_or_default();
    say(
        screen,
        &format!("\n3. A proposal waits for a person: {name}"),
    )?;
    screen.proposal(&proposal).map_err(Error::Terminal)?;
    let verdict = decide(options, screen, &proposal).await?;
    let began = Instant::now();
    stage.decide(&proposal, &verdict)?;
    stage.settled().await?;
    if verdict.decision == Decision::Approved {
        say(
            screen,
            "\n4. The change is applied, and egress enforces it.",
        )?;
        let passed = began.elapsed().as_millis();
        say(screen, &format!("   enforced after {passed} ms"))?;
    } else {
        say(screen, "\n4. Nothing is applied.")?;
    }
    stage.go_on()?;
    stage.ended().await?;
    screen.closing(runtime).map_err(Error::Terminal)
}

/// What the person makes of it.
async fn decide(
    options: &Options,
    screen: &mut Screen,
    proposal: &Proposal,
) -> Result<Verdict, Error> {
    let approved = |final_file| Verdict {
        decision: Decision::Approved,
        final_file,
        ..Verdict::default()
    };
    loop {
        let choice = if options.yes {
            screen
                .line("   [a]pprove, [e]dit, [r]eject? a   (--yes)")
                .map_err(Error::Terminal)?;
            Choice::Approve
        } else {
            person::ask(screen).await?
        };
        match choice {
            Choice::Approve => return Ok(approved(None)),
            Choice::Reject => {
                return Ok(Verdict {
                    decision: Decision::Rejected,
                    notes: Some("the reviewer of the demo said no".into()),
                    ..Verdict::default()
                });
            }
            Choice::Edit => {
                let proposed = &proposal.spec.proposed_file;
                let edited = person::edit(&options.editor, proposed).await?;
                if let Err(error) = Allowlist::parse_declared(&edited) {
                    screen
                        .line(&format!("   That can't be an allowlist: {error}"))
                        .map_err(Error::Terminal)?;
                    continue;
                }
                return Ok(approved((edited != *proposed).then_some(edited)));
            }
        }
    }
}
