//! Settings of agent programs: scopes, rules, rendered files, secrets.

mod goldens;
mod modes;
mod properties;

use bot_bottle::agents::merge::merge;
use bot_bottle::agents::secrets::{ResolveError, names_in, resolve, secrets_used};
use bot_bottle::agents::{Place, RenderError, Rendered, Settings, kind, render};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn settings(value: Value) -> Settings {
    serde_json::from_value(value).unwrap()
}

pub const PLACE: Place = Place {
    home: "/bottle/home",
    working_dir: "/bottle/workspace",
    cred_proxy: Some("http://cred-proxy:9099"),
    supervise: "http://supervise:9100/",
};

fn rendered(value: Value) -> Rendered {
    render(&settings(value), &PLACE).unwrap()
}

#[test]
fn without_supervise_there_is_no_trace_of_it() {
    for kind in bot_bottle::agents::names() {
        let rendered = format!("{:?}", rendered(json!({"kind": kind, "supervise": false})));
        assert!(!rendered.contains("supervise"), "{kind}: {rendered}");
    }
}

#[test]
fn narrower_scopes_win_by_key() {
    let builtin = settings(json!({
        "kind": "claude", "supervise": true,
        "mcpServers": {
            "kept": {"url": "https://kept.example.com"},
            "gone": {"url": "https://gone.example.com"},
            "dormant": {"enabled": false, "url": "https://dormant.example.com"},
            "turned": {"url": "https://turned.example.com", "headers": {"A": "1"}},
        },
        "plugins": {"a@m": {}, "b@m": {}},
    }));
    let class = settings(json!({
        "supervise": false,
        "mcpServers": {"gone": {"enabled": false}, "kept": {"headers": {"A": "class", "B": "class"}}},
        "plugins": {"a@m": {"enabled": false}},
    }));
    let bottle = settings(json!({
        "mcpServers": {
            "kept": {"headers": {"A": "bottle"}},
            "dormant": {"enabled": true},
            "turned": {"command": "turned"},
        },
    }));
    let expected = settings(json!({
        "kind": "claude", "supervise": false,
        "mcpServers": {
            "kept": {"url": "https://kept.example.com", "headers": {"A": "bottle", "B": "class"}},
            "dormant": {"url": "https://dormant.example.com"},
            "turned": {"command": "turned"},
        },
        "plugins": {"b@m": {}},
    }));
    assert_eq!(merge(&[builtin, class, bottle]), expected);
}

#[test]
fn a_bottle_can_bring_back_what_its_class_removed() {
    let on = settings(json!({"mcpServers": {"x": {"url": "https://x.example.com"}}}));
    let off = settings(json!({"mcpServers": {"x": {"enabled": false}}}));
    let back = settings(json!({"mcpServers": {"x": {"enabled": true}}}));
    assert_eq!(merge(&[on.clone(), off, back]), on);
}

#[test]
fn what_can_not_be_rendered_is_an_error_that_says_what_to_do() {
    let rows = [
        (json!({}), RenderError::NoKind),
        (
            json!({"kind": "emacs"}),
            RenderError::UnknownKind("emacs".into()),
        ),
        (
            json!({"kind": "custom", "plugins": {"a@m": {}}}),
            RenderError::NoSettingsFile {
                kind: "custom".into(),
                key: "plugins",
            },
        ),
        (
            json!({"kind": "claude", "mcpServers": {"supervise": {"url": "https://x"}}}),
            RenderError::ReservedServer,
        ),
        (
            json!({"kind": "claude", "mcpServers": {"a b": {"url": "https://x"}}}),
            RenderError::ServerName("a b".into()),
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {}}}),
            RenderError::ServerIncomplete {
                server: "x".into(),
                field: "url or command",
            },
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"type": "stdio"}}}),
            RenderError::ServerIncomplete {
                server: "x".into(),
                field: "command",
            },
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"url": "https://x", "env": {"A": "b"}}}}),
            RenderError::FieldOfOtherType {
                server: "x".into(),
                field: "env",
                kind: "http",
            },
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"url": "file:///etc/passwd"}}}),
            RenderError::Url("x".into()),
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"url": "https://x", "token": "T"}}}),
            RenderError::TokenNeedsCredProxy("x".into()),
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"url": "https://x", "headers": {"Authorization": "Bearer b"}}}}),
            RenderError::CredentialHeader {
                server: "x".into(),
                header: "Authorization".into(),
            },
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"url": "https://x", "headers": {"X": "${SECRET:A}"}}}}),
            RenderError::SecretOutsideEnv("mcpServers.x.headers.X".into()),
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"command": "x", "args": ["a", "${SECRET:A}"]}}}),
            RenderError::SecretOutsideEnv("mcpServers.x.args[1]".into()),
        ),
        (
            json!({"kind": "claude", "mcpServers": {"x": {"command": "x", "env": {"A": "${SECRET:../x}"}}}}),
            RenderError::MalformedSecret("mcpServers.x.env.A".into()),
        ),
        (
            json!({"kind": "claude", "marketplaces": {"m": {}}}),
            RenderError::MarketplaceWithoutSource("m".into()),
        ),
    ];
    for (input, error) in rows {
        assert_eq!(
            render(
                &settings(input.clone()),
                &Place {
                    cred_proxy: None,
                    ..PLACE
                }
            ),
            Err(error),
            "{input}"
        );
    }
}

#[test]
fn custom_reads_no_file_and_names_no_command() {
    let custom = rendered(json!({"kind": "custom"}));
    assert_eq!((custom.fragments, custom.start), (vec![], vec![]));
    assert_eq!(kind("claude").unwrap().resume, ["claude", "--continue"]);
}

#[test]
fn references_are_found_inside_a_text_and_must_be_whole() {
    assert_eq!(
        names_in("a${SECRET:A}b${SECRET:B.c-d}"),
        Ok(vec!["A", "B.c-d"])
    );
    assert_eq!(names_in("$SECRET ${HOME} {SECRET:A}"), Ok(vec![]));
    for bad in [
        "${SECRET:",
        "${SECRET:}",
        "${SECRET:a/b}",
        "${SECRET:..}",
        "${SECRET:.x}",
        "${SECRET:a b}",
    ] {
        assert!(names_in(bad).is_err(), "{bad}");
    }
}

fn with_secrets() -> Vec<bot_bottle::config::seal::Fragment> {
    let bottle = settings(json!({
        "kind": "claude",
        "mcpServers": {
            "x": {"command": "x", "env": {"ONE": "${SECRET:A}", "TWO": "<${SECRET:A}${SECRET:B}>"}},
            "y": {"command": "y", "env": {"ONE": "${SECRET:B}"}},
        },
    }));
    render(&bottle, &PLACE).unwrap().fragments
}

#[test]
fn each_secret_is_listed_with_every_place() {
    let expected = BTreeMap::from([
        (
            "A".to_owned(),
            vec![
                "mcpServers.x.env.ONE".to_owned(),
                "mcpServers.x.env.TWO".to_owned(),
            ],
        ),
        (
            "B".to_owned(),
            vec![
                "mcpServers.x.env.TWO".to_owned(),
                "mcpServers.y.env.ONE".to_owned(),
            ],
        ),
    ]);
    assert_eq!(secrets_used(&with_secrets()), expected);
}

#[test]
fn a_value_is_put_in_as_it_is_and_not_read_for_references() {
    let values = BTreeMap::from([
        ("A".to_owned(), "${SECRET:B}\"\n".to_owned()),
        ("B".to_owned(), "b".to_owned()),
    ]);
    let resolved = resolve(&with_secrets(), &values).unwrap();
    let state = resolved.iter().find(|one| one.path == ".claude.json");
    let env = &state.unwrap().merge["mcpServers"]["x"]["env"];
    assert_eq!(
        env,
        &json!({"ONE": "${SECRET:B}\"\n", "TWO": "<${SECRET:B}\"\nb>"})
    );
}

#[test]
fn a_missing_value_names_the_secret_and_its_places() {
    let values = BTreeMap::from([("A".to_owned(), "a".to_owned())]);
    let error = resolve(&with_secrets(), &values).unwrap_err();
    assert!(matches!(&error, ResolveError::Missing { name, .. } if name == "B"));
    assert_eq!(
        error.to_string(),
        "MissingSecret: B, used by mcpServers.x.env.TWO, mcpServers.y.env.ONE"
    );
}
