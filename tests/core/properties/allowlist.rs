//! Allowlists: what is accepted, where a fault is, and changes.

use super::text::odd;
use bot_bottle::config::allowlist::{Allowlist, change, same_meaning};
use proptest::prelude::*;
use proptest::sample::select;

/// Lines that an agent may send.
fn good_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => host(),
        1 => host().prop_map(|host| format!(".{host}")),
        1 => host().prop_map(|host| format!(" \t{} ", host.to_ascii_uppercase())),
        1 => Just(String::new()),
        1 => Just(" # a comment: https://a.b:1".to_owned()),
    ]
}

pub fn host() -> impl Strategy<Value = String> {
    "[a-z0-9_]([a-z0-9_-]{0,5}[a-z0-9_])?\\.[a-c]{2}\\.example"
}

/// A line that an agent may not send, and the character at fault.
fn bad_line() -> impl Strategy<Value = (String, usize)> {
    let faults = [
        ("localhost", 1),
        (".com", 2),
        (".co.uk", 1),
        ("a..example", 3),
        ("a.example.", 10),
        ("-a.example", 1),
        ("a-.example", 2),
        ("a.example:80", 10),
        ("https://a.example", 6),
        ("*.a.example", 1),
        ("a b.example", 2),
        ("127.0.0.1", 9),
        ("a.0x1f", 3),
        ("bücher.example", 2),
        ("a.example/x", 10),
    ];
    (select(faults.to_vec()), 0..4_usize)
        .prop_map(|((line, at), indent)| (" ".repeat(indent) + line, at + indent))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place_that_is_there(text in odd()) {
        for read in [Allowlist::parse_declared(&text), Allowlist::parse_proposed(&text, &Allowlist::default())] {
            match read {
                Ok(list) => prop_assert_eq!(Allowlist::parse_declared(&list.render()).unwrap(), list),
                Err(error) => {
                    let line = text.lines().nth(error.line - 1).unwrap();
                    // One past the end is where something is missing.
                    let end = line.chars().count() + 1;
                    prop_assert!((1..=end).contains(&error.character), "{error}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_accepted_means_the_same_when_it_is_written_and_read_again(
        lines in proptest::collection::vec(good_line(), 0..20), end in select(vec!["\n", "\r\n"])
    ) {
        let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
        let list = Allowlist::parse_proposed(&text, &Allowlist::default()).unwrap();
        prop_assert_eq!(Allowlist::parse_proposed(&list.render(), &Allowlist::default()).unwrap(), list.clone());
        prop_assert_eq!(list.render(), list.to_string());
        let hosts: Vec<String> = list.hosts().collect();
        for line in lines.iter().map(|line| line.trim().to_ascii_lowercase()) {
            prop_assert!(line.is_empty() || line.starts_with('#') || hosts.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_first_fault_is_named_with_its_line_and_character(
        before in proptest::collection::vec(good_line(), 0..8),
        (bad, character) in bad_line(),
        after in proptest::collection::vec(prop_oneof![good_line(), bad_line().prop_map(|(line, _)| line)], 0..4),
        end in select(vec!["\n", "\r\n"]),
    ) {
        let line = before.len() + 1;
        let text: Vec<String> = before.into_iter().chain([bad]).chain(after).collect();
        let error = Allowlist::parse_proposed(&text.join(end), &Allowlist::default()).unwrap_err();
        prop_assert_eq!((error.line, error.character), (line, character), "{}", error);
    }

    #[test]
    fn a_line_in_force_is_accepted_whatever_it_opens_and_no_other_port_is(
        ports in proptest::collection::btree_set(1..=u16::MAX, 1..5), other in 1..=u16::MAX
    ) {
        let text: String = ports.iter().map(|port| format!("a.example:{port}\n")).collect();
        let in_force = Allowlist::parse_declared(&text).unwrap();
        prop_assert!(Allowlist::parse_proposed(&text, &in_force).is_ok());
        let more = format!("{text}a.example:{other}\n");
        prop_assert_eq!(Allowlist::parse_proposed(&more, &in_force).is_ok(), ports.contains(&other));
    }

    #[test]
    fn a_change_leads_from_one_list_to_the_other_and_twice_is_once(
        from in proptest::collection::vec(good_line(), 0..10), to in proptest::collection::vec(good_line(), 0..10)
    ) {
        let read = |lines: &[String]| Allowlist::parse_declared(&lines.join("\n")).unwrap();
        let (from, to) = (read(&from), read(&to));
        let change = change(&from, &to);
        let made = from.apply(&change);
        prop_assert!(same_meaning(&made, &to));
        prop_assert_eq!(made.apply(&change), made.clone());
        prop_assert_eq!(change.is_empty(), same_meaning(&from, &to));
        // On any other list, too: what it adds is there, what it removes is not.
        let other = Allowlist::parse_declared("kept.example\n").unwrap().apply(&change);
        prop_assert_eq!(other.apply(&change), other.clone());
        let hosts: Vec<String> = other.hosts().collect();
        prop_assert!(change.added.iter().all(|host| hosts.contains(host)));
        prop_assert!(!change.removed.iter().any(|host| hosts.contains(host)));
    }
}
