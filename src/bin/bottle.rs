//! The command line: what a person runs on their own machine.

use bot_bottle::cli::{self, Verb, Where};
use bot_bottle::local::{self, sandbox::inside};
use bot_bottle::roles::{self, Role};
use bot_bottle::{demo, render, telemetry};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Coding agents sealed in pods: every hole in the seal is reviewed, recorded and revocable.
///
/// Exit codes: 0 done; 1 it failed; 2 wrong usage; 3 no such object; 4 refused by a rule. run and exec: the program's.
#[derive(Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Verb(Verb),
    /// The whole road on this machine: refused, proposed, decided, enforced.
    Demo(demo::Options),
    /// The settings files that a bottle's agent would get; secrets stay placeholders.
    Render(render::Options),
}

/// What this program starts itself as; a parser of its own, since roles have flags of the same names.
#[derive(Parser)]
enum Own {
    /// A sidecar's role, for runtimes that have one program only.
    Role {
        #[command(subcommand)]
        role: Role,
    },
    /// Parts of a bottle of this machine.
    Local {
        #[command(subcommand)]
        part: Part,
    },
}

#[derive(Subcommand)]
enum Part {
    /// Keeps one bottle.
    Keep(local::daemon::Flags),
    /// The first process inside.
    Inside(inside::Options),
    /// The scripted agent of the demo.
    DemoAgent,
}

fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(Program::command).complete();
    let first = std::env::args().nth(1).unwrap_or_default();
    if ["role", "local"].contains(&first.as_str()) {
        return own(Own::parse());
    }
    let Program { place, command } = Program::parse();
    telemetry::start("warn");
    match command {
        Command::Verb(verb) => block_on(cli::main(&place, verb)),
        Command::Demo(options) => block_on(demo::main(options)),
        Command::Render(options) => render::main(&options),
    }
}

fn own(own: Own) -> ExitCode {
    match own {
        Own::Role { role } => {
            roles::end_with_parent();
            roles::main(role)
        }
        Own::Local {
            part: Part::Keep(flags),
        } => {
            local::close_inherited();
            telemetry::start_bounded("info");
            block_on(local::daemon::main(flags))
        }
        // No runtime: the first process inside has one thread.
        Own::Local {
            part: Part::Inside(options),
        } => {
            local::close_inherited();
            inside::main(&options)
        }
        Own::Local {
            part: Part::DemoAgent,
        } => block_on(demo::script::main()),
    }
}

/// One thread: what is started here ends with it, and bubblewrap ties the agent's life to the thread that started it.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(work);
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            tracing::error!(error = telemetry::chain(&error), "Can't run");
            ExitCode::FAILURE
        }
    }
}
