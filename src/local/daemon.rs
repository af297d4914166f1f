//! A keeper as a process of its own: `bottle local keep`.

use super::{Error, identity::Key, keeper, state::State};
use crate::{signals, telemetry::chain};
use std::{path::PathBuf, process::ExitCode};

/// `bottle local keep`.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The state directory.
    #[arg(long)]
    state: PathBuf,
    /// The project.
    #[arg(long)]
    project: String,
    /// The bottle.
    #[arg(long)]
    bottle: String,
}

/// Keeps a bottle as a process of its own, until SIGTERM or the Bottle's end.
pub async fn main(flags: Flags) -> ExitCode {
    // The credentials' proxy is in this process: nobody of the same uid shall read its memory.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    // Out of the terminal's session: closing it must not end the bottle.
    let _ = nix::unistd::setsid();
    let kept = async {
        let key = Key::new(&flags.project, &flags.bottle)?;
        let place = State::open(&flags.state)?.place(key);
        let options = keeper::Options {
            search: std::env::var_os("PATH"),
            ..keeper::Options::default()
        };
        keeper::keep(&place, options, signals::ended_or_killed()).await
    };
    match kept.await {
        // Another one was faster.
        Ok(()) | Err(Error::Kept(_)) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "The bottle can't be kept");
            ExitCode::FAILURE
        }
    }
}
