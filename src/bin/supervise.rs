//! The sidecars of a bottle: one program, one role per container.

use bot_bottle::roles::{self, Role};
use clap::Parser;
use std::process::ExitCode;

/// Sidecar of a bottle; the role is the first argument.
#[derive(Parser)]
#[command(version)]
struct Program {
    #[command(subcommand)]
    role: Role,
}

fn main() -> ExitCode {
    let _failpoints = fail::FailScenario::setup();
    roles::main(Program::parse().role)
}
