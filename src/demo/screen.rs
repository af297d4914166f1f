//! What the person sees: plain text, 80 columns, no colour, no terminal needed.

use super::agent::Page;
use crate::config::text::sanitise;
use crate::supervise::store::queue::ProposalFile;
use std::io::{self, Write};

/// Columns of a terminal that everybody has.
const COLUMNS: usize = 80;
/// Before quoted lines.
const INDENT: &str = "   ";

/// Standard output.
#[derive(Debug)]
pub struct Screen {
    out: io::Stdout,
}

impl Default for Screen {
    fn default() -> Self {
        Self { out: io::stdout() }
    }
}

impl Screen {
    /// One line, or several.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// A question, with the cursor behind it.
    pub fn question(&mut self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock();
        write!(out, "{text}")?;
        out.flush()
    }

    /// What this is, and what it isn't.
    pub fn opening(&mut self) -> io::Result<()> {
        self.line(
            "bot-bottle demo: an agent is refused, asks, and a person decides.\n\
             \n\
             !!! NOTHING IS ISOLATED HERE: these are ordinary processes of your user. !!!\n\
             \n\
             agent ---> egress -------> docs.example.com, paste.example.net (stand-ins)\n\
             \x20 |        keeps the allowlist\n\
             \x20 '------> supervise ----> you",
        )
    }

    /// What to try next.
    pub fn closing(&mut self) -> io::Result<()> {
        self.line(
            "\nThe same road, sealed, on a real cluster:\n\
             \n\
             \x20 tests/cluster/up                        a Kubernetes on this machine\n\
             \x20 kubectl apply -f examples/bottle.yaml   an agent, sealed in a pod\n\
             \x20 kubectl edit proposal                   decide what it asks for",
        )
    }

    /// What a person has to see before they decide.
    pub fn proposal(&mut self, proposal: &ProposalFile) -> io::Result<()> {
        self.line(&format!(
            "{INDENT}{} asks to change {}, because:",
            proposal.tool, proposal.file
        ))?;
        for line in proposal.justification.lines() {
            for part in wrap(&sanitise(line), COLUMNS - INDENT.len() - 2) {
                self.line(&format!("{INDENT}  {part}"))?;
            }
        }
        self.line("")?;
        // Sanitised where it was made; cut lines say so themselves.
        for line in &proposal.diff {
            self.line(&format!("{INDENT}  {line}"))?;
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
