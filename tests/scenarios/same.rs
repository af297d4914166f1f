//! The same Bottle file gives the same config, settings and answers in every place, byte for byte: each place is
//! compared with the same file.

use super::{FIRST, Place, manifest};
use std::fmt::Write as _;

/// What the agent sees of them, and what it is told. Rewritten with `UPDATE_GOLDEN=1`.
const GOLDEN: &str = "tests/scenarios/golden/same.txt";

#[allow(dead_code, reason = "not every place takes it away")]
/// The class of [`file`]; in a cluster it belongs to no namespace.
pub const CLASS: &str = "same-everywhere";

/// More of the spec of [`Place::new`]'s bottle, so that there is something to compare.
const SPEC: &str = r"  class: same-everywhere
  secrets: {TOKEN: {secretName: tokens, key: token}}
  routes:
    - {path: /guide/, upstream: 'https://api.example.com', auth: {scheme: Bearer, secret: TOKEN}}
  mcpServers:
    notes: {url: 'https://notes.example.com/mcp'}
    tickets: {url: 'https://tickets.example.com/mcp', token: TOKEN}
  plugins: {'lint@tools': {enabled: true}}
  marketplaces: {tools: {source: {source: github, repo: example/tools}}}
";

/// What the Bottle shares with others: a class, a skill, a company's certificates.
const SHARED: &str = r"apiVersion: bot-bottle.dev/v1alpha1
kind: BottleClass
metadata: {name: same-everywhere}
spec:
  agent:
    env: {FROM_CLASS: 'yes'}
    skills: [{name: flying, configMap: fly}]
  allowlist: [second.example.com]
  egress: {caBundle: company}
  mcpServers:
    notes: {url: 'https://elsewhere.example.com/mcp'}
    wiki: {url: 'https://wiki.example.com/mcp'}
  plugins: {'lint@tools': {enabled: false}, 'format@tools': {enabled: true}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fly}
data: {SKILL.md: how to fly}
binaryData: {wing.bin: AP8=}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: company}
data:
  ca.crt: |
";

/// The whole file, as `bottle apply -f` takes it in every place.
pub fn file() -> String {
    let mut text = SHARED.to_owned();
    for line in include_str!("company.crt").lines() {
        writeln!(text, "    {line}").unwrap();
    }
    text + "---\n" + &manifest(SPEC)
}

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
        &place.inside(
            "env | grep -i -E '^(https?|all|no)_proxy|^HOME=|_CA|CERT|^FROM_CLASS=' | sort",
        ),
    );
    for file in ["SKILL.md", "wing.bin"] {
        part(
            &format!("~/.claude/skills/flying/{file}"),
            &place.inside(&format!("od -An -c ~/.claude/skills/flying/{file}")),
        );
    }
    // Before them stand the image's own.
    let lines = include_str!("company.crt").lines().count();
    for (name, script) in [
        ("certificates", "cat $NODE_EXTRA_CA_CERTS".to_owned()),
        ("the end of all", format!("tail -n {lines} $SSL_CERT_FILE")),
    ] {
        part(name, &place.inside(&script));
    }
    part(
        "refused",
        &place.inside(&format!("curl -s http://{FIRST}/")),
    );
    part(
        "no route",
        &place.inside("curl -s http://cred-proxy:9099/other/"),
    );
    for (file, why) in [
        (place.allowlist(), "in force already"),
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
