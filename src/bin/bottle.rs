//! The command line: what a person runs on their own machine.

use bot_bottle::roles::{self, Role};
use bot_bottle::{demo, render, telemetry};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Coding agents sealed in pods: every hole in the seal is reviewed, recorded and revocable.
#[derive(Parser)]
#[command(version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole road on this machine: refused, proposed, decided, enforced. Isolates nothing.
    Demo(demo::Options),
    /// The settings files that a bottle's agent would get; secrets stay placeholders.
    Render(render::Options),
    /// A sidecar's role, for runtimes that have one program only.
    #[command(hide = true)]
    Role {
        #[command(subcommand)]
        role: Role,
    },
}

fn main() -> ExitCode {
    match Program::parse().command {
        Command::Demo(options) => {
            telemetry::start("warn");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => {
                    let ended = runtime.block_on(demo::main(options));
                    runtime.shutdown_background();
                    ended
                }
                Err(error) => {
                    tracing::error!(error = telemetry::chain(&error), "Can't run");
                    ExitCode::FAILURE
                }
            }
        }
        Command::Render(options) => {
            telemetry::start("warn");
            render::main(&options)
        }
        Command::Role { role } => {
            roles::end_with_parent();
            roles::main(role)
        }
    }
}
