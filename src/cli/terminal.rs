//! The person's terminal, while an agent has it: raw, resized along, and as it was afterwards.

use rustix::termios::{
    OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{JoinHandle, spawn};

/// Whether there is a person at both ends.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Raw until it is dropped.
struct Raw(Termios);

impl Raw {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// The person's terminal joined with the agent's.
pub struct Joined {
    agents: File,
    output: Option<JoinHandle<()>>,
    _raw: Raw,
}

impl Joined {
    /// Joins them.
    pub fn new(agents: OwnedFd) -> io::Result<Self> {
        let agents = File::from(agents);
        let (mut keys, mut screen) = (agents.try_clone()?, agents.try_clone()?);
        let joined = Self {
            agents,
            output: None,
            _raw: Raw::new()?,
        };
        joined.resize();
        // Nothing can interrupt a read of standard input; the thread ends with the program.
        spawn(move || copy(&mut io::stdin(), &mut keys));
        let output = spawn(move || copy(&mut screen, &mut io::stdout()));
        Ok(Self {
            output: Some(output),
            ..joined
        })
    }

    /// Gives the agent's terminal the size of the person's.
    pub fn resize(&self) {
        let _ = size().and_then(|size| Ok(tcsetwinsize(self.agents.as_fd(), size)?));
    }

    /// Waits until what the agent wrote is on the screen. Its end comes with the end of the last process inside.
    pub fn finish(mut self) {
        if let Some(output) = self.output.take() {
            let _ = output.join();
        }
    }
}

fn size() -> io::Result<Winsize> {
    Ok(tcgetwinsize(io::stdout())?)
}

/// Until either side ends.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if to
                    .write_all(&buffer[..count])
                    .and_then(|()| to.flush())
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}
