//! What a reviewer is shown hides nothing and stays in its bounds.

use bot_bottle::config::text::{self, diff, forbidden, is_forbidden, readable, sanitise};
use proptest::prelude::*;

/// Text in which everything odd is frequent.
pub fn odd() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        6 => proptest::char::range('a', 'f'),
        3 => proptest::sample::select(vec![' ', '\t', '\n', '\r', '\\', '"', '<', '{', '…', '·']),
        1 => proptest::sample::select(vec!['\u{0}', '\u{1b}', '\u{85}', '\u{a0}', '\u{200b}', '\u{202e}', '\u{2028}', '\u{3000}', '\u{feff}', '\u{e0041}']),
        1 => any::<char>(),
    ];
    proptest::collection::vec(letter, 0..80).prop_map(|letters| letters.into_iter().collect())
}

/// The same, long enough to be cut.
pub fn long() -> impl Strategy<Value = String> {
    (
        odd(),
        prop_oneof![20 => 1..3_usize, 1 => Just(100), 1 => Just(1_500)],
    )
        .prop_map(|(text, times)| text.repeat(times))
}

fn hides(text: &str) -> bool {
    text.contains(is_forbidden) || text.contains('\t') || text.trim_end() != text
}

proptest! {
    #[test]
    fn a_shown_line_hides_nothing_and_tells_different_lines_apart(one in odd(), other in odd()) {
        prop_assert!(!hides(&sanitise(&one)), "{:?}", sanitise(&one));
        // A backslash may stand for itself, and a dot; whoever spells one out fools nobody about hidden characters.
        let plain = |text: &str| !text.contains(['\\', '·']);
        if one != other && plain(&one) && plain(&other) {
            prop_assert_ne!(sanitise(&one), sanitise(&other));
        }
    }

    #[test]
    fn a_diff_hides_nothing_and_fits_into_its_schema(old in long(), new in long()) {
        let lines = diff(&old, &new);
        prop_assert_eq!(lines.is_empty(), old == new);
        prop_assert!(lines.len() <= 1_024);
        prop_assert!(lines.iter().map(String::len).sum::<usize>() <= 67_000);
        for line in &lines {
            prop_assert!(!hides(line), "{:?}", line);
            prop_assert!(line.chars().count() <= 2_048, "{} characters", line.chars().count());
        }
    }

    #[test]
    fn what_is_let_through_is_readable_as_it_is(text in odd()) {
        if forbidden(&text, "").is_ok() {
            let shown = readable(&text);
            prop_assert!(!shown.replace('\n', "").contains(|c| is_forbidden(c) || c == '\t'));
            prop_assert!(shown.lines().all(|line| line.trim_end() == line));
            prop_assert_eq!(readable(&shown), shown.clone());
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }

    #[test]
    fn a_hidden_character_is_found_at_its_first_place_or_stands_in_a_line_in_force(text in odd(), in_force in odd()) {
        let clean = |line: &str| !line.contains(is_forbidden);
        let first = text.lines().position(|line| !clean(line) && !in_force.lines().any(|known| known == line));
        match forbidden(&text, &in_force) {
            Ok(()) => prop_assert_eq!(first, None),
            Err(error) => {
                prop_assert_eq!(Some(error.line - 1), first);
                let line = text.lines().nth(error.line - 1).unwrap();
                prop_assert_eq!(line.chars().position(is_forbidden), Some(error.character - 1));
                prop_assert_eq!(line.chars().nth(error.character - 1), Some(error.found));
                prop_assert!(!hides(&error.to_string()));
            }
        }
    }

    #[test]
    fn a_line_of_one_character_is_never_longer_than_the_schema_allows(letter in any::<char>(), times in 1..3_000_usize) {
        for line in text::diff("", &letter.to_string().repeat(times)) {
            prop_assert!(line.chars().count() <= 2_048);
        }
    }
}
