//! `seal` and settings in every format, hostile homes, the program's own command, skills, the workspace's servers.

use crate::sealed::Sealed;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};

fn started(bottle: &Sealed, extra: &Value) -> String {
    let (exit, said) = bottle.run(extra);
    assert_eq!(exit, 0, "{said}");
    said
}

fn fragment(path: &str, format: &str, merge: &Value, entries: &[&str]) -> Value {
    json!({"path": path, "format": format, "merge": merge, "entries": entries})
}

#[test]
fn a_persons_comments_survive_in_every_format_that_has_them() {
    let bottle = Sealed::new();
    bottle.put("home/.codex/config.toml", "# mine\nmodel = \"m\" # here\n");
    bottle.put(
        "home/.qwen/settings.json",
        "{\n  // mine\n  \"theme\": 1,\n}\n",
    );
    let ours = json!({"fragments": [
        fragment(".codex/config.toml", "toml", &json!({"mcp_servers": {"s": {"url": "u"}}}), &["mcp_servers"]),
        fragment(".qwen/settings.json", "jsonc", &json!({"mcpServers": {"s": {"url": "u"}}}), &["mcpServers"]),
        fragment(".config/goose/config.yaml", "yaml", &json!({"extensions": {"s": {"uri": "u"}}}), &["extensions"]),
        fragment(".vibe/config.toml", "toml", &json!({"mcp_servers": [{"name": "s", "url": "u"}]}), &["mcp_servers"]),
    ]});
    started(&bottle, &ours);
    let toml = bottle.get("home/.codex/config.toml");
    assert_eq!(
        toml,
        "# mine\nmodel = \"m\" # here\n\n[mcp_servers.s]\nurl = \"u\"\n"
    );
    assert!(bottle.get("home/.qwen/settings.json").contains("// mine"));
    assert_eq!(
        bottle.get("home/.config/goose/config.yaml"),
        "extensions:\n  s:\n    uri: u\n"
    );
    // Drift in a list of named tables, and the way back to nothing.
    bottle.put("home/.vibe/config.toml", "[[mcp_servers]]\nname = \"s\"\nurl = \"evil\"\n\n[[mcp_servers]]\nname = \"own\"\nurl = \"o\"\n");
    let said = started(&bottle, &ours);
    assert!(
        said.contains("mcp_servers.s in .vibe/config.toml was changed"),
        "{said}"
    );
    started(&bottle, &json!({}));
    assert_eq!(
        bottle.get("home/.vibe/config.toml"),
        "[[mcp_servers]]\nname = \"own\"\nurl = \"o\"\n"
    );
    assert_eq!(
        bottle.get("home/.codex/config.toml").trim_end(),
        "# mine\nmodel = \"m\" # here\n\n[mcp_servers]"
    );
}

#[test]
fn a_fragment_of_nothing_touches_no_file() {
    let bottle = Sealed::new();
    started(
        &bottle,
        &json!({"fragments": [fragment(".x/y.json", "json", &json!({}), &["mcpServers"])]}),
    );
    assert!(!bottle.path("home/.x").exists());
}

#[test]
fn a_hostile_home_costs_its_agent_a_backup_and_nobody_time() {
    let bottle = Sealed::new();
    // A hundred megabytes, a directory, nothing that can be read, a link out.
    bottle.put("home/.claude.json", "{");
    File::options()
        .write(true)
        .open(bottle.path("home/.claude.json"))
        .unwrap()
        .set_len(100 * 1024 * 1024)
        .unwrap();
    bottle.put("home/.codex/config.toml/x", "");
    bottle.put("home/.qwen/settings.json", "{}");
    fs::set_permissions(
        bottle.path("home/.qwen/settings.json"),
        PermissionsExt::from_mode(0o000),
    )
    .unwrap();
    bottle.put("outside", "untouched");
    bottle.put("home/.gemini/x", "");
    symlink(
        bottle.path("outside"),
        bottle.path("home/.gemini/settings.json"),
    )
    .unwrap();
    bottle.own("home/.gemini/settings.json");
    let one = |path: &str, format: &str| fragment(path, format, &json!({"a": {"b": 1}}), &[]);
    let said = started(
        &bottle,
        &json!({"fragments": [
            one(".claude.json", "json"), one(".codex/config.toml", "toml"),
            one(".qwen/settings.json", "jsonc"), one(".gemini/settings.json", "jsonc"),
        ]}),
    );
    for line in [
        ".claude.json was too large",
        ".codex/config.toml was no regular file",
        ".qwen/settings.json could not be read",
        ".gemini/settings.json was no regular file",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(bottle.json("home/.claude.json"), json!({"a": {"b": 1}}));
    assert_eq!(bottle.get("home/.codex/config.toml"), "[a]\nb = 1\n");
    assert_eq!(bottle.get("outside"), "untouched");
    assert!(bottle.path("home/.codex/config.toml.bak").is_dir());
}

#[test]
fn without_room_to_write_there_is_no_agent_and_the_file_is_named() {
    let bottle = Sealed::new();
    bottle.put("home/.codex/config.toml", "x = 1\n");
    fs::set_permissions(bottle.path("home/.codex"), PermissionsExt::from_mode(0o555)).unwrap();
    let ours =
        json!({"fragments": [fragment(".codex/config.toml", "toml", &json!({"y": 1}), &[])]});
    let (exit, said) = bottle.run(&ours);
    assert_eq!(exit, 125);
    assert!(
        said.contains("could not write the settings file .codex/config.toml"),
        "{said}"
    );
    assert_eq!(bottle.get("home/.codex/config.toml"), "x = 1\n");
}

#[test]
fn a_workspaces_server_of_our_name_is_reported() {
    let bottle = Sealed::new();
    bottle.put(
        "out/.mcp.json",
        r#"{"mcpServers": {"supervise": {}, "db": {}, "theirs": {}}}"#,
    );
    nix::unistd::mkfifo(&bottle.path("out/pipe.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let file = |path: &str| json!({"path": path, "format": "json", "key": "mcpServers"});
    let said = started(
        &bottle,
        &json!({"project": {
            "directory": bottle.path("out/deep/er"), "files": [file(".mcp.json"), file("pipe.json")],
            "ours": ["db", "supervise"], "shielded": ["supervise"],
        }}),
    );
    assert!(said.contains("its MCP server supervise loses"), "{said}");
    assert!(
        said.contains("its MCP server db may stand in front"),
        "{said}"
    );
    assert!(!said.contains("theirs"), "{said}");
}

#[test]
fn the_programs_own_command_enters_servers_and_its_failure_is_a_warning() {
    let bottle = Sealed::new();
    let add = |script: &str| json!({"add": ["sh", "-c", script]});
    let said = started(
        &bottle,
        &json!({"exec": [
            add("id -u > \"$HOME/who\""),
            {"add": ["no-such-program", "mcp", "add"]},
            add("exit 3"),
        ]}),
    );
    assert_eq!(bottle.get("home/who").trim(), "1000");
    assert!(said.contains("by hand: no-such-program mcp add"), "{said}");
    assert!(said.contains("exit status: 3"), "{said}");
}

#[test]
fn a_program_that_refuses_a_name_it_knows_is_told_to_forget_it_first() {
    let bottle = Sealed::new();
    let exec = json!({"exec": [{
        "add": ["sh", "-c", "mkdir \"$HOME/entered\" && echo added >> \"$HOME/did\""],
        "remove": ["sh", "-c", "rmdir \"$HOME/entered\" && echo removed >> \"$HOME/did\""],
    }]});
    for _ in 0..2 {
        let said = started(&bottle, &exec);
        assert!(!said.contains("by hand"), "{said}");
    }
    assert_eq!(bottle.get("home/did"), "added\nremoved\nadded\n");
}

#[test]
fn skills_are_copied_and_taken_back_and_what_the_agent_added_stays() {
    let bottle = Sealed::new();
    // As a kubelet mounts a ConfigMap.
    bottle.put("skill/..2026/SKILL.md", "how");
    bottle.put("skill/..2026/old.md", "old");
    symlink("..2026", bottle.path("skill/..data")).unwrap();
    for name in ["SKILL.md", "old.md"] {
        symlink(
            format!("..data/{name}"),
            bottle.path(&format!("skill/{name}")),
        )
        .unwrap();
    }
    let skills = json!({"skills": [{"from": bottle.path("skill"), "to": ".claude/skills/fly"}]});
    started(&bottle, &skills);
    assert_eq!(bottle.get("home/.claude/skills/fly/SKILL.md"), "how");
    assert!(!bottle.path("home/.claude/skills/fly/..2026").exists());
    bottle.put("home/.claude/skills/fly/mine.md", "mine");
    bottle.put("home/.claude/skills/fly/SKILL.md", "changed");
    fs::remove_file(bottle.path("skill/old.md")).unwrap();
    started(&bottle, &skills);
    assert_eq!(bottle.get("home/.claude/skills/fly/SKILL.md"), "how");
    assert!(!bottle.path("home/.claude/skills/fly/old.md").exists());
    assert_eq!(bottle.get("home/.claude/skills/fly/mine.md"), "mine");
    // A record that names something else's file removes nothing outside HOME.
    bottle.put("victim", "untouched");
    bottle.put(
        "home/.bottle/skills.json",
        r#"["../victim", "/etc/passwd"]"#,
    );
    started(&bottle, &json!({}));
    assert_eq!(bottle.get("victim"), "untouched");
}
