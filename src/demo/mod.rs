//! SHELL: `bottle demo`: the whole road on one machine, with the real roles `mcp` and `egress` as processes.
//!
//! A scripted agent with a real HTTP client is refused a host, calls `pipelock-block` and waits; a person sees the
//! difference and decides; the change is applied and enforced; the call returns, and the host answers. A second host
//! stays closed. Nothing here isolates anything, and the demo says so.

mod agent;
mod person;
mod screen;
mod stage;
mod temporary;
mod web;

use crate::config::allowlist::{Allowlist, LineError};
use crate::config_directory;
use crate::supervise::store::queue::{DecisionFile, ProposalFile, QueueError, Word};
use agent::Agent;
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
    /// A role ended, or never served.
    #[error("the role {role} doesn't serve; its log ends with:\n{log}")]
    Role {
        /// Which.
        role: &'static str,
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
    /// The queue can't be read.
    #[error("can't read the queue")]
    Queue(#[from] QueueError),
    /// The config can't be watched.
    #[error("can't watch the state directory")]
    Watch(#[from] config_directory::Error),
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

async fn story(options: &Options, stage: &mut Stage, screen: &mut Screen) -> Result<(), Error> {
    screen.opening().map_err(Error::Terminal)?;
    let web = web::start().await?;
    stage.write_config(DECLARED)?;
    let ports = stage.start_roles(&[WANTED, OTHER], web).await?;
    let agent = Agent {
        supervise: ports.supervise,
        egress: ports.egress,
    };
    let say = |screen: &mut Screen, text: &str| screen.line(text).map_err(Error::Terminal);

    say(
        screen,
        "\n1. The agent needs a page, and egress refuses its host.",
    )?;
    let url = format!("http://{WANTED}/guide");
    let refusal = agent.get(&url).await?;
    screen.exchange(&url, &refusal).map_err(Error::Terminal)?;
    refusal.expect(403, "a refusal of a host that is not on the allowlist")?;

    say(
        screen,
        "\n2. It calls the tool that the refusal names, and waits.",
    )?;
    let tools = agent.connect().await?;
    say(screen, &format!("   supervise offers {}", tools.join(", ")))?;
    let proposed = format!("{DECLARED}{WANTED}\n");
    let began = Instant::now();
    let call = tokio::spawn(agent.propose(proposed, WHY));
    let proposal = stage.proposal().await?;

    say(
        screen,
        &format!("\n3. A proposal waits for a person: {}", proposal.name),
    )?;
    screen.proposal(&proposal).map_err(Error::Terminal)?;
    let (allowlist, decision) = decide(options, screen, &proposal).await?;

    if let Some(allowlist) = allowlist {
        say(
            screen,
            "\n4. The change is applied, and egress enforces it.",
        )?;
        let applied = Instant::now();
        stage.apply(&allowlist).await?;
        say(
            screen,
            &format!("   enforced after {} ms", applied.elapsed().as_millis()),
        )?;
    } else {
        say(screen, "\n4. Nothing is applied.")?;
    }
    stage.decide(&proposal.name, &decision)?;

    say(
        screen,
        &format!(
            "\n5. The agent's call returns, after {:.2} s:",
            began.elapsed().as_secs_f32()
        ),
    )?;
    let answer = call
        .await
        .map_err(|error| Error::Request("supervise".to_owned(), error.into()))??;
    screen.quote(&answer).map_err(Error::Terminal)?;
    let page = agent.get(&url).await?;
    screen.exchange(&url, &page).map_err(Error::Terminal)?;
    if decision.status == Word::Approved {
        page.expect(200, "the page, now that its host is open")?;
    }

    say(screen, "\n6. A second host stays closed.")?;
    let other = format!("http://{OTHER}/upload");
    let closed = agent.get(&other).await?;
    screen.exchange(&other, &closed).map_err(Error::Terminal)?;
    if decision.status != Word::Modified {
        closed.expect(403, "a refusal of the second host")?;
    }
    screen.closing().map_err(Error::Terminal)
}

/// The allowlist to apply, if any, and the decision to write.
async fn decide(
    options: &Options,
    screen: &mut Screen,
    proposal: &ProposalFile,
) -> Result<(Option<String>, DecisionFile), Error> {
    let decision = |status, notes: &str| DecisionFile {
        status,
        notes: notes.to_owned(),
        final_file: None,
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
            Choice::Approve => {
                return Ok((
                    Some(proposal.proposed_file.clone()),
                    decision(Word::Approved, ""),
                ));
            }
            Choice::Reject => {
                return Ok((
                    None,
                    decision(Word::Rejected, "the reviewer of the demo said no"),
                ));
            }
            Choice::Edit => {
                let edited = person::edit(&options.editor, &proposal.proposed_file).await?;
                if let Err(error) = check(&edited) {
                    screen
                        .line(&format!("   That can't be an allowlist: {error}"))
                        .map_err(Error::Terminal)?;
                    continue;
                }
                if edited == proposal.proposed_file {
                    return Ok((Some(edited), decision(Word::Approved, "")));
                }
                let final_file = Some(edited.clone());
                return Ok((
                    Some(edited),
                    DecisionFile {
                        final_file,
                        ..decision(Word::Modified, "")
                    },
                ));
            }
        }
    }
}

fn check(edited: &str) -> Result<(), LineError> {
    Allowlist::parse_declared(edited).map(|_| ())
}
