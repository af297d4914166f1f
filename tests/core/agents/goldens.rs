//! The exact files of every kind: `golden/agents/<kind>/`.

use super::{rendered, settings};
use crate::golden;
use bot_bottle::agents::{merge::merge, names, render};
use bot_bottle::config::seal::Format;
use bot_bottle::seal::file::settle;
use bot_bottle::seal::merge::Rendered as Before;
use serde_json::{Value, json};
use std::fmt::Write;

/// All files, commands and variables as one text.
fn text(settings: Value, existing: &dyn Fn(Format) -> Option<String>) -> String {
    let rendered = rendered(settings);
    let mut text = String::new();
    for fragment in &rendered.fragments {
        let found = existing(fragment.format).filter(|_| !fragment.path.starts_with(".bottle"));
        let found = found.as_ref().map(String::as_bytes);
        let outcome = settle(fragment, found, &Before::default());
        assert!(!outcome.broken, "{}", fragment.path);
        if let Some(content) = outcome.text {
            let _ = writeln!(text, "==> {}\n{content}", fragment.path);
        }
    }
    for (what, command) in [("start", &rendered.start), ("resume", &rendered.resume)] {
        if !command.is_empty() {
            let _ = writeln!(text, "{what}: {}", command.join(" "));
        }
    }
    for command in &rendered.exec {
        let _ = writeln!(text, "exec: {}", command.add.join(" "));
    }
    for (name, value) in &rendered.env {
        let _ = writeln!(text, "env: {name}={value}");
    }
    text
}

fn none(_: Format) -> Option<String> {
    None
}

/// With a server of each type, where the kind has a place for them.
fn servers(kind: &str) -> Value {
    json!({
        "kind": kind,
        "mcpServers": {
            "db": {"command": "db-mcp", "args": ["--read-only"], "env": {"DB_URL": "db://app:${SECRET:DB}@db/app"}},
            "docs": {"url": "https://docs.example.com/mcp", "headers": {"X-Team": "blue"}},
            "hub": {"url": "https://hub.example.com/mcp", "token": "HUB"},
        },
    })
}

fn existing(format: Format) -> Option<String> {
    let text = match format {
        Format::Json => {
            "{\n  \"theirs\": {\"b\": 1, \"a\": [1, 2]},\n  \"mcpServers\": {\"own\": {\"command\": \"own\"}}\n}\n"
        }
        Format::Jsonc => "{\n  // mine\n  \"theirs\": {\"b\": 1, \"a\": [1, 2],},\n}\n",
        Format::Toml => "# mine\ntheirs = \"x\" # here\n\n[table]\nb = 1\na = 1979-05-27\n",
        Format::Yaml => "theirs:\n  b: 1\n  a: [1, 2]\n",
    };
    Some(text.to_owned())
}

#[test]
fn each_kind_with_nothing_but_supervise() {
    for kind in names() {
        golden::check(
            &format!("agents/{kind}/supervise.txt"),
            &text(json!({"kind": kind}), &none),
        );
    }
}

#[test]
fn each_kind_without_supervise() {
    for kind in names() {
        let off = json!({"kind": kind, "supervise": false});
        golden::check(&format!("agents/{kind}/off.txt"), &text(off, &none));
    }
}

#[test]
fn each_kind_with_a_server_of_each_type() {
    for kind in names().filter(|kind| *kind != "custom") {
        golden::check(
            &format!("agents/{kind}/servers.txt"),
            &text(servers(kind), &none),
        );
    }
}

#[test]
fn each_kind_over_an_existing_home() {
    for kind in names() {
        golden::check(
            &format!("agents/{kind}/home.txt"),
            &text(json!({"kind": kind}), &existing),
        );
    }
}

#[test]
fn each_kind_with_a_class_that_overrides() {
    for kind in names().filter(|kind| *kind != "custom") {
        let mut class = servers(kind);
        class["prompt"] = json!("the class' task");
        class["modelSecret"] = Value::Null;
        let bottle = json!({"mcpServers": {
            "db": {"enabled": false}, "hub": {"enabled": false}, "docs": {"headers": {"X-Team": "red"}},
        }});
        // Not every kind takes a prompt.
        if kind == "antigravity" {
            class["prompt"] = Value::Null;
        }
        let merged = merge(&[settings(class), settings(bottle)]);
        let merged = serde_json::to_value(merged).unwrap();
        golden::check(&format!("agents/{kind}/class.txt"), &text(merged, &none));
    }
}

#[test]
fn claudes_plugins_and_marketplaces() {
    let all = json!({
        "kind": "claude", "supervise": false,
        "plugins": {"fmt@tools": {}},
        "marketplaces": {"tools": {"source": {"source": "github", "repo": "example/tools"}}},
    });
    golden::check("agents/claude/plugins.txt", &text(all, &none));
}

#[test]
fn each_kind_whose_model_is_paid_for() {
    for kind in names() {
        let with = json!({"kind": kind, "supervise": false, "modelSecret": "KEY", "model": "m-1"});
        if render(&settings(with.clone()), &super::PLACE).is_ok() {
            golden::check(&format!("agents/{kind}/model.txt"), &text(with, &none));
        }
    }
}
