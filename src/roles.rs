//! The sidecars' roles as subcommands, one list for every program that runs them.

use crate::local::docker;
use crate::supervise::{mcp, options};
use crate::{cred_proxy, egress, pipelock, prepare, pull, push, telemetry};
use std::process::ExitCode;

/// One role per container.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Role {
    /// MCP server: the tools with which an agent asks.
    Mcp(options::Options),
    /// Without MCP server: only reports to the Bottle which config is enforced.
    Report(options::Sidecar),
    /// Forward proxy that keeps the allowlist.
    Egress(egress::Options),
    /// Reverse proxy that injects credentials.
    CredProxy(cred_proxy::Options),
    /// First process of pipelock's container: runs it, and starts it anew when that is asked for.
    Keep(pipelock::keep::Options),
    /// Before all others: lays the lock, resolves secrets, shares seal.
    Prepare(prepare::Options),
    /// Of a build's pod: lays its lock, shares seal.
    BuildLock(prepare::build::Options),
    /// Of a build on one machine: has a network without any way out, and hands a listening socket of it over.
    BuildHold(docker::hold::Options),
    /// Of a pod that tries an image: shares seal.
    Share(prepare::build::Options),
    /// Of a build's pod: pulls an image that it is built on, before anything of the Dockerfile runs.
    Pull(pull::Options),
    /// Of a build's pod: pushes the image, after the build has ended.
    Push(push::Options),
}

/// Runs a role to its end; prints an error with its causes.
pub fn main(role: Role) -> ExitCode {
    telemetry::start_bounded(role.log_filter());
    // The ring provider is the only one that is linked; a second call (another role in a test) changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(role.run());
    // A name that is being looked up, or a file that is being written, holds nobody up.
    runtime.shutdown_background();
    ended
}

/// Has the kernel end this process (SIGTERM) when the one that started it is gone, however that ended.
pub fn end_with_parent() {
    #[cfg(target_os = "linux")]
    {
        // Without it the parent still ends us itself, unless it is killed.
        let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::SIGTERM);
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!(error = telemetry::chain(error), "Can't run");
    ExitCode::FAILURE
}

impl Role {
    fn log_filter(&self) -> &'static str {
        match self {
            Self::Mcp(options) if options.debug => "bot_bottle=debug,info",
            _ => "info",
        }
    }

    async fn run(self) -> ExitCode {
        match self {
            Self::Mcp(options) => mcp::main(options)
                .await
                .unwrap_or_else(|error| failed(&error)),
            Self::Report(options) => mcp::report(options)
                .await
                .unwrap_or_else(|error| failed(&error)),
            Self::Egress(options) => egress::main(options)
                .await
                .unwrap_or_else(|error| failed(&error)),
            Self::CredProxy(options) => cred_proxy::main(options)
                .await
                .unwrap_or_else(|error| failed(&error)),
            Self::Keep(options) => pipelock::keep::main(options)
                .await
                .unwrap_or_else(|error| failed(&error)),
            Self::Prepare(options) => prepare::role(&options).await,
            Self::BuildLock(options) => prepare::build::lock(&options),
            Self::BuildHold(options) => docker::hold::main(&options),
            Self::Share(options) => prepare::build::share(&options),
            Self::Pull(options) => pull::main(options).await,
            Self::Push(options) => push::main(options).await,
        }
    }
}
