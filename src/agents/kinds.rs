//! The kinds of agents, as a table.

use super::RenderError;

/// What differs between agent programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Value of `agent.kind`.
    pub name: &'static str,
    /// First start; empty: the Bottle must name a command.
    pub start: &'static [&'static str],
    /// Start when there is a conversation; empty: as the first one.
    pub resume: &'static [&'static str],
    /// Paths below HOME that hold conversations.
    pub conversation: &'static [&'static str],
    /// How its settings are written.
    pub dialect: Dialect,
}

/// A family of settings files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `.claude.json` and `.claude/settings.json`.
    Claude,
    /// No file that we know.
    None,
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "claude",
        start: &["claude"],
        resume: &["claude", "--continue"],
        conversation: &[".claude/projects"],
        dialect: Dialect::Claude,
    },
    Kind {
        name: "custom",
        start: &[],
        resume: &[],
        conversation: &[],
        dialect: Dialect::None,
    },
];

/// The kind of that name.
pub fn kind(name: &str) -> Result<&'static Kind, RenderError> {
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| RenderError::UnknownKind(name.to_owned()))
}

/// The names, for messages.
pub(super) fn names() -> String {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    names.join(", ")
}
