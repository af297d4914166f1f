//! The difference of two files as lines for a reviewer, bounded in every direction.

use super::{lines, sanitise, shown_width};
use similar::{Algorithm, ChangeTag, DiffOp, capture_diff_slices, group_diff_ops};

/// Lines of a diff; more than a person reads, few enough for an object in etcd.
pub const MAX_LINES: usize = 1000;
/// Characters of one line, as it is shown, before the rest is counted instead.
pub const MAX_LINE: usize = 1000;
/// Bytes of the whole diff: with two files of 128 KiB beside it, an object stays well below etcd's 1.5 MiB.
pub const MAX_TOTAL: usize = 64 * 1024;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// Above this many lines in the part that differs, it is shown as removed and added: comparing takes time that
/// grows with the square, and an agent chooses the files.
const MAX_COMPARED: usize = 6000;

/// Unified diff lines from `base` to `new`, each sanitised; empty when the files have the same lines.
///
/// What doesn't fit is cut, and the last line says so: a reviewer then reads the whole file instead.
pub fn diff(base: &str, new: &str) -> Vec<String> {
    let old: Vec<&str> = lines(base).collect();
    let new_lines: Vec<&str> = lines(new).collect();
    let mut shown = Bounded::default();
    for group in group_diff_ops(operations(&old, &new_lines), CONTEXT) {
        shown.push(&header(&group));
        for change in group
            .iter()
            .flat_map(|op| op.iter_changes(&old[..], &new_lines[..]))
        {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            shown.push(&line(sign, change.value()));
        }
    }
    if shown.lines.is_empty() && base != new {
        shown.push("(only line ends differ)");
    }
    shown.finish()
}

/// Sign and line. An empty unchanged line has no sign: it would be a blank at the end.
fn line(sign: char, text: &str) -> String {
    if sign == ' ' && text.is_empty() {
        return String::new();
    }
    // Bounded as it is shown, not as it was sent: what is spelled out takes up to ten times the room, and a line that
    // is too long for the schema would keep the operator from storing anything.
    let mut width = 0;
    let cut = text.char_indices().find(|(_, c)| {
        width += shown_width(*c);
        width > MAX_LINE
    });
    let Some((end, _)) = cut else {
        return format!("{sign}{}", sanitise(text));
    };
    format!(
        "{sign}{} … {} more characters",
        sanitise(&text[..end]),
        text[end..].chars().count()
    )
}

fn header(group: &[DiffOp]) -> String {
    let range = |start: usize, end: usize| match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        length => format!("{},{length}", start + 1),
    };
    match (group.first(), group.last()) {
        (Some(first), Some(last)) => format!(
            "@@ -{} +{} @@",
            range(first.old_range().start, last.old_range().end),
            range(first.new_range().start, last.new_range().end)
        ),
        _ => String::new(),
    }
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let suffix = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old_len, new_len) = (old_rest.len() - suffix, new_rest.len() - suffix);
    if old_len + new_len <= MAX_COMPARED {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    vec![
        DiffOp::Equal {
            old_index: 0,
            new_index: 0,
            len: prefix,
        },
        DiffOp::Replace {
            old_index: prefix,
            old_len,
            new_index: prefix,
            new_len,
        },
        DiffOp::Equal {
            old_index: prefix + old_len,
            new_index: prefix + new_len,
            len: suffix,
        },
    ]
}

/// Collects lines up to the limits and counts the rest.
#[derive(Default)]
struct Bounded {
    lines: Vec<String>,
    bytes: usize,
    cut: usize,
}

impl Bounded {
    fn push(&mut self, line: &str) {
        if self.cut > 0 || self.lines.len() >= MAX_LINES || self.bytes + line.len() > MAX_TOTAL {
            self.cut += 1;
            return;
        }
        self.bytes += line.len();
        self.lines.push(line.to_owned());
    }

    fn finish(mut self) -> Vec<String> {
        if self.cut > 0 {
            self.lines.push(format!(
                "… {} more lines are not shown here: read the whole file",
                self.cut
            ));
        }
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\n";
        assert_eq!(
            diff(old, new),
            [
                "@@ -2,7 +2,7 @@",
                " b",
                " c",
                " d",
                "-e",
                "+E",
                " f",
                " g",
                " h"
            ]
        );
    }

    #[test]
    fn an_addition_to_an_empty_file_and_its_removal_are_shown() {
        assert_eq!(diff("", "a\n"), ["@@ -0,0 +1 @@", "+a"]);
        assert_eq!(diff("a\n", ""), ["@@ -1 +0,0 @@", "-a"]);
    }

    #[test]
    fn equal_files_have_no_diff_and_other_line_ends_are_named() {
        assert!(diff("a\nb\n", "a\nb\n").is_empty());
        assert_eq!(diff("a\nb\n", "a\r\nb"), ["(only line ends differ)"]);
    }

    #[test]
    fn no_line_ends_in_white_space() {
        let shown = diff("a\n\nb \n", "a\n\nb\t\n \n");
        assert!(
            shown.iter().all(|line| line.trim_end() == line),
            "{shown:?}"
        );
        assert!(
            shown.contains(&"-b·".to_owned()) && shown.contains(&"+b\\t".to_owned()),
            "{shown:?}"
        );
    }

    #[test]
    fn a_long_line_is_cut_and_says_by_how_much() {
        let shown = diff("", &"ä".repeat(MAX_LINE + 5));
        assert!(shown[1].ends_with("ä … 5 more characters"), "{shown:?}");
    }

    #[test]
    fn a_line_of_what_is_spelled_out_is_as_short_as_others() {
        for c in ['\u{a0}', '\u{202e}', '\u{e0041}', '\t'] {
            let shown = diff("", &c.to_string().repeat(MAX_LINE));
            let width = shown[1].chars().count();
            assert!((990..1_050).contains(&width), "{c:?}: {width}");
        }
    }

    #[test]
    fn too_many_lines_are_cut_and_counted() {
        use std::fmt::Write as _;
        let new = (0..MAX_LINES + 10).fold(String::new(), |mut text, n| {
            writeln!(text, "{n}").unwrap();
            text
        });
        let shown = diff("", &new);
        assert_eq!(shown.len(), MAX_LINES + 1);
        assert_eq!(
            shown[MAX_LINES],
            "… 11 more lines are not shown here: read the whole file"
        );
    }

    #[test]
    fn files_of_many_short_different_lines_are_compared_in_bounded_work() {
        let many = |a: &str, b: &str| [a, b].join("\n").repeat(30_000);
        let shown = diff(&many("a", "b\n"), &many("c", "a\n"));
        assert!(shown.len() <= MAX_LINES + 1);
        assert!(shown.iter().map(String::len).sum::<usize>() <= MAX_TOTAL + 200);
    }
}
