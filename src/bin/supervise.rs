//! `supervise`: the sidecar program of a bottle; one role for each container.

use bot_bottle::{egress, prepare, supervise::role, telemetry};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "The sidecars of a bottle, one role each")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// The agent's way to ask: MCP over HTTP.
    Mcp(role::Mcp),
    /// Without MCP: only reports what the sidecars enforce.
    Report(role::Common),
    /// The way out: a forward proxy that keeps the allowlist.
    Egress(egress::Options),
    /// Before all others: lays the lock, resolves secrets, shares seal.
    Prepare(prepare::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let debug = matches!(&arguments.role, Role::Mcp(options) if options.debug);
    telemetry::start(if debug { "debug" } else { "info" });
    let result: Result<ExitCode, Box<dyn std::error::Error>> = match arguments.role {
        Role::Mcp(options) => role::mcp(options).await.map_err(Into::into),
        Role::Report(options) => role::report(options).await.map_err(Into::into),
        Role::Egress(options) => egress::main(options).await.map_err(Into::into),
        Role::Prepare(options) => Ok(prepare::main(&options)),
    };
    result.unwrap_or_else(|error| {
        tracing::error!(error = telemetry::chain(&*error), "The role ended");
        ExitCode::FAILURE
    })
}
