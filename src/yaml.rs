//! The one place that knows the YAML library.
//!
//! `serde-saphyr` stands in for `serde_yaml`, which is unmaintained and writes `yes`, `on` and `1_000` unquoted:
//! kubectl then reads booleans and numbers.

use serde::{Serialize, de::DeserializeOwned};

/// Reading or writing YAML failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing.
    #[error("write YAML")]
    Write(#[source] Box<serde_saphyr::ser::Error>),
    /// Reading.
    #[error("read YAML")]
    Read(#[source] Box<serde_saphyr::Error>),
}

/// One document.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error::Write(Box::new(error)))
}

/// One document.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| Error::Read(Box::new(error)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_that_kubectl_would_misread_are_quoted() {
        for word in [
            "yes",
            "on",
            "1_000",
            "0x1f",
            "null",
            "~",
            "1e3",
            "2026-11-21",
            "a: b",
            "- x",
            "",
            " a",
            "a\n",
        ] {
            let text = super::to_string(&serde_json::json!({ "key": word })).unwrap();
            let back: serde_json::Value = super::from_str(&text).unwrap();
            assert_eq!(back["key"], word, "{text}");
            if ["yes", "on", "1_000"].contains(&word) {
                assert!(
                    text.contains(&format!("\"{word}\"")) || text.contains(&format!("'{word}'")),
                    "{text}"
                );
            }
        }
    }
}
