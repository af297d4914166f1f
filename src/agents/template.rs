//! Words in braces in a program's texts, and what they stand for.

use serde_json::{Map, Value};

/// The words that a text may use. One that is known and has no value takes the text that uses it away with it.
#[derive(Clone, Debug)]
pub(super) struct Words<'a>(pub(super) Vec<(&'a str, Option<&'a str>)>);

impl Words<'_> {
    /// The text with its words replaced, or none. What a value brings is not read again for words.
    pub(super) fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            let known = self.0.iter().find_map(|(word, value)| {
                let after = rest
                    .strip_prefix('{')?
                    .strip_prefix(word)?
                    .strip_prefix('}')?;
                Some((after, *value))
            });
            if let Some((after, value)) = known {
                filled.push_str(value?);
                rest = after;
            } else {
                // A brace of the text's own.
                filled.push('{');
                rest = &rest[1..];
            }
        }
        Some(filled + rest)
    }

    /// A command.
    pub(super) fn command(&self, words: &[String]) -> Vec<String> {
        words.iter().filter_map(|word| self.fill(word)).collect()
    }

    /// Every text and key of a value.
    pub(super) fn value(&self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().filter_map(|item| self.value(item)).collect())
            }
            Value::Object(map) => Value::Object(
                map.iter()
                    .filter_map(|(key, item)| Some((self.fill(key)?, self.value(item)?)))
                    .collect(),
            ),
            other => other.clone(),
        })
    }
}

/// A template whose texts that are nothing but a word become that word's value; a key without one is left out.
pub(super) fn entry(template: &Value, words: &[(&str, Option<Value>)]) -> Value {
    match template {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter_map(|(key, item)| match word(item, words) {
                    Some(value) => Some((key.clone(), value?)),
                    None => Some((key.clone(), entry(item, words))),
                })
                .collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

#[allow(
    clippy::option_option,
    reason = "no word, a word without a value, a value"
)]
fn word(item: &Value, words: &[(&str, Option<Value>)]) -> Option<Option<Value>> {
    let text = item.as_str()?.strip_prefix('{')?.strip_suffix('}')?;
    let (_, value) = words.iter().find(|(word, _)| *word == text)?;
    Some(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_words_are_replaced_once_and_other_braces_stay() {
        let words = Words(vec![("prompt", Some("say {home}")), ("home", Some("/h"))]);
        assert_eq!(
            words.fill("a{prompt}{home}{x}{").unwrap(),
            "asay {home}/h{x}{"
        );
    }

    #[test]
    fn a_word_without_a_value_takes_its_key_away() {
        let words = Words(vec![("model", None), ("base", Some("b"))]);
        let value = json!({"model": "p/{model}", "url": "{base}/v1", "models": {"{model}": {}}});
        assert_eq!(
            words.value(&value),
            Some(json!({"url": "b/v1", "models": {}}))
        );
    }
}
