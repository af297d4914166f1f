//! The agent as a child: signals go in, zombies and the exit code come out.

use super::attempts::Ended;
use super::probe;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;
use std::env::var_os;
use std::io::{self, ErrorKind, IsTerminal, stdin};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Signals that are the agent's.
const PASSED_ON: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// The agent could not be run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No such program.
    #[error("{program}: {why}")]
    Start {
        /// First word of the command.
        program: String,
        /// What to do about it.
        why: &'static str,
        /// 127 when there is no such program, 126 when it can't be run.
        code: u8,
        /// What the kernel said.
        source: io::Error,
    },
    /// Our own part failed.
    #[error("could not watch over the agent")]
    Watch(#[source] io::Error),
}

/// Ends this program at once when it is asked to stop. As a container's first process it would otherwise not hear it.
#[derive(Debug)]
pub struct Unstarted(Arc<AtomicBool>);

impl Unstarted {
    /// From now on.
    pub fn new() -> io::Result<Self> {
        let waiting = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&waiting),
            )?;
        }
        Ok(Self(waiting))
    }
}

/// Runs the agent to its end.
pub fn run(command: &[String], home: &Path, unstarted: &Unstarted) -> Result<Ended, AgentError> {
    let mut signals =
        Signals::new(PASSED_ON.iter().chain(&[SIGCHLD])).map_err(AgentError::Watch)?;
    unstarted.0.store(false, Ordering::SeqCst);
    let start = Instant::now();
    let child = spawn(command, home)?;
    let mut terminated = false;
    for signal in signals.forever() {
        if signal == SIGCHLD {
            if let Some(code) = reap(child).map_err(AgentError::Watch)? {
                return Ok(Ended {
                    code,
                    terminated,
                    lasted: start.elapsed(),
                });
            }
        } else if let Ok(known) = Signal::try_from(signal) {
            terminated |= signal == SIGTERM;
            // It may have ended meanwhile; then SIGCHLD is on its way.
            let _ = kill(child, known);
        }
    }
    Err(AgentError::Watch(io::Error::other("no more signals")))
}

fn spawn(command: &[String], home: &Path) -> Result<Pid, AgentError> {
    let (program, arguments) = command.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
    // A group of its own, the terminal's foreground: else a key would reach the agent twice, once from us.
    let child = Command::new(program)
        .args(arguments)
        .env("HOME", home)
        .process_group(0)
        .spawn()
        .map_err(|source| start_error(program, source))?;
    let child = Pid::from_raw(child.id().cast_signed());
    if stdin().is_terminal() && tcgetpgrp(stdin()) == Ok(getpgrp()) {
        let _ = tcsetpgrp(stdin(), child);
        // In case that it has already asked for input, and was stopped for that.
        let _ = kill(child, Signal::SIGCONT);
    }
    Ok(child)
}

fn start_error(program: &str, source: io::Error) -> AgentError {
    let there = probe::exists(program, var_os("PATH").as_deref());
    let (why, code) = match source.kind() {
        ErrorKind::PermissionDenied if there => (
            "can't be executed by the agent's user: check its mode in the image",
            126,
        ),
        ErrorKind::NotFound | ErrorKind::PermissionDenied => (
            "no such program in the agent's image: install it or name another command",
            127,
        ),
        _ => ("can't be executed", 126),
    };
    let program = program.to_owned();
    AgentError::Start {
        program,
        why,
        code,
        source,
    }
}

/// Collects whoever has ended; the exit code when the agent is among them. Orphans of the agent become ours.
fn reap(agent: Pid) -> io::Result<Option<u8>> {
    loop {
        let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, code),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Ok(WaitStatus::StillAlive) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if pid == agent {
            return Ok(Some(u8::try_from(code).unwrap_or(u8::MAX)));
        }
    }
}
