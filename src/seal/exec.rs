//! The agent program's own command for entering MCP servers, run as the agent's user.

use crate::config::remarks::{Remark, Word};
use crate::config::seal::Exec;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// All commands together; the agent doesn't wait for longer. On a busy machine a program takes ten seconds to start.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Runs every command; what failed, with the command to run by hand.
pub fn run(commands: &[Exec], home: &Path) -> Vec<Remark> {
    let until = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    for command in commands {
        let Err(why) = enter(command, home, until) else {
            continue;
        };
        let text = format!(
            "an MCP server could not be entered ({why}); by hand: {}",
            command.add.join(" ")
        );
        said.push(Remark::new(Word::NotEntered, text));
    }
    said
}

/// Enters a server. Most programs replace an entry of that name, some refuse: only then is it removed first, because
/// each command is a start of the whole program.
fn enter(command: &Exec, home: &Path, until: Instant) -> Result<(), String> {
    if matches!(one(&command.add, home, until), Ok(status) if status.success()) {
        return Ok(());
    }
    if !command.remove.is_empty() {
        // What failed may have had another reason.
        let _ = one(&command.remove, home, until);
    }
    match one(&command.add, home, until)? {
        status if status.success() => Ok(()),
        status => Err(status.to_string()),
    }
}

fn one(command: &[String], home: &Path, until: Instant) -> Result<ExitStatus, String> {
    let (program, arguments) = command.split_first().ok_or("an empty command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < until => sleep(PAUSE),
            other => {
                let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
                let _ = child.wait();
                return Err(match other {
                    Err(error) => error.to_string(),
                    Ok(_) => format!("no answer within {} s", PATIENCE.as_secs()),
                });
            }
        }
    }
}
