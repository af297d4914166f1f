//! A repository into the empty workspace, before the agent's first start, by the image's own git and as the agent.
//!
//! Nothing of the repository, the image or HOME is run for it: no hook, no template, no filter, no helper for
//! credentials. Those are cred-proxy's, so that no message can hold one.

use super::home::Home;
use super::report::{one_line, say};
use crate::config::seal::Repository;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// Our file below HOME that says how far it came.
const MARKER: &str = "clone";
const BEGUN: &[u8] = b"begun\n";
const DONE: &[u8] = b"done\n";
/// As much of git's words as is kept: its last line is in there.
const WORDS: usize = 4096;
/// Longest line that is passed on.
const LINE: usize = 400;

/// The workspace is not what the Bottle asks for, and so there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum CloneError {
    /// The image has none, or it can't be run.
    #[error("CloneFailed: the image's git could not be run")]
    Run(#[source] io::Error),
    /// Git's own last line.
    #[error("CloneFailed: {0}")]
    Git(String),
    /// The workspace, or our mark in HOME.
    #[error("CloneFailed: the workspace could not be prepared")]
    Workspace(#[source] io::Error),
}

/// Clones once: a workspace with something in it is the agent's, and so is one that was cloned before.
pub fn clone(wanted: &Repository, home: &Home) -> Result<(), CloneError> {
    let directory = Path::new(&wanted.directory);
    match home.own(MARKER).as_deref() {
        Some(DONE) => return Ok(()),
        // What is there is a clone that was cut short: no agent has run since.
        Some(BEGUN) => empty(directory).map_err(CloneError::Workspace)?,
        _ if !is_empty(directory).map_err(CloneError::Workspace)? => {
            say("the workspace is not empty: nothing is cloned into it");
            return home.set_own(MARKER, DONE).map_err(CloneError::Workspace);
        }
        _ => {}
    }
    home.set_own(MARKER, BEGUN).map_err(CloneError::Workspace)?;
    let git = Git { directory };
    git.run(&[
        "clone",
        "--quiet",
        "--no-checkout",
        "--template=",
        "--",
        &wanted.url,
        ".",
    ])?;
    check_out(&git, wanted)?;
    home.set_own(MARKER, DONE).map_err(CloneError::Workspace)?;
    say(format_args!("cloned {}", wanted.url));
    Ok(())
}

/// The files of the commit that is wanted, on the branch that is.
fn check_out(git: &Git<'_>, wanted: &Repository) -> Result<(), CloneError> {
    let branch = wanted.branch.as_deref();
    let Some(reference) = wanted.reference.as_deref() else {
        return match (git.is_commit("HEAD"), branch) {
            (true, Some(branch)) => git.branch(branch, "HEAD"),
            (true, None) => git.run(&["reset", "--quiet", "--hard"]),
            // A repository without a commit.
            (false, Some(branch)) => {
                git.run(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")])
            }
            (false, None) => Ok(()),
        };
    };
    let of_remote = format!("refs/remotes/origin/{reference}");
    if git.is_commit(&of_remote) {
        if let Some(branch) = branch {
            return git.branch(branch, &of_remote);
        }
        let start = format!("origin/{reference}");
        return git.run(&[
            "checkout", "--quiet", "--force", "--track", "-B", reference, &start,
        ]);
    }
    let of_tag = format!("refs/tags/{reference}");
    let start = if git.is_commit(&of_tag) {
        of_tag
    } else if git.is_commit(reference) {
        reference.to_owned()
    } else {
        // A commit that no branch leads to; the server may have it all the same.
        git.run(&["fetch", "--quiet", "origin", reference])?;
        "FETCH_HEAD".to_owned()
    };
    match branch {
        Some(branch) => git.branch(branch, &start),
        None => git.run(&["checkout", "--quiet", "--force", "--detach", &start]),
    }
}

struct Git<'a> {
    directory: &'a Path,
}

impl Git<'_> {
    fn branch(&self, name: &str, start: &str) -> Result<(), CloneError> {
        self.run(&[
            "checkout",
            "--quiet",
            "--force",
            "--no-track",
            "-B",
            name,
            start,
        ])
    }

    fn is_commit(&self, name: &str) -> bool {
        let commit = format!("{name}^{{commit}}");
        self.run(&["rev-parse", "--quiet", "--verify", &commit])
            .is_ok()
    }

    fn run(&self, arguments: &[&str]) -> Result<(), CloneError> {
        let mut child = self.command(arguments).spawn().map_err(CloneError::Run)?;
        let mut words = Vec::new();
        if let Some(mut stderr) = child.stderr.take() {
            // The far end may say as much as it likes.
            let mut part = [0; WORDS];
            while let Ok(count @ 1..) = stderr.read(&mut part) {
                words.extend_from_slice(&part[..count]);
                words.drain(..words.len().saturating_sub(WORDS));
            }
        }
        let status = child.wait().map_err(CloneError::Run)?;
        if status.success() {
            return Ok(());
        }
        Err(CloneError::Git(last_line(&words, arguments)))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            // The image's own would be read as settings: GIT_DIR, GIT_CONFIG_COUNT, GIT_SSH_COMMAND…
            if name.as_encoded_bytes().starts_with(b"GIT_") && name != "GIT_SSL_CAINFO" {
                command.env_remove(name);
            }
        }
        let safe = format!("safe.directory={}", self.directory.display());
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.askPass=",
            "credential.helper=",
            "http.lowSpeedLimit=1",
            "http.lowSpeedTime=60",
            &safe,
        ] {
            command.args(["-c", setting]);
        }
        command
            .args(arguments)
            .current_dir(self.directory)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ALLOW_PROTOCOL", "http:https")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// What git said last, as one line without anything that a terminal would act on.
fn last_line(words: &[u8], arguments: &[&str]) -> String {
    let text = String::from_utf8_lossy(words);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    let Some(last) = last else {
        return format!(
            "git {} failed without a word",
            arguments.first().unwrap_or(&"")
        );
    };
    one_line(last).chars().take(LINE).collect()
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // The type of the entry itself: a link is removed and not followed.
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
