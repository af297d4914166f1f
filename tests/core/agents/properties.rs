//! What holds for any settings, any home and any format.

use super::{PLACE, settings};
use bot_bottle::agents::{names, render, secrets};
use bot_bottle::config::seal::{Format, Fragment};
use bot_bottle::seal::document::{parse, rewrite};
use bot_bottle::seal::file::settle;
use bot_bottle::seal::merge::Rendered as Before;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any value that all four formats have: no null (TOML), no number beyond 53 bits.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-1_000_000_i64..1_000_000).prop_map(Value::from),
        "[ -~\u{e9}\n\t\u{7f}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            map(inner).prop_map(Value::from),
        ]
    })
}

fn map(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[a-z.~/ \"é]{1,6}", value, 0..4)
        .prop_map(|map| map.into_iter().collect())
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Json),
        Just(Format::Jsonc),
        Just(Format::Toml),
        Just(Format::Yaml)
    ]
}

fn kinds() -> impl Strategy<Value = &'static str> {
    prop::sample::select(names().filter(|kind| *kind != "custom").collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_change_is_written_so_that_it_is_read_again(
        format in format(), from in map(value()), to in map(value()),
    ) {
        let text = rewrite(format, "", &Map::new(), &from);
        prop_assert_eq!(&parse(format, &text), &Ok(from.clone()), "{}", text);
        let edited = rewrite(format, &text, &from, &to);
        prop_assert_eq!(parse(format, &edited), Ok(to), "{}\n->\n{}", text, edited);
    }

    #[test]
    fn merging_twice_is_merging_once_and_what_is_theirs_survives(
        kind in kinds(), home in map(value()),
    ) {
        let rendered = render(&settings(json!({"kind": kind})), &PLACE).unwrap();
        for fragment in &rendered.fragments {
            let text = rewrite(fragment.format, "", &Map::new(), &home);
            let once = settle(fragment, Some(text.as_bytes()), &Before::default());
            prop_assert!(!once.broken);
            let merged = once.text.clone().unwrap_or(text);
            let twice = settle(fragment, Some(merged.as_bytes()), &once.rendered);
            prop_assert_eq!(&twice.text, &None);
            prop_assert_eq!(&twice.rendered, &once.rendered);
            prop_assert!(twice.changed.is_empty());
            let content = parse(fragment.format, &merged).unwrap();
            for (key, value) in &home {
                if fragment.merge.get(key).is_none() {
                    prop_assert_eq!(content.get(key), Some(value));
                }
            }
            // And taking it all back leaves what was there.
            let nothing = Fragment { merge: json!({}), ..fragment.clone() };
            let back = settle(&nothing, Some(merged.as_bytes()), &once.rendered);
            let left = back.text.unwrap_or(merged);
            prop_assert!(!left.contains("http://supervise:9100/"), "{}", left);
        }
    }

    #[test]
    fn render_is_deterministic_and_a_secrets_value_stands_in_its_place_alone(
        kind in kinds(), value in "[!-~\n]{12,40}", variable in "[A-Z]{1,8}",
    ) {
        let mut with = json!({"kind": kind});
        with["mcpServers"] = json!({
            "one": {"command": "one", "env": {variable.as_str(): "${SECRET:A}"}},
            "two": {"command": "two", "env": {"PLAIN": "x"}},
        });
        let rendered = render(&settings(with.clone()), &PLACE).unwrap();
        prop_assert_eq!(&render(&settings(with), &PLACE).unwrap(), &rendered);
        let values = [("A".to_owned(), value.clone())].into();
        let mut resolved = secrets::resolve(&rendered.fragments, &values).unwrap();
        let mut found = 0;
        for fragment in &mut resolved {
            blank(&mut fragment.merge, &value, &mut found);
        }
        prop_assert_eq!(found, 1);
        let quoted = Value::from(value.as_str()).to_string();
        let rest = serde_json::to_string(&resolved).unwrap();
        prop_assert!(!rest.contains(quoted.trim_matches('"')));
        let shown = format!("{:?}{:?}", rendered.env, rendered.start);
        prop_assert!(!shown.contains(&value));
    }

    #[test]
    fn no_bytes_in_a_home_make_it_panic(kind in kinds(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let rendered = render(&settings(json!({"kind": kind})), &PLACE).unwrap();
        for fragment in &rendered.fragments {
            let outcome = settle(fragment, Some(&bytes), &Before::default());
            let text = outcome.text.unwrap();
            prop_assert!(parse(fragment.format, &text).is_ok());
        }
    }
}

/// Empties the texts that are that value.
fn blank(node: &mut Value, value: &str, found: &mut usize) {
    match node {
        Value::String(text) if text == value => {
            *found += 1;
            text.clear();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| blank(item, value, found)),
        Value::Object(map) => map.values_mut().for_each(|item| blank(item, value, found)),
        _ => {}
    }
}

#[test]
fn comments_and_order_stay() {
    let rows = [
        (
            Format::Jsonc,
            "{\n  // why\n  \"z\": 1, /* and */ \"a\": {\"x\": [1, 2,],},\n}\n",
            json!({"z": 1, "a": {"x": [1, 2], "y": true}, "new": {"k": "v"}}),
            "{\n  // why\n  \"z\": 1, /* and */ \"a\": {\n    \"x\": [1, 2,],\n    \"y\": true,\n  },\n  \"new\": {\n    \"k\": \"v\",\n  },\n}\n",
        ),
        (
            Format::Toml,
            "# top\nz = 1 # why\n\n[b] # table\nx = 1979-05-27\n",
            json!({"z": 2, "b": {"x": "1979-05-27", "y": true}, "a": {"k": {"v": 1}}}),
            "# top\nz = 2 # why\n\n[b] # table\nx = 1979-05-27\ny = true\n\n[a.k]\nv = 1\n",
        ),
        (
            Format::Toml,
            "[[s]]\nname = \"own\" # mine\n",
            json!({"s": [{"name": "own"}, {"name": "ours", "e": {"A": "b"}}]}),
            "[[s]]\nname = \"own\" # mine\n\n[[s]]\nname = \"ours\"\n\n[s.e]\nA = \"b\"\n",
        ),
    ];
    for (format, text, to, expected) in rows {
        let from = parse(format, text).unwrap();
        assert_eq!(
            rewrite(format, text, &from, to.as_object().unwrap()),
            expected
        );
    }
}

#[test]
fn a_key_that_stands_there_twice_hides_nothing() {
    let text = r#"{"mcpServers": {}, "mcpServers": {"supervise": {"url": "http://evil"}}}"#;
    let fragment = Fragment {
        path: "x".into(),
        format: Format::Json,
        merge: json!({"mcpServers": {"supervise": {"url": "http://supervise:9100/"}}}),
        entries: vec!["mcpServers".into()],
    };
    let outcome = settle(&fragment, Some(text.as_bytes()), &Before::default());
    assert!(!outcome.text.unwrap().contains("evil"));
}

#[test]
fn deep_nesting_is_a_broken_file_and_no_overflow() {
    for (format, open) in [
        (Format::Json, "{\"a\":"),
        (Format::Jsonc, "{\"a\":"),
        (Format::Toml, "a = ["),
        (Format::Toml, "["),
        (Format::Yaml, "{a: "),
    ] {
        assert!(parse(format, &open.repeat(100_000)).is_err());
    }
}
