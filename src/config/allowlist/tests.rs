//! Table tests of the rules, property tests of the whole.

use super::*;
use proptest::prelude::*;

fn declared(text: &str) -> Allowlist {
    Allowlist::parse_declared(text).unwrap()
}

fn proposed(text: &str) -> Result<Allowlist, LineError> {
    Allowlist::parse_proposed(text, &Allowlist::default())
}

/// What a proposal of this one line is refused for, and at which character.
fn refused(line: &str) -> (Rule, usize) {
    let error = proposed(&format!("# first\n{line}\n")).unwrap_err();
    assert_eq!(error.line, 2, "{line:?}");
    (error.rule, error.character)
}

#[test]
fn every_rule_names_the_character_that_breaks_it() {
    let long = "a".repeat(64);
    let many = ["abcdefgh"; 29].join(".");
    let table: &[(&str, Rule, usize)] = &[
        ("exa mple.com", Rule::Character(' '), 4),
        ("  ex\u{200b}ample.com", Rule::Character('\u{200b}'), 5),
        ("b\u{fc}cher.example", Rule::Character('\u{fc}'), 2),
        ("example.com\rx", Rule::Character('\r'), 12),
        ("user@example.com", Rule::Character('@'), 5),
        ("https://example.com", Rule::Scheme, 6),
        ("example.com/path", Rule::Path, 12),
        ("*.example.com", Rule::Wildcard, 1),
        ("example.com:8443", Rule::Port, 12),
        ("example.com:", Rule::Port, 12),
        ("[::1]", Rule::Character('['), 1),
        ("::1", Rule::Port, 1),
        ("com", Rule::SingleLabel, 1),
        (".com", Rule::SingleLabel, 2),
        ("localhost", Rule::SingleLabel, 1),
        (".co.uk", Rule::PublicSuffix, 1),
        (".CO.UK", Rule::PublicSuffix, 1),
        (".github.io", Rule::PublicSuffix, 1),
        (".", Rule::EmptyLabel, 2),
        ("..example.com", Rule::EmptyLabel, 2),
        ("a..b", Rule::EmptyLabel, 3),
        ("example.com.", Rule::TrailingDot, 12),
        ("\texample.com. ", Rule::TrailingDot, 13),
        (&format!("{long}.com"), Rule::LongLabel, 64),
        ("-a.com", Rule::DashAtEdge, 1),
        ("a-.com", Rule::DashAtEdge, 2),
        ("a.-com", Rule::DashAtEdge, 3),
        ("127.1", Rule::NumericHost, 5),
        ("0x7f.1", Rule::NumericHost, 6),
        ("1.0x7F", Rule::NumericHost, 3),
        ("1.0x", Rule::NumericHost, 3),
        ("10.0.0.1", Rule::NumericHost, 8),
        (".0.0.1", Rule::NumericHost, 6),
        (&many, Rule::TooLong, 254),
    ];
    for (line, rule, character) in table {
        assert_eq!(refused(line), (rule.clone(), *character), "{line:?}");
    }
}

#[test]
fn the_longest_names_are_accepted_and_a_leading_dot_does_not_count() {
    let label = "a".repeat(63);
    let name = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    assert_eq!(name.len(), 253);
    assert_eq!(proposed(&name).unwrap().render(), format!("{name}\n"));
    assert_eq!(proposed(&format!(".{name}")).unwrap().entries().len(), 1);
    let longer = format!("{name}b");
    assert_eq!(refused(&longer), (Rule::TooLong, 254));
}

#[test]
fn a_message_says_where_and_what_to_do_and_shows_no_raw_character() {
    let error = proposed("ok.example\nex\u{202e}ample.com\n").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("line 2, character 3: U+202E "), "{text}");
    assert!(text.is_ascii());
}

#[test]
fn comments_blank_lines_and_both_line_ends_are_read() {
    let list = proposed("# a: https://x\r\n\r\n \tA.Example.com\t\r\n.b_1.example\n \t\n").unwrap();
    assert_eq!(list.render(), "a.example.com\n.b_1.example\n");
    assert!(proposed("# nothing\n").unwrap().is_empty());
    assert!(proposed("").unwrap().is_empty());
}

#[test]
fn a_byte_order_mark_is_refused_even_before_a_comment() {
    let error = proposed("\u{feff}# x\n").unwrap_err();
    assert_eq!(error.rule, Rule::ByteOrderMark);
    assert_eq!((error.line, error.character), (1, 1));
}

#[test]
fn a_carriage_return_that_ends_no_line_is_refused() {
    assert_eq!(
        proposed("a.example\r").unwrap_err().rule,
        Rule::Character('\r')
    );
    assert_eq!(
        proposed("a.example\rb.example\n").unwrap_err().rule,
        Rule::Character('\r')
    );
}

#[test]
fn an_agent_keeps_what_the_bottle_declares_and_adds_nothing_like_it() {
    let in_force = declared("git.example.com:8443\n.github.io\n");
    let kept = "GIT.example.com:8443\n.github.io\nnew.example.com\n";
    assert!(Allowlist::parse_proposed(kept, &in_force).is_ok());
    let other_port = Allowlist::parse_proposed("git.example.com:8444\n", &in_force);
    assert_eq!(other_port.unwrap_err().rule, Rule::Port);
    let other_suffix = Allowlist::parse_proposed(".gitlab.io\n", &in_force);
    assert_eq!(other_suffix.unwrap_err().rule, Rule::PublicSuffix);
}

#[test]
fn a_bottle_declares_ports_in_one_spelling() {
    assert_eq!(
        declared("a.example:8443\n.b.example:22").render(),
        "a.example:8443\n.b.example:22\n"
    );
    for port in ["0", "08443", "65536", "", "+1", "1x", "443 "] {
        let text = format!("a.example:{port}#");
        let rule = Allowlist::parse_declared(&text).unwrap_err();
        assert_eq!(
            (rule.rule, rule.character),
            (Rule::PortNumber, 11),
            "{port:?}"
        );
    }
    for line in [
        ".co.uk",
        "localhost",
        "localhost:80",
        "127.0.0.1:80",
        "a.example.:1",
    ] {
        assert!(Allowlist::parse_declared(line).is_err(), "{line}");
    }
}

#[test]
fn a_host_opens_the_web_ports_and_a_suffix_only_what_is_below() {
    let list = declared(
        "a.example\n.b.example\nc.example:8443\nc.example\n.d.example:22\nd.example:443\n",
    );
    let table = [
        ("a.example", 443, Verdict::Web),
        ("A.eXample", 80, Verdict::Web),
        ("a.example", 8080, Verdict::PortRefused),
        ("x.a.example", 443, Verdict::HostRefused),
        ("xa.example", 443, Verdict::HostRefused),
        ("b.example", 443, Verdict::HostRefused),
        (".b.example", 443, Verdict::HostRefused),
        ("x.b.example", 443, Verdict::Web),
        ("y.x.b.example", 443, Verdict::Web),
        ("xb.example", 443, Verdict::HostRefused),
        ("c.example", 443, Verdict::Web),
        ("c.example", 8443, Verdict::Declared),
        ("x.d.example", 22, Verdict::Declared),
        ("x.d.example", 443, Verdict::PortRefused),
        ("d.example", 443, Verdict::Declared),
        ("d.example", 80, Verdict::PortRefused),
        ("a.example.", 443, Verdict::HostRefused),
        ("", 443, Verdict::HostRefused),
        ("example", 443, Verdict::HostRefused),
    ];
    for (host, port, verdict) in table {
        assert_eq!(list.allows(host, port), verdict, "{host}:{port}");
    }
}

#[test]
fn order_comments_case_and_repetition_have_no_meaning() {
    let a = declared("a.example\nb.example\n");
    assert!(same_meaning(
        &a,
        &declared("# x\nB.example\na.example\nb.example")
    ));
    assert!(!same_meaning(&a, &declared("a.example\nb.example:443\n")));
    assert!(!same_meaning(&a, &declared("a.example\n")));
}

#[test]
fn a_change_is_stored_as_text_and_a_damaged_one_opens_nothing() {
    let from = declared("a.example\nb.example\n");
    let to = declared("c.example\na.example\n.d.example:22\n");
    let change = change(&from, &to);
    assert_eq!(
        serde_json::to_value(&change).unwrap(),
        serde_json::json!({"added": ["c.example", ".d.example:22"], "removed": ["b.example"]}),
    );
    assert_eq!(
        from.apply(&change).render(),
        "a.example\nc.example\n.d.example:22\n"
    );
    let damaged = AllowlistChange {
        added: vec![".com".into(), "10.0.0.1".into(), "x\ny.example".into()],
        removed: vec!["nobody.example".into()],
    };
    assert_eq!(from.apply(&damaged), from);
}

/// Slow and plain: what `allows` has to agree with.
fn naive(list: &Allowlist, host: &str, port: u16) -> bool {
    list.entries().iter().any(|entry| {
        let name = if entry.is_suffix() {
            host.ends_with(&format!(".{}", entry.name()))
        } else {
            host == entry.name()
        };
        let ports = match entry.port() {
            Some(only) => only == port,
            None => port == 80 || port == 443,
        };
        name && ports
    })
}

fn line() -> impl Strategy<Value = String> {
    // Few labels, so that names meet.
    (
        "\\.?([ab]\\.){1,3}(example|test)",
        prop::option::of(prop::sample::select(vec![22u16, 80, 443])),
    )
        .prop_map(|(name, port)| port.map_or(name.clone(), |port| format!("{name}:{port}")))
}

fn list() -> impl Strategy<Value = Allowlist> {
    prop::collection::vec(line(), 0..8).prop_map(|lines| declared(&lines.join("\n")))
}

proptest! {
    #[test]
    fn rendered_text_reads_as_the_same_list(list in list()) {
        prop_assert_eq!(&declared(&list.render()), &list);
    }

    #[test]
    fn a_change_leads_to_its_goal_and_applying_twice_is_applying_once(from in list(), to in list()) {
        let change = change(&from, &to);
        let once = from.apply(&change);
        prop_assert!(same_meaning(&once, &to));
        prop_assert_eq!(&once.apply(&change), &once);
        prop_assert!(super::change(&from, &from).is_empty());
    }

    #[test]
    fn hashed_look_up_agrees_with_a_naive_one(
        list in list(),
        host in "([ab]\\.){1,4}(example|test)",
        port in prop::sample::select(vec![22u16, 80, 443, 8080]),
    ) {
        prop_assert_eq!(list.allows(&host, port).is_allowed(), naive(&list, &host, port));
    }

    #[test]
    fn no_input_panics_and_what_is_accepted_is_ascii(text in "\\PC{0,40}|[a-z0-9.:\\-_/\r\n#]{0,40}") {
        if let Ok(list) = Allowlist::parse_declared(&text) {
            prop_assert!(list.render().is_ascii());
        }
        let _ = proposed(&text);
    }
}
