//! One attempt.

/// How one sees that an attempt got through.
#[derive(Clone, Copy)]
pub enum Shown {
    /// The row's mark arrives somewhere.
    Mark,
    /// This text arrives somewhere, in any case; `M` and `N` are the row's.
    Text(&'static str),
    /// The row's mark arrives at a place whose name starts so.
    At(&'static str),
    /// The agent says `ok`, or has got an answer.
    Outcome,
    /// The same, and the control needs root.
    OutcomeOfRoot,
}

/// A row of the bypass list.
#[derive(Clone, Copy)]
pub struct Row {
    pub what: &'static str,
    /// Python, in the terms of `agent.py`.
    pub attempt: &'static str,
    pub shown: Shown,
}

/// A row that is shown by its mark.
pub const fn row(what: &'static str, attempt: &'static str) -> Row {
    shown(Shown::Mark, what, attempt)
}

/// A row that is shown in another way.
pub const fn shown(shown: Shown, what: &'static str, attempt: &'static str) -> Row {
    Row {
        what,
        attempt,
        shown,
    }
}

impl Row {
    /// Whether what arrived at `place` is this attempt's.
    pub fn is_in(&self, number: usize, place: &str, text: &str) -> bool {
        let mark = format!("m{number}x");
        match self.shown {
            Shown::Mark => text.contains(&mark),
            Shown::At(at) => place.starts_with(at) && text.contains(&mark),
            Shown::Text(needle) => {
                let needle = needle
                    .replace('M', &mark)
                    .replace('N', &(40000 + number).to_string());
                text.to_lowercase().contains(&needle.to_lowercase())
            }
            Shown::Outcome | Shown::OutcomeOfRoot => false,
        }
    }
}
