//! What `bottle render` prints.

use crate::agents::{Rendered, secrets::secrets_used};
use crate::seal::settings::Preview;
use std::fmt::Write as _;
use std::io::Write as _;

/// Names every file that would be written, and why; whether there is none.
pub(super) fn differences(files: &[Preview]) -> bool {
    let mut text = String::new();
    for file in files.iter().filter(|file| file.differs) {
        let _ = writeln!(text, "{}", file.path);
        for what in &file.said {
            let _ = writeln!(text, "  {what}");
        }
    }
    print(&text);
    text.is_empty()
}

/// The files, or their names when they were written; then commands, variables and secrets.
pub(super) fn everything(rendered: &Rendered, files: &[Preview], written: bool) {
    let mut text = String::new();
    for file in files {
        let Some(content) = &file.text else { continue };
        if written {
            let _ = writeln!(text, "{}", file.path);
        } else {
            let _ = writeln!(text, "==> {}\n{content}", file.path);
        }
        for what in &file.said {
            let _ = writeln!(text, "  {what}");
        }
    }
    for (what, command) in [("start", &rendered.start), ("resume", &rendered.resume)] {
        if !command.is_empty() {
            let _ = writeln!(text, "{what}: {}", line(command));
        }
    }
    for command in &rendered.exec {
        let _ = writeln!(text, "run before: {}", line(&command.add));
    }
    for (name, value) in &rendered.env {
        let _ = writeln!(text, "env: {name}={value}");
    }
    for (name, places) in secrets_used(&rendered.fragments) {
        let _ = writeln!(text, "secret: {name}, used by {}", places.join(", "));
    }
    print(&text);
}

/// A command as a shell would take it.
fn line(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// A reader that has gone away wants no more.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
