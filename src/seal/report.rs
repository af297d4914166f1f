//! What `seal` has to say: single lines on standard error.

use std::fmt::{Display, Write as _};

/// Writes one line, `seal: …`. What comes from a file or its name can't end the line or colour it.
pub fn say(what: impl Display) {
    eprintln!("seal: {}", one_line(&what.to_string()));
}

/// The text without control characters.
pub fn one_line(text: &str) -> String {
    text.chars().fold(String::new(), |mut line, c| {
        if c.is_control() {
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}
