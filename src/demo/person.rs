//! The person: one letter, or an editor.

use super::Error;
use super::screen::Screen;
use std::io;
use tokio::process::Command;
use tokio::sync::oneshot;

/// What they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As proposed.
    Approve,
    /// With changes.
    Edit,
    /// Not at all.
    Reject,
}

/// Asks until there is an answer. The end of the input is none.
pub async fn ask(screen: &mut Screen) -> Result<Choice, Error> {
    loop {
        screen
            .question("   [a]pprove, [e]dit, [r]eject? ")
            .map_err(Error::Terminal)?;
        let Some(line) = read_line().await? else {
            return Err(Error::NoAnswer);
        };
        match line.trim().to_ascii_lowercase().as_str() {
            "a" | "approve" => return Ok(Choice::Approve),
            "e" | "edit" => return Ok(Choice::Edit),
            "r" | "reject" => return Ok(Choice::Reject),
            _ => screen
                .line("   One letter, please: a, e or r.")
                .map_err(Error::Terminal)?,
        }
    }
}

/// A line of standard input. Read on a thread of its own: nothing can interrupt it, and the demo must be.
async fn read_line() -> Result<Option<String>, Error> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin()
            .read_line(&mut line)
            .map(|read| (read > 0).then_some(line));
        // Nobody waits any more when the demo was interrupted.
        let _ = sender.send(read);
    });
    match receiver.await {
        Ok(read) => read.map_err(Error::Terminal),
        Err(_) => Ok(None),
    }
}

/// The file as the person left it.
pub async fn edit(editor: &str, text: &str) -> Result<String, Error> {
    let failed = |source| Error::Stage {
        operation: "edit the file",
        source,
    };
    let mut file = super::temporary::temporary_file().map_err(failed)?;
    file.write(text).map_err(failed)?;
    // An editor may come with flags, as in EDITOR="code --wait".
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(failed)?;
    if !status.success() {
        return Err(failed(io::Error::other("the editor failed")));
    }
    file.read().map_err(failed)
}
