//! The kinds of agents, as a table: one file each in `kinds/`, in the words that a class uses for a program of its own.

use super::RenderError;
use crate::api::Program;
use crate::yaml;
use std::sync::LazyLock;

/// Name and file of each kind.
const FILES: &[(&str, &str)] = &[
    ("claude", include_str!("kinds/claude.yaml")),
    ("codex", include_str!("kinds/codex.yaml")),
    ("gemini", include_str!("kinds/gemini.yaml")),
    ("qwen", include_str!("kinds/qwen.yaml")),
    ("opencode", include_str!("kinds/opencode.yaml")),
    ("copilot", include_str!("kinds/copilot.yaml")),
    ("droid", include_str!("kinds/droid.yaml")),
    ("amp", include_str!("kinds/amp.yaml")),
    ("vibe", include_str!("kinds/vibe.yaml")),
    ("goose", include_str!("kinds/goose.yaml")),
    ("antigravity", include_str!("kinds/antigravity.yaml")),
    ("cursor", include_str!("kinds/cursor.yaml")),
    ("custom", include_str!("kinds/custom.yaml")),
];

static KINDS: LazyLock<Vec<(&str, Program)>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(name, text)| {
            let program = yaml::from_str(text).expect("a test reads every file of the table");
            (*name, program)
        })
        .collect()
});

/// The program of that kind.
pub fn kind(name: &str) -> Result<&'static Program, RenderError> {
    KINDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, program)| program)
        .ok_or_else(|| RenderError::UnknownKind(name.to_owned()))
}

/// The names of all kinds.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The names, for messages.
pub(super) fn list() -> String {
    names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_file_of_the_table_can_be_read_and_keeps_the_rules() {
        for name in super::names() {
            let program = super::kind(name).unwrap();
            assert_eq!(crate::agents::paths::check(program), Ok(()), "{name}");
        }
    }
}
