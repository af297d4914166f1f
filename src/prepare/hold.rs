//! Staying, so that the network namespace with the lock in it stays: for runtimes without pods.

use crate::signals;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The line that says that the lock stands.
pub const HELD: &str = "held";

/// Gives the capability up and waits for the end. What stays is a process that can do nothing.
pub(super) async fn hold() -> ExitCode {
    let ended = match signals::ended() {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "Can't receive signals");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = give_up() {
        tracing::error!(%error, "Can't give up the capabilities: no agent will start");
        return ExitCode::FAILURE;
    }
    let mut output = io::stdout();
    if let Err(error) = writeln!(output, "{HELD}").and_then(|()| output.flush()) {
        tracing::error!(%error, "Can't say that the lock stands");
        return ExitCode::FAILURE;
    }
    ExitCode::from(ended.await)
}

/// This runs on the program's only thread, which the runtime of [`crate::roles`] is.
fn give_up() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    let left = capabilities(None)?;
    if left == none {
        Ok(())
    } else {
        Err(io::Error::other("some are left"))
    }
}
