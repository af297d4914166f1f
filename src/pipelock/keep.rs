//! The first process of pipelock's container: runs the program, and starts it anew when that is asked for.
//!
//! A start of the whole container would do too, but the kubelet waits longer before each one.

use super::deliver::number;
use super::file;
use crate::config_directory::{self, replace, watcher::Changes};
use crate::names::path;
use crate::signals;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitCode, ExitStatus};
use thiserror::Error;
use tokio::process::{Child, Command};

/// `supervise keep`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The volume that supervise shares.
    #[arg(long, default_value = path::PIPELOCK)]
    pub directory: PathBuf,
    /// The program and its arguments; `--config FILE` is added.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Why it ends by itself.
#[derive(Debug, Error)]
pub enum Error {
    /// The shared volume can't be used.
    #[error("the volume shared with supervise can't be used")]
    Volume(#[from] config_directory::Error),
    /// Signals can't be received.
    #[error("can't receive signals")]
    Signals(#[source] io::Error),
    /// The program can't be run.
    #[error("can't run {program}")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// What happened first.
enum Event {
    Changed,
    Ended(io::Result<ExitStatus>),
    Stop(u8),
}

/// Waits for a config, then runs the program until it ends, or until SIGTERM (exit code 143) or SIGINT (130).
pub async fn main(options: Options) -> Result<ExitCode, Error> {
    let mut stopped = pin!(signals::ended().map_err(Error::Signals)?);
    let mut changes = Changes::of(&options.directory)?;
    let mut running: Option<Child> = None;
    let mut made = 0;
    loop {
        let wanted = number(&options.directory, file::WANTED);
        let has_config = options.directory.join(file::CONFIG).exists();
        if has_config && (running.is_none() || wanted > made) {
            if let Some(mut old) = running.take() {
                // Killed and not asked: it would let the open tunnels end first, and they are what has to go.
                let _ = old.kill().await;
            }
            running = Some(start(&options)?);
            made = wanted;
            replace(&options.directory, file::MADE, &made.to_string())?;
            tracing::info!(starts = made, "Started");
        }
        let event = tokio::select! {
            () = changes.next() => Event::Changed,
            status = ended(&mut running) => Event::Ended(status),
            code = &mut stopped => Event::Stop(code),
        };
        match event {
            Event::Changed => {}
            Event::Stop(code) => {
                if let Some(mut child) = running {
                    let _ = child.kill().await;
                }
                return Ok(ExitCode::from(code));
            }
            Event::Ended(status) => {
                let code = status.ok().and_then(|status| status.code());
                tracing::error!(code, "The program has ended by itself");
                return Ok(ExitCode::FAILURE);
            }
        }
    }
}

fn start(options: &Options) -> Result<Child, Error> {
    // The flag is required, so there is a first word.
    let (program, arguments) = options.command.split_first().ok_or_else(|| Error::Run {
        program: String::new(),
        source: io::ErrorKind::NotFound.into(),
    })?;
    Command::new(program)
        .args(arguments)
        .arg("--config")
        .arg(options.directory.join(file::CONFIG))
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Run {
            program: program.clone(),
            source,
        })
}

async fn ended(running: &mut Option<Child>) -> io::Result<ExitStatus> {
    match running {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}
