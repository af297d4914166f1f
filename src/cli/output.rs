//! What people and programs read: `-o`, colours where they can be seen, complaints on standard error.

use super::Error;
use crate::{config::text::sanitise, yaml};
use serde::Serialize;
use std::io::Write as _;

/// How objects are printed, as kubectl has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Whole objects.
    Json,
    /// Whole objects.
    Yaml,
    /// `kind/name` lines.
    Name,
    /// A table with more columns.
    Wide,
}

/// A line on standard output; colours are taken out where nobody sees them, or wants them (`NO_COLOR`).
pub fn line(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}").map_err(Error::io("write the output"))
}

/// Something a person should know, on standard error.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "note: {text}");
}

/// An error, on standard error.
pub fn complain(text: &str) {
    let _ = writeln!(anstream::stderr(), "\x1b[31merror:\x1b[0m {text}");
}

/// Objects as kubectl prints them: one as it is, several as a List.
pub fn objects<T: Serialize>(objects: &[T], single: bool, format: Format) -> Result<(), Error> {
    let value = match objects {
        [one] if single => serde_json::to_value(one),
        all => serde_json::to_value(all)
            .map(|items| serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items})),
    };
    let value = value
        .map_err(std::io::Error::from)
        .map_err(Error::io("print an object"))?;
    if format == Format::Json {
        return line(&serde_json::to_string_pretty(&value).unwrap_or_default());
    }
    let text = yaml::to_string(&value).map_err(|source| Error::Yaml {
        file: "an object".into(),
        source,
    })?;
    line(text.trim_end())
}

/// A line of a diff in its colour, harmless whatever the agent wrote.
pub fn diff_line(text: &str) -> String {
    let text = sanitise(text);
    let colour = match text.chars().next() {
        Some('+') => "32",
        Some('-') => "31",
        Some('@') => "36",
        _ => return text,
    };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

/// How long ago, as kubectl says it.
pub fn age(since: Option<jiff::Timestamp>, now: jiff::Timestamp) -> String {
    let Some(since) = since else {
        return "<unknown>".into();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_can_not_colour_its_own_words() {
        assert_eq!(diff_line("+a\x1b[2Kb").matches('\x1b').count(), 2);
        assert!(!diff_line(" a\x1b[2Kb").contains('\x1b'));
    }

    #[test]
    fn ages_are_short() {
        let now = jiff::Timestamp::from_second(1_000_000).unwrap();
        let ago = |seconds: i64| age(jiff::Timestamp::from_second(1_000_000 - seconds).ok(), now);
        assert_eq!(
            [ago(5), ago(300), ago(10_000), ago(600_000)],
            ["5s", "5m", "2h", "6d"]
        );
        assert_eq!(ago(-5), "0s");
    }
}
