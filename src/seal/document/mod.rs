//! CORE: a settings file as a value, and back again with as little of the text changed as possible.

mod json;
mod toml;

use crate::config::seal::Format;
use crate::yaml;
use serde_json::{Map, Value};

/// Texts above this are written anew when something changes: editing them in place takes many times their size.
const EDIT_MAX: usize = 1024 * 1024;

/// Not an object in its format; without the parser's words, which may quote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// The object that a file holds; an empty file holds an empty one.
pub fn parse(format: Format, text: &str) -> Result<Map<String, Value>, Broken> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let value = match format {
        Format::Json => serde_json::from_str(text).ok(),
        Format::Jsonc => json::parse(text),
        Format::Toml => toml::parse(text),
        Format::Yaml => yaml::from_str(text).ok(),
    };
    match value {
        Some(Value::Object(map)) => Ok(map),
        // A file of comments only.
        Some(Value::Null) if matches!(format, Format::Yaml | Format::Jsonc) => Ok(Map::new()),
        _ => Err(Broken),
    }
}

/// The text that holds `to`, made from `text`, which holds `from`. Comments, order and layout of what didn't change
/// stay (YAML is written anew); whatever stands in the way of that, the text holds `to`.
pub fn rewrite(
    format: Format,
    text: &str,
    from: &Map<String, Value>,
    to: &Map<String, Value>,
) -> String {
    let edited = if text.len() > EDIT_MAX || text.trim().is_empty() {
        None
    } else {
        match format {
            Format::Json | Format::Jsonc => json::edit(text, from, to),
            Format::Toml => toml::edit(text, from, to),
            Format::Yaml => None,
        }
    };
    edited
        // A key that stands there twice, say, is read by its last place and edited at its first.
        .filter(|text| parse(format, text).as_ref() == Ok(to))
        .unwrap_or_else(|| fresh(format, to))
}

fn fresh(format: Format, to: &Map<String, Value>) -> String {
    let mut text = match format {
        Format::Json | Format::Jsonc => serde_json::to_string_pretty(to).unwrap_or_default(),
        Format::Toml => toml::fresh(to),
        Format::Yaml => yaml::to_string(to).unwrap_or_default(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
