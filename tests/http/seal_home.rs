//! `seal` and the agent's home: filled from the image, settings merged, nothing followed, nothing lost.

use crate::sealed::Sealed;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn fifo(bottle: &Sealed, name: &str) {
    nix::unistd::mkfifo(&bottle.path(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bottle.own(name);
}

fn link(bottle: &Sealed, target: &str, name: &str) {
    symlink(target, bottle.path(name)).unwrap();
    bottle.own(name);
}

fn started(bottle: &Sealed, extra: &Value) -> String {
    let (exit, said) = bottle.run(extra);
    assert_eq!(exit, 0, "{said}");
    said
}

#[test]
fn absent_files_come_from_the_image_and_present_ones_stay() {
    let bottle = Sealed::new();
    bottle.put("image/.bashrc", "from the image");
    bottle.put("image/.config/tool/rc", "from the image");
    bottle.put("image/bin/tool", "#!/bin/sh\n");
    fs::set_permissions(
        bottle.path("image/bin/tool"),
        PermissionsExt::from_mode(0o4755),
    )
    .unwrap();
    link(&bottle, ".bashrc", "image/.profile");
    link(&bottle, "/etc/shadow", "image/.shadow");
    fifo(&bottle, "image/pipe");
    bottle.put("home/.config/tool/rc", "mine");
    let said = started(&bottle, &json!({}));
    assert_eq!(bottle.get("home/.bashrc"), "from the image");
    assert_eq!(bottle.get("home/.config/tool/rc"), "mine");
    let mode = fs::metadata(bottle.path("home/bin/tool"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(
        fs::read_link(bottle.path("home/.profile"))
            .unwrap()
            .to_str(),
        Some(".bashrc")
    );
    assert_eq!(
        fs::read_link(bottle.path("home/.shadow")).unwrap().to_str(),
        Some("/etc/shadow")
    );
    assert!(!bottle.path("home/pipe").exists());
    assert!(said.contains("3 new") || said.contains("4 new"), "{said}");
    assert!(said.contains("pipe"), "{said}");
    // A second start has nothing to do.
    assert!(!started(&bottle, &json!({})).contains("HOME filled"));
}

#[test]
fn a_new_image_updates_what_nobody_touched_since() {
    let bottle = Sealed::new();
    for name in ["same", "touched", "deleted"] {
        bottle.put(&format!("image/{name}"), "version 1");
    }
    link(&bottle, "v1", "image/current");
    started(&bottle, &json!({}));
    bottle.put("home/touched", "mine");
    fs::remove_file(bottle.path("home/deleted")).unwrap();
    for name in ["same", "touched", "deleted", "new"] {
        bottle.put(&format!("image/{name}"), "version 2");
    }
    fs::remove_file(bottle.path("image/current")).unwrap();
    link(&bottle, "v2", "image/current");
    let said = started(&bottle, &json!({}));
    assert_eq!(bottle.get("home/same"), "version 2");
    assert_eq!(bottle.get("home/touched"), "mine");
    assert_eq!(bottle.get("home/new"), "version 2");
    assert!(!bottle.path("home/deleted").exists());
    assert_eq!(
        fs::read_link(bottle.path("home/current")).unwrap().to_str(),
        Some("v2")
    );
    assert!(said.contains("yours is kept: touched"), "{said}");
}

#[test]
fn links_that_the_agent_left_in_its_home_lead_nowhere() {
    let bottle = Sealed::new();
    fs::create_dir(bottle.path("outside")).unwrap();
    bottle.own("outside");
    bottle.put("outside/victim", "untouched");
    let outside = bottle.path("outside");
    let outside = outside.to_str().unwrap();
    bottle.put("image/.config/rc", "from the image");
    bottle.put("image/file", "from the image");
    link(&bottle, outside, "home/.config");
    link(&bottle, &format!("{outside}/victim"), "home/file");
    link(&bottle, outside, "home/.bottle");
    link(&bottle, outside, "home/.claude");
    link(&bottle, &format!("{outside}/victim"), "home/.claude.json");
    let settings = |path: &str| json!({"path": path, "format": "json", "merge": {"a": 1}});
    let fragments =
        json!({"fragments": [settings(".claude.json"), settings(".claude/settings.json")]});
    let said = started(&bottle, &fragments);
    assert_eq!(
        fs::read_dir(bottle.path("outside")).unwrap().count(),
        1,
        "{said}"
    );
    assert_eq!(bottle.get("outside/victim"), "untouched");
    assert_eq!(bottle.json("home/.claude.json"), json!({"a": 1}));
    assert_eq!(bottle.json("home/.claude/settings.json"), json!({"a": 1}));
    assert!(bottle.path("home/.claude.bak").is_symlink());
    assert!(bottle.path("home/.claude.json.bak").is_symlink());
    assert!(said.contains(".claude.json was no regular file"), "{said}");
    // A path that leaves HOME by itself is refused.
    let (exit, said) = bottle.run(&json!({"fragments": [settings("../outside/x")]}));
    assert_eq!(exit, 125, "{said}");
    assert!(!bottle.path("outside/x").exists());
}

#[test]
fn pipes_in_the_home_hang_nobody() {
    let bottle = Sealed::new();
    bottle.put("home/.bottle/x", "");
    for name in [
        "home/.bottle/manifest.json",
        "home/.bottle/settings.json",
        "home/.bottle/failures",
    ] {
        fifo(&bottle, name);
    }
    fifo(&bottle, "home/.claude.json");
    fifo(&bottle, "home/file");
    fifo(&bottle, "home/.bottle.new");
    bottle.put("image/file", "from the image");
    let fragments =
        json!({"fragments": [{"path": ".claude.json", "format": "json", "merge": {"a": 1}}]});
    started(&bottle, &fragments);
    assert_eq!(bottle.json("home/.claude.json"), json!({"a": 1}));
}

#[test]
fn a_home_that_is_the_whole_image_is_not_copied() {
    let bottle = Sealed::new();
    assert!(started(&bottle, &json!({"imageHome": "/"})).contains("nothing is copied"));
    let parent = bottle.path("");
    assert!(started(&bottle, &json!({"imageHome": parent})).contains("nothing is copied"));
    assert!(started(&bottle, &json!({"imageHome": bottle.path("home")})).contains("HOME itself"));
    assert!(started(&bottle, &json!({"imageHome": "/no/such"})).contains("has no home"));
}

fn claude(servers: &Value, allow: &Value) -> Value {
    json!({"fragments": [{
        "path": ".claude.json", "format": "json", "entries": ["mcpServers"],
        "merge": {"mcpServers": servers, "hasCompletedOnboarding": true, "permissions": {"allow": allow}},
    }]})
}

#[test]
fn settings_are_merged_and_what_is_the_agents_survives() {
    let bottle = Sealed::new();
    bottle.put(
        "home/.claude.json",
        r#"{"numStartups": 7, "mcpServers": {"own": {"command": "own"}, "supervise": {"url": "http://evil", "x": 1}},
            "permissions": {"allow": ["Bash(ls)"], "deny": ["Read(x)"]}}"#,
    );
    fs::set_permissions(
        bottle.path("home/.claude.json"),
        PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    let ours = claude(
        &json!({"supervise": {"url": "http://supervise:9100/"}}),
        &json!(["mcp__supervise"]),
    );
    let said = started(&bottle, &ours);
    let expected = json!({
        "numStartups": 7, "hasCompletedOnboarding": true,
        "mcpServers": {"own": {"command": "own"}, "supervise": {"url": "http://supervise:9100/"}},
        "permissions": {"allow": ["Bash(ls)", "mcp__supervise"], "deny": ["Read(x)"]},
    });
    assert_eq!(bottle.json("home/.claude.json"), expected);
    assert!(
        said.contains("mcpServers.supervise in .claude.json was changed"),
        "{said}"
    );
    let mode = fs::metadata(bottle.path("home/.claude.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    // At rest nothing is written and nothing is said.
    let before = fs::metadata(bottle.path("home/.claude.json"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(!started(&bottle, &ours).contains("changed"));
    let after = fs::metadata(bottle.path("home/.claude.json"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);
}

#[test]
fn drift_is_repaired_and_reported_and_a_new_plan_is_neither() {
    let bottle = Sealed::new();
    let one = claude(
        &json!({"a": {"url": "1"}, "b": {"url": "1"}}),
        &json!(["x", "y"]),
    );
    assert!(
        !started(&bottle, &one).contains("changed"),
        "a fresh home has no drift"
    );
    let new_file = fs::metadata(bottle.path("home/.claude.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(new_file & 0o777, 0o600, "it may hold secrets");
    let two = claude(&json!({"a": {"url": "2"}}), &json!(["x"]));
    let said = started(&bottle, &two);
    assert!(!said.contains("changed"), "{said}");
    let rendered = bottle.json("home/.claude.json");
    assert_eq!(
        rendered["mcpServers"],
        json!({"a": {"url": "2"}}),
        "what is no longer rendered is gone"
    );
    assert_eq!(rendered["permissions"]["allow"], json!(["x"]));
    let mut drifted = rendered.clone();
    drifted["mcpServers"]["a"]["url"] = json!("mine");
    drifted["permissions"]["allow"] = json!([]);
    bottle.put("home/.claude.json", &drifted.to_string());
    let said = started(&bottle, &two);
    assert_eq!(bottle.json("home/.claude.json"), rendered);
    assert!(said.contains("mcpServers.a in"), "{said}");
    assert!(said.contains("permissions.allow in"), "{said}");
    // Another kind of agent: nothing of ours stays.
    started(&bottle, &json!({}));
    assert_eq!(bottle.json("home/.claude.json")["mcpServers"], json!({}));
}

#[test]
fn a_broken_settings_file_is_kept_aside() {
    let bottle = Sealed::new();
    let ours = claude(&json!({"a": {"url": "1"}}), &json!([]));
    for (broken, backup) in [
        ("{\"half\": ", ".bak"),
        ("[1]", ".bak1"),
        ("\u{feff}{}", ".bak2"),
    ] {
        bottle.put("home/.claude.json", broken);
        let said = started(&bottle, &ours);
        assert!(said.contains("was no JSON object"), "{said}");
        assert_eq!(bottle.get(&format!("home/.claude.json{backup}")), broken);
        assert_eq!(
            bottle.json("home/.claude.json")["mcpServers"],
            json!({"a": {"url": "1"}})
        );
    }
    bottle.put("home/.claude.json", " \n");
    assert!(
        !started(&bottle, &ours).contains("no JSON object"),
        "an empty file is an empty object"
    );
}

#[test]
fn what_a_file_is_called_can_not_write_into_the_log() {
    let bottle = Sealed::new();
    fifo(&bottle, "image/x\nseal: all is well\u{1b}[31m");
    let said = started(&bottle, &json!({}));
    assert!(said.contains("x\\nseal: all is well"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn the_agent_has_its_home_and_a_group_of_its_own() {
    let bottle = Sealed::new();
    let (exit, said) = bottle.sh(
        r#"test "$HOME" = "$(cd ../home && pwd)" && test "$(ps -o pgid= -p $$ | tr -d ' ')" = $$"#,
    );
    assert_eq!(exit, 0, "{said}");
}
