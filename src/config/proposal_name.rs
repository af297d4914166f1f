//! CORE: a Proposal's name, from what is asked: asking twice is asking once.

use super::hex;
use sha2::{Digest, Sha256};

/// Bytes of the hash that stand in the name, two hex digits each.
const HASH_BYTES: usize = 6;

/// `<bottle>-<12 hex digits>` of SHA-256 over the uid, the tool, the file and the justification, each with its length
/// before it, so that no two questions share their bytes.
///
/// `extra_base` is the hash of the file in force, for a question that is asked anew after a conflict, an expiry or a
/// failure.
pub fn proposal_name(
    bottle: &str,
    bottle_uid: &str,
    tool: &str,
    file: &str,
    justification: &str,
    extra_base: Option<&str>,
) -> String {
    let mut hasher = Sha256::new();
    for field in [bottle_uid, tool, file, justification]
        .into_iter()
        .chain(extra_base)
    {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    let hash = hasher.finalize();
    format!("{bottle}-{}", hex(&hash[..HASH_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_bottles_and_twelve_hex_digits() {
        let name = proposal_name(
            "demo",
            "uid-1",
            "pipelock-block",
            "a.example\n",
            "docs",
            None,
        );
        assert_eq!(name, "demo-eabe40f8495d");
        assert_eq!(
            name,
            proposal_name(
                "demo",
                "uid-1",
                "pipelock-block",
                "a.example\n",
                "docs",
                None
            )
        );
    }

    #[test]
    fn each_part_of_the_question_makes_another_name() {
        let names: std::collections::HashSet<String> = [
            ("demo", "u", "t", "f", "j", None),
            ("other", "u", "t", "f", "j", None),
            ("demo", "v", "t", "f", "j", None),
            ("demo", "u", "s", "f", "j", None),
            ("demo", "u", "t", "g", "j", None),
            ("demo", "u", "t", "f", "k", None),
            ("demo", "u", "t", "f", "j", Some("b")),
            ("demo", "u", "t", "f", "j", Some("c")),
            ("demo", "u", "t", "fj", "", None),
            ("demo", "ut", "", "f", "j", None),
        ]
        .map(|(bottle, uid, tool, file, why, base)| {
            proposal_name(bottle, uid, tool, file, why, base)
        })
        .into();
        assert_eq!(names.len(), 10);
    }
}
