//! The same Bottle file gives the same config, settings and answers in every place, byte for byte: each place is
//! compared with the same file.

use super::{FIRST, OPEN, Place};
use std::fmt::Write as _;

/// What the agent sees of them, and what it is told. Rewritten with `UPDATE_GOLDEN=1`.
const GOLDEN: &str = "tests/scenarios/golden/same.txt";

/// More of the spec of [`Place::new`]'s bottle, so that there is something to compare.
pub const SPEC: &str = r"  secrets: {TOKEN: {secretName: tokens, key: token}}
  routes:
    - {path: /guide/, upstream: 'https://api.example.com', auth: {scheme: Bearer, secret: TOKEN}}
  mcpServers:
    notes: {url: 'https://notes.example.com/mcp'}
    tickets: {url: 'https://tickets.example.com/mcp', token: TOKEN}
  plugins: {'lint@tools': {enabled: true}}
  marketplaces: {tools: {source: {source: github, repo: example/tools}}}
";

/// Compares this place, whose config map has this data.
pub fn compare(place: &impl Place, config_map: &serde_json::Map<String, serde_json::Value>) {
    let mut text = String::new();
    let mut part = |name: &str, content: &str| {
        writeln!(text, "==== {name}\n{}", content.trim_end()).unwrap();
    };
    for (name, content) in config_map {
        part(name, content.as_str().unwrap());
    }
    for file in ["routes.json", "allowlist", "Dockerfile"] {
        part(
            &format!("as the agent sees it: {file}"),
            &place.inside(&format!("cat /etc/claude-bottle/current-config/{file}")),
        );
    }
    for file in [".claude.json", ".claude/settings.json"] {
        part(
            &format!("~/{file}"),
            &place.inside(&format!("cat ~/{file}")),
        );
    }
    part(
        "variables",
        &place.inside("env | grep -i -E '^(https?|all|no)_proxy|^HOME=' | sort"),
    );
    part(
        "refused",
        &place.inside(&format!("curl -s http://{FIRST}/")),
    );
    part(
        "no route",
        &place.inside("curl -s http://cred-proxy:9099/other/"),
    );
    for (file, why) in [
        (format!("{OPEN}\n"), "in force already"),
        ("https://x\n".to_owned(), "no host"),
    ] {
        part(why, &place.ask("pipelock-block", &file, why)());
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "differs from {GOLDEN}:\n{}",
        similar::TextDiff::from_lines(&expected, &text).unified_diff()
    );
}
