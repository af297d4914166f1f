//! What the person sees: 80 columns, colour only where it can be seen, no terminal needed.

use super::agent::Page;
use crate::api::Proposal;
use crate::cli::output::diff_line;
use crate::config::text::sanitise;
use crate::local::record::Runtime;
use std::io::{self, Write};

/// Columns of a terminal that everybody has.
const COLUMNS: usize = 80;
/// Before quoted lines.
const INDENT: &str = "   ";

/// Standard output.
#[derive(Debug)]
pub struct Screen {
    out: anstream::AutoStream<io::Stdout>,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            out: anstream::stdout(),
        }
    }
}

impl Screen {
    /// One line, or several.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// A question, with the cursor behind it.
    pub fn question(&mut self, text: &str) -> io::Result<()> {
        write!(self.out, "{text}")?;
        self.out.flush()
    }

    /// What this is, and what it isn't.
    pub fn opening(&mut self, runtime: Runtime, why_not: Option<&str>) -> io::Result<()> {
        self.line("bot-bottle demo: an agent is refused, asks, and a person decides.\n")?;
        match runtime {
            Runtime::Sandbox => self.line(
                "The agent runs in a sandbox of this machine: its network has a loopback only,\n\
                 on which egress and supervise answer from outside.\n",
            )?,
            // The stage refuses it.
            Runtime::Docker => {}
            Runtime::Process => {
                self.line("!!! NOTHING IS ISOLATED HERE: these are ordinary processes of your user. !!!\n")?;
                for part in why_not.iter().flat_map(|why| wrap(why, COLUMNS)) {
                    self.line(&part)?;
                }
                self.line("")?;
            }
        }
        self.line(
            "agent ---> egress -------> docs.example.com, paste.example.net (stand-ins)\n\
             \x20 |        keeps the allowlist\n\
             \x20 '------> supervise ----> you",
        )
    }

    /// What was seen, and what to try next.
    pub fn closing(&mut self, runtime: Runtime) -> io::Result<()> {
        let seen = match runtime {
            Runtime::Sandbox | Runtime::Docker => {
                "The one way out was the one that a person opened. "
            }
            Runtime::Process => {
                "What was REACHED is open, because this runtime isolates nothing.\n"
            }
        };
        self.line(&format!(
            "\n{seen}Nothing is left running.\n\n\
             \x20 bottle run -- bash                      your own program, with this directory\n\
             \x20 bottle proposals --local --watch        what it asks for, in another terminal\n\
             \x20 kubectl apply -f examples/bottle.yaml   the same, sealed in a pod of a cluster"
        ))
    }

    /// What a person has to see before they decide.
    pub fn proposal(&mut self, proposal: &Proposal) -> io::Result<()> {
        let tool = proposal.spec.tool.as_str();
        self.line(&format!(
            "{INDENT}{tool} asks to change the allowlist, because:"
        ))?;
        for line in proposal.spec.justification.lines() {
            for part in wrap(&sanitise(line), COLUMNS - INDENT.len() - 2) {
                self.line(&format!("{INDENT}  {part}"))?;
            }
        }
        self.line("")?;
        let status = proposal.status.as_ref();
        for line in status.iter().flat_map(|status| &status.diff) {
            self.line(&format!("{INDENT}  {}", diff_line(line)))?;
        }
        self.line("")
    }

    /// A request and its answer.
    pub fn exchange(&mut self, url: &str, page: &Page) -> io::Result<()> {
        self.line(&format!("{INDENT}GET {url} -> {}", page.status))?;
        self.quote(&page.body)
    }

    /// A stranger's text, made harmless.
    pub fn quote(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            for part in wrap(&sanitise(line), COLUMNS - INDENT.len() - 2) {
                self.line(&format!("{INDENT}| {part}"))?;
            }
        }
        Ok(())
    }
}

/// Lines of at most `width` characters, broken at blanks where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let last = lines.len() - 1;
            let used = lines[last].chars().count();
            let gap = usize::from(used > 0);
            if used + gap + word.chars().count() <= width {
                if gap > 0 {
                    lines[last].push(' ');
                }
                lines[last].push_str(word);
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            let end = word
                .char_indices()
                .nth(width)
                .map_or(word.len(), |(at, _)| at);
            lines[last].push_str(&word[..end]);
            word = &word[end..];
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("ääää ää", 4), ["ääää", "ää"]);
    }
}
