//! CORE: text that a stranger wrote and a person reviews: what may stand in it, and how it is shown.
//!
//! A reviewer must see what is there. So characters that change what is seen without being seen are refused at the
//! door ([`forbidden`]), and whatever is displayed all the same (the old file, an edit) is spelled out
//! ([`sanitise`]).

mod diff;

pub use diff::{MAX_LINE, MAX_LINES, MAX_TOTAL, diff};

use std::collections::HashSet;
use std::fmt::Write as _;
use thiserror::Error;

/// A character that a reviewer would not see, or that would change what they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line}, character {character}: {} is not allowed, because a reviewer could not see it", name(*.found))]
pub struct Forbidden {
    /// Counted from 1; lines end at LF.
    pub line: usize,
    /// Counted from 1 in characters.
    pub character: usize,
    /// The character itself; never print it raw.
    pub found: char,
}

/// The first forbidden character of `text`. Tabs, LF and CRLF are allowed; a carriage return elsewhere isn't.
///
/// Lines that stand in `in_force` are passed over: the agent sends the whole file, and what a Bottle declares stands.
pub fn forbidden(text: &str, in_force: &str) -> Result<(), Forbidden> {
    let mut known = None;
    for (index, line) in lines(text).enumerate() {
        let Some(position) = line.chars().position(is_forbidden) else {
            continue;
        };
        // Built only when it is needed: nearly every text is clean.
        let known = known.get_or_insert_with(|| lines(in_force).collect::<HashSet<_>>());
        if let (false, Some(found)) = (known.contains(line), line.chars().nth(position)) {
            return Err(Forbidden {
                line: index + 1,
                character: position + 1,
                found,
            });
        }
    }
    Ok(())
}

/// One line for display: forbidden characters and odd blanks as `\u{…}`, tabs and carriage returns as `\t` and `\r`,
/// blanks at the end as `·`, so that no line ends in white space and none hides anything.
///
/// (One line with a blank at its end makes kubectl print a whole block of text as one quoted line.)
pub fn sanitise(line: &str) -> String {
    let kept = line.trim_end_matches(' ');
    let mut shown = String::with_capacity(line.len());
    for c in kept.chars() {
        match c {
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if is_spelled_out(c) => {
                let _ = write!(shown, "{}", c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    shown.extend(std::iter::repeat_n('·', line.len() - kept.len()));
    shown
}

/// Characters that [`sanitise`] makes of one.
fn shown_width(c: char) -> usize {
    match c {
        '\t' | '\r' => 2,
        c if is_spelled_out(c) => c.escape_unicode().count(),
        _ => 1,
    }
}

fn is_spelled_out(c: char) -> bool {
    c != ' ' && (is_forbidden(c) || c.is_whitespace())
}

/// Splits at LF and CRLF; a last line without an end counts, an empty rest doesn't.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
}

/// Code point and, for the usual ones, a word that helps to find it.
fn name(c: char) -> String {
    let word = match c {
        '\u{feff}' => " (byte-order mark)",
        '\r' => " (carriage return without line feed)",
        '\u{1b}' => " (escape)",
        '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' => " (part of an emoji)",
        c if c.is_control() => " (control character)",
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            " (changes the direction of text)"
        }
        _ => " (invisible)",
    };
    format!("U+{:04X}{word}", u32::from(c))
}

/// Control characters but tab, and what Unicode calls default-ignorable or a line separator.
pub fn is_forbidden(c: char) -> bool {
    if c == '\t' {
        return false;
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}'
            // Hangul and Khmer fillers, shown as nothing.
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}'
            // Mongolian variation selectors and vowel separator.
            | '\u{180b}'..='\u{180f}'
            // Zero-width, direction marks, line and paragraph separators, embeddings.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates, deprecated format characters.
            | '\u{2060}'..='\u{206f}'
            // The blank of Braille is drawn as nothing.
            | '\u{2800}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Tags and the second block of variation selectors: whole texts can be hidden in them.
            | '\u{e0000}'..='\u{e0fff}')
}

/// The same text, as `kubectl edit` can show it as a block: no white space at the end of a line, no tabs that align
/// nothing, LF as line end. kubectl writes a text with trailing blanks, tabs or CRs as one quoted line.
pub fn readable(text: &str) -> String {
    let mut readable = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |line| (line, "\n"));
        readable.push_str(&line.trim_end().replace('\t', "    "));
        readable.push_str(end);
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_and_both_line_ends_are_allowed() {
        assert_eq!(forbidden("a\tb\r\nc\n\nd", ""), Ok(()));
        assert_eq!(forbidden("Größe — 大きさ ✅ e\u{301}", ""), Ok(()));
    }

    #[test]
    fn each_hidden_character_is_found_with_its_place() {
        for c in [
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            let error = forbidden(&format!("fine\nä{c}b"), "").unwrap_err();
            assert_eq!(
                (error.line, error.character, error.found),
                (2, 2, c),
                "{c:?}"
            );
            assert!(!error.to_string().contains(c), "the message repeats {c:?}");
        }
    }

    #[test]
    fn a_carriage_return_is_allowed_before_a_line_feed_only() {
        assert_eq!(forbidden("a\rb", "").unwrap_err().character, 2);
        assert!(forbidden("a\r\r\nb", "").is_err());
        assert!(forbidden("a\r", "").is_err());
    }

    #[test]
    fn a_line_that_is_in_force_is_passed_over_and_a_new_one_is_not() {
        let in_force = "# say \u{200b}cheese\nFROM scratch\n";
        assert_eq!(
            forbidden("FROM scratch\n# say \u{200b}cheese\n", in_force),
            Ok(())
        );
        assert!(forbidden("# say \u{200b}cheese!\n", in_force).is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_width_of_a_shown_line_is_that_of_its_characters(line in "\\PC*|.*|[ \t\r\u{a0}\u{202e}a]*") {
            let width: usize = line.chars().map(shown_width).sum();
            proptest::prop_assert_eq!(sanitise(&line).chars().count(), width);
        }
    }

    #[test]
    fn a_shown_line_hides_nothing_and_ends_in_no_blank() {
        assert_eq!(sanitise("a\u{202e}b\tc  "), "a\\u{202e}b\\tc··");
        assert_eq!(sanitise("a\u{a0}"), "a\\u{a0}");
        assert_eq!(sanitise("x\r"), "x\\r");
        assert_eq!(sanitise("   "), "···");
        assert_eq!(sanitise(""), "");
    }
}
