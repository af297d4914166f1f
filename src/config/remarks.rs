//! What `seal` has to tell people about an agent's settings, as lines: a word, a colon, a sentence.
//!
//! They come from the agent's container, over a socket that the agent itself can write to: its word, and no more. So
//! whoever passes them on, passes on few, short, visible lines.

use super::text::sanitise;
use std::fmt;

/// How many are passed on.
pub const MAX: usize = 20;
/// Longest line in characters, as the Bottle's status takes them.
const CHARACTERS: usize = 500;

/// What a remark is about; of several the first one here is the one to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// A server of the workspace may stand in front of the bottle's own.
    Shadowed,
    /// A settings file was none, and is kept beside the new one.
    BrokenFile,
    /// An entry of ours was changed since the last start.
    Drifted,
    /// The program's own command did not enter a server.
    NotEntered,
    /// A skill could not be copied.
    SkillNotPlaced,
    /// The company's certificates could not be read.
    CertificatesUnread,
    /// The image's passwd file has no line for the agent's uid.
    NoPasswdLine,
    /// Another word, of the agent's own perhaps.
    Other,
    /// A server of the workspace stays behind the bottle's own of the same name: no fault.
    ServerIgnored,
}

impl Word {
    const ALL: [Self; 9] = [
        Self::Shadowed,
        Self::BrokenFile,
        Self::Drifted,
        Self::NotEntered,
        Self::SkillNotPlaced,
        Self::CertificatesUnread,
        Self::NoPasswdLine,
        Self::Other,
        Self::ServerIgnored,
    ];

    /// The word, which is also a condition's reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadowed => "Shadowed",
            Self::BrokenFile => "BrokenFile",
            Self::Drifted => "Drifted",
            Self::NotEntered => "NotEntered",
            Self::SkillNotPlaced => "SkillNotPlaced",
            Self::CertificatesUnread => "CertificatesUnread",
            Self::NoPasswdLine => "NoPasswdLine",
            Self::Other => "Other",
            Self::ServerIgnored => "ServerIgnored",
        }
    }

    /// Of a line.
    pub fn of(line: &str) -> Self {
        let word = line.split(':').next().unwrap_or_default();
        let known = Self::ALL.into_iter().find(|known| known.as_str() == word);
        known.unwrap_or(Self::Other)
    }
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub word: Word,
    /// A sentence.
    pub text: String,
}

impl Remark {
    /// A remark.
    pub fn new(word: Word, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { word, text }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.word.as_str(), self.text)
    }
}

/// The lines as they may be passed on: each once, visible, short; the weightiest first.
pub fn clean<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let shown = |line: &str| sanitise(line).chars().take(CHARACTERS).collect::<String>();
    let mut cleaned: Vec<String> = Vec::new();
    // What is dropped at the end is no work: an agent decides how many there are.
    for line in lines.into_iter().take(16 * MAX) {
        let line = shown(line);
        if !line.trim().is_empty() && !cleaned.contains(&line) {
            cleaned.push(line);
        }
    }
    cleaned.sort_by_key(|line| Word::of(line));
    cleaned.truncate(MAX);
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_read_back_by_its_word_and_other_words_are_others() {
        for word in Word::ALL {
            let line = Remark::new(word, "a: b").to_string();
            assert_eq!(Word::of(&line), word, "{line}");
        }
        assert_eq!(Word::of("Ready: all is well"), Word::Other);
        assert_eq!(Word::of(""), Word::Other);
    }

    #[test]
    fn what_an_agent_sends_is_cut_to_few_visible_lines_and_the_weightiest_come_first() {
        let many: Vec<String> = (0..1000).map(|n| format!("Drifted: {n}")).collect();
        let hidden = format!("Shadowed: \u{202e}\n{}", "x".repeat(2000));
        let lines = ["ServerIgnored: a", "", "Drifted: 1"];
        let lines = lines.into_iter().chain([hidden.as_str()]);
        let cleaned = clean(lines.chain(many.iter().map(String::as_str)));
        assert_eq!(cleaned.len(), MAX);
        assert!(
            cleaned[0].starts_with("Shadowed: \\u{202e}\\u{a}xx"),
            "{}",
            cleaned[0]
        );
        assert_eq!(cleaned[0].chars().count(), CHARACTERS);
        assert_eq!(cleaned[1], "Drifted: 1");
        assert_eq!(
            cleaned.iter().filter(|line| *line == "Drifted: 1").count(),
            1
        );
    }
}
