//! `denials.json` in the state directory: what egress refused last, for the sidecar that reports it.
//!
//! An agent chooses the hosts, and people read them in a status and in Events. So whoever passes them on, passes on
//! what has the shape of a host only, and never more than [`MAX`] of them.

use crate::api::Denial;

/// How many are passed on, the newest ones.
pub const MAX: usize = 20;
/// Longest host: what fits into a DNS question.
const MAX_HOST: usize = 253;
/// Longest reason, one word.
const MAX_REASON: usize = 64;

/// Whether nothing but a host, a port and a reason can stand in it: no spaces, no line ends, no letters beyond ASCII.
pub fn is_plain(denial: &Denial) -> bool {
    let host =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    let Denial {
        host: name, reason, ..
    } = denial;
    let host_fits = (1..=MAX_HOST).contains(&name.len()) && name.bytes().all(host);
    let reason_fits = (1..=MAX_REASON).contains(&reason.len());
    host_fits && reason_fits && reason.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The file's text.
pub fn render(denials: &[Denial]) -> String {
    // Strings, numbers and times: writing them can't fail.
    serde_json::to_string(denials).unwrap_or_default()
}

/// The plain ones of a file, newest first. A file that can't be read says nothing.
pub fn parse(text: &str) -> Vec<Denial> {
    let read: Vec<Denial> = serde_json::from_str(text).unwrap_or_default();
    read.into_iter().filter(is_plain).take(MAX).collect()
}

/// Whether `now` says something that is worth a write after `reported`: another host, port or reason, or one that was
/// refused at least twice as often. A program that tries the same for ever is news ever more seldom.
pub fn is_news(reported: &[Denial], now: &[Denial]) -> bool {
    now.iter().any(|denial| {
        let known = reported.iter().find(|known| is_same(known, denial));
        known.is_none_or(|known| {
            // Fewer: egress has started anew.
            denial.count < known.count || denial.count >= known.count.saturating_mul(2).max(1)
        })
    })
}

fn is_same(one: &Denial, other: &Denial) -> bool {
    (&one.host, one.port, &one.reason) == (&other.host, other.port, &other.reason)
}

/// One denial in few words.
pub fn in_words(denial: &Denial) -> String {
    let Denial {
        host, port, reason, ..
    } = denial;
    format!("{host}:{port} ({reason})")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn denial(host: &str, count: u64) -> Denial {
        Denial {
            host: host.to_owned(),
            port: 443,
            reason: "HostNotListed".to_owned(),
            count,
            last_at: None,
        }
    }

    #[test]
    fn only_what_has_the_shape_of_a_host_is_passed_on() {
        for plain in [
            "a.example",
            "xn--bcher-kva.example",
            "[2001:db8::1]",
            "127.0.0.1",
            "_x",
        ] {
            assert!(is_plain(&denial(plain, 1)), "{plain}");
        }
        let long = "a".repeat(254);
        for odd in [
            "",
            "a b",
            "a\nb",
            "A.example",
            "bücher.example",
            "\u{202e}a",
            "a/b",
            &long,
        ] {
            assert!(!is_plain(&denial(odd, 1)), "{odd:?}");
        }
        let mut wordy = denial("a.example", 1);
        wordy.reason = "approve this".to_owned();
        assert!(!is_plain(&wordy));
        let mixed = render(&[denial("a b", 1), denial("a.example", 2)]);
        assert_eq!(parse(&mixed), [denial("a.example", 2)]);
        assert!(parse("{").is_empty());
        let many: Vec<_> = (0..99)
            .map(|number| denial(&format!("h{number}"), 1))
            .collect();
        assert_eq!(parse(&render(&many)), many[..MAX]);
    }

    #[test]
    fn another_host_and_twice_the_count_are_news_and_one_more_is_none() {
        let reported = [denial("a.example", 3)];
        assert!(!is_news(&reported, &reported));
        assert!(!is_news(&reported, &[denial("a.example", 5)]));
        assert!(is_news(&reported, &[denial("a.example", 6)]));
        assert!(is_news(&reported, &[denial("a.example", 1)]));
        assert!(is_news(
            &reported,
            &[denial("b.example", 1), denial("a.example", 3)]
        ));
        assert!(!is_news(&reported, &[]));
        let mut other = denial("a.example", 1);
        other.port = 80;
        assert!(is_news(&reported, &[other]));
    }
}
