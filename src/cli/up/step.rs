//! One command of `bottle up`, and what makes it needless.

use crate::cli::{Error, output};
use std::{ffi::OsStr, io, path::Path};
use tokio::process::Command;

/// A command, and when it is left out.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// When it is needless.
    pub unless: Option<Done>,
}

/// What shows that a step's work is done: a line among those that a command prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// The command.
    pub words: Vec<String>,
    /// The line.
    pub line: String,
    /// What the person is told then.
    pub note: String,
}

impl Done {
    async fn holds(&self) -> bool {
        let said = command(&self.words).output().await;
        said.is_ok_and(|said| {
            String::from_utf8_lossy(&said.stdout)
                .lines()
                .any(|line| line == self.line)
        })
    }
}

impl Step {
    /// Shows it and runs it, unless it is needless.
    pub async fn run(&self, dry: bool) -> Result<(), Error> {
        if let Some(done) = self.unless.as_ref().filter(|_| !dry)
            && done.holds().await
        {
            output::note(&done.note);
            return Ok(());
        }
        output::line(&format!("$ {}", self.words.join(" ")))?;
        if dry {
            return Ok(());
        }
        let what = self.words.join(" ");
        let status = command(&self.words).status().await;
        let status = status.map_err(Error::io(format!("run {what}")))?;
        if status.success() {
            return Ok(());
        }
        let why = io::Error::other(format!("{status}; what it said is above"));
        Err(Error::io(format!("run {what}"))(why))
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// The program with its arguments.
pub fn words<S: AsRef<OsStr>>(program: &Path, rest: impl IntoIterator<Item = S>) -> Vec<String> {
    let rest = rest
        .into_iter()
        .map(|word| word.as_ref().to_string_lossy().into_owned());
    std::iter::once(program.display().to_string())
        .chain(rest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_is_done_when_its_line_is_there_as_a_whole() {
        let done = |line: &str| Done {
            words: ["echo", "green-2"].map(str::to_owned).into(),
            line: line.into(),
            note: String::new(),
        };
        assert!(done("green-2").holds().await);
        assert!(!done("green").holds().await);
    }
}
