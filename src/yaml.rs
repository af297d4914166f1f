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
    /// What was read is not what was asked for.
    #[error("read YAML")]
    Shape(#[source] serde_json::Error),
}

/// One document.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error::Write(Box::new(error)))
}

/// One document.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| Error::Read(Box::new(error)))
}

/// The same by way of JSON. An error names no line; but a large type is not compiled for a second format, which is
/// megabytes of a program.
pub fn from_str_by_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let value: serde_json::Value = from_str(text)?;
    serde_json::from_value(value).map_err(Error::Shape)
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_way_of_json_the_same_is_read_and_what_is_wrong_is_named() {
        let text = "agent: {kind: claude}\nallowlist: [a.example]\n";
        let direct: crate::api::BottleClassSpec = super::from_str(text).unwrap();
        let by_json: crate::api::BottleClassSpec = super::from_str_by_json(text).unwrap();
        assert_eq!(direct, by_json);
        let wrong = super::from_str_by_json::<crate::api::BottleClassSpec>("allowlist: 7\n");
        let said = crate::telemetry::chain(&wrong.unwrap_err());
        assert!(said.contains("invalid type: integer `7`"), "{said}");
    }

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
