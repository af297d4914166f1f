//! A user namespace with every uid in it, for a builder that wants one: its first user is root there and nobody outside.
//!
//! # Expected flow
//!
//! [`spawn`] starts this very program again as [`enter`], which makes the namespace and waits; its maps are written
//! from outside, as the kernel wants it; then the program that was asked for takes its place.

use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// All there is, as a step of a Dockerfile may become any user. In two lines: by one, runc and others take a namespace for
/// the machine's own, and would make control groups.
const MAP: &str = "0 0 1\n1 1 4294967294\n";
const READY: &[u8] = b"+";

/// Starts `words` in a namespace of their own.
pub(super) fn spawn(words: &[String], log: fs::File) -> io::Result<Child> {
    let mut child = Command::new("/proc/self/exe")
        .args(["namespace", "--"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let mut ready = [0; 1];
    if let Some(stdout) = &mut child.stdout {
        stdout.read_exact(&mut ready)?;
    }
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", child.id()), MAP)?;
    }
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(READY)?;
    }
    Ok(child)
}

/// The other side: returns only when it fails.
pub(super) fn enter(words: &[&str]) -> Result<(), Box<dyn Error>> {
    use nix::sched::{CloneFlags, unshare};
    let (program, arguments) = words.split_first().ok_or("no program to run")?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|error| format!("this node allows no user namespace: {error}"))?;
    io::stdout().write_all(READY)?;
    io::stdout().flush()?;
    io::stdin().read_exact(&mut [0; 1])?;
    let error = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .exec();
    Err(format!("{program} could not be run: {error}").into())
}
