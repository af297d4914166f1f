//! What stands against an agent's settings, as a stranger sees it with kubectl.

use crate::support::{Bottle, Namespace, PATIENCE, eventually, state};

/// A bottle whose agent ends when it is told to, so that it starts anew in its place.
fn bottle(namespace: &Namespace, agent: &str) {
    let yaml = format!(
        "apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {{name: demo}}
spec:
  agent:
    image: bot-bottle/agent-example:dev
    command: [sleep, infinity]
{agent}
"
    );
    namespace.apply(&yaml).good();
}

/// `kubectl describe` names all of these.
#[track_caller]
fn described(namespace: &Namespace, parts: &[&str]) {
    eventually("kubectl describe names it", PATIENCE, || {
        let said = namespace.kubectl(["describe", "bottle", "demo"]).all();
        // Columns are as wide as what else stands in them.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        if parts.iter().all(|part| said.contains(part)) {
            Ok(())
        } else {
            Err(format!("{parts:?} in {said}"))
        }
    });
}

#[track_caller]
fn intact(namespace: &Namespace, status: &str, reason: &str) {
    eventually("the condition follows", PATIENCE, || {
        let path = ".status.conditions[?(@.type==\"SettingsIntact\")]";
        let said = namespace.field("bottle/demo", path);
        let wanted = [
            format!("\"status\":\"{status}\""),
            format!("\"reason\":\"{reason}\""),
        ];
        if wanted.iter().all(|part| said.contains(part)) {
            Ok(())
        } else {
            Err(said)
        }
    });
}

fn restart(bottle: &Bottle<'_>, script: &str) {
    bottle.shell(&format!("{script}; pkill sleep")).good();
}

#[test]
fn a_false_server_a_changed_entry_and_a_broken_file_are_conditions_and_events_that_name_them() {
    let namespace = Namespace::new();
    self::bottle(&namespace, "    kind: gemini\n");
    let bottle = Bottle {
        namespace: &namespace,
        name: "demo".to_owned(),
    };
    bottle.ready();
    intact(&namespace, "True", "Intact");
    restart(
        &bottle,
        r#"set -e; cd; sed -i s/9100/6666/ .gemini/settings.json
           mkdir /bottle/workspace/.gemini
           echo '{"mcpServers": {"supervise": {"httpUrl": "http://127.0.0.1:6666/"}}}' > /bottle/workspace/.gemini/settings.json"#,
    );
    intact(&namespace, "False", "Shadowed");
    described(
        &namespace,
        &[
            "/bottle/workspace/.gemini/settings.json: its MCP server supervise may stand in front",
            "mcpServers.supervise in .gemini/settings.json was changed: rendered again",
            "Warning Shadowed",
        ],
    );
    let text = bottle.shell("cat ~/.gemini/settings.json").good();
    assert!(text.contains("9100") && !text.contains("6666"), "{text}");
    // The repository is corrected, and the agent breaks its file.
    restart(
        &bottle,
        "rm -r /bottle/workspace/.gemini; echo '{ half' > ~/.gemini/settings.json",
    );
    intact(&namespace, "False", "BrokenFile");
    described(
        &namespace,
        &[
            ".gemini/settings.json was no JSON object, even with comments: kept as",
            ".bak",
        ],
    );
    assert_eq!(
        bottle
            .shell("cat ~/.gemini/settings.json.bak")
            .good()
            .trim(),
        "{ half"
    );
    // A new pod has a new home: nothing of the old one's holds.
    namespace.kubectl(["delete", "pod", "demo-bottle"]).good();
    intact(&namespace, "True", "Intact");
}

#[test]
fn a_server_of_the_workspace_that_loses_is_named_in_an_event() {
    let namespace = Namespace::new();
    self::bottle(&namespace, "    kind: opencode\n");
    let bottle = Bottle {
        namespace: &namespace,
        name: "demo".to_owned(),
    };
    bottle.ready();
    restart(
        &bottle,
        r#"echo '{"mcp": {"supervise": {"type": "remote", "url": "http://127.0.0.1:6666/"}}}' > /bottle/workspace/opencode.json"#,
    );
    intact(&namespace, "True", "ServerIgnored");
    described(
        &namespace,
        &[
            "Normal ServerIgnored",
            "/bottle/workspace/opencode.json: its MCP server supervise loses",
        ],
    );
}

#[test]
fn a_uid_without_a_line_in_passwd_is_reported_and_skills_and_certificates_arrive() {
    let namespace = Namespace::new();
    let skill = [
        "create",
        "configmap",
        "fly",
        "--from-literal=SKILL.md=how to fly",
    ];
    namespace.kubectl(skill).good();
    let authority = state().join("outside/ca.crt");
    let file = format!("--from-file=ca.crt={}", authority.display());
    let made = ["create", "configmap", "company", &file];
    namespace.kubectl(made).good();
    let company = std::fs::read_to_string(authority).unwrap();
    self::bottle(
        &namespace,
        "    kind: claude
    user: 1234
    skills: [{name: flying, configMap: fly}]
  egress: {caBundle: company}",
    );
    let bottle = Bottle {
        namespace: &namespace,
        name: "demo".to_owned(),
    };
    bottle.ready();
    intact(&namespace, "False", "NoPasswdLine");
    described(&namespace, &["no line for uid 1234"]);
    let skill = bottle.shell("cat ~/.claude/skills/flying/SKILL.md").good();
    assert_eq!(skill, "how to fly");
    // Both the image's and the company's, for programs that read one file.
    let bundle = bottle.shell(r#"cat "$SSL_CERT_FILE""#).good();
    assert!(bundle.len() > 2 * company.len() && bundle.ends_with(&company));
    let extra = bottle.shell(r#"cat "$NODE_EXTRA_CA_CERTS""#).good();
    assert_eq!(extra, company);
}

#[test]
fn a_missing_skill_is_named_and_comes_with_the_agents_next_start() {
    let namespace = Namespace::new();
    self::bottle(
        &namespace,
        "    kind: claude\n    skills: [{name: flying, configMap: fly}]",
    );
    let bottle = Bottle {
        namespace: &namespace,
        name: "demo".to_owned(),
    };
    bottle.ready();
    intact(&namespace, "False", "SkillNotPlaced");
    let sentence = "flying was not placed: its ConfigMap is missing or empty";
    described(&namespace, &[sentence]);
    let skill = ["create", "configmap", "fly", "--from-literal=SKILL.md=how"];
    namespace.kubectl(skill).good();
    // The kubelet looks for what was not there once in a minute or two.
    eventually("it is mounted", PATIENCE * 5, || {
        let said = bottle.shell("cat /run/bottle/skills/flying/SKILL.md").all();
        if said == "how" { Ok(()) } else { Err(said) }
    });
    restart(&bottle, "true");
    intact(&namespace, "True", "Intact");
    let placed = bottle.shell("cat ~/.claude/skills/flying/SKILL.md").good();
    assert_eq!(placed, "how");
}

#[test]
fn a_missing_secret_of_a_server_is_named_and_once_it_is_there_the_agent_starts() {
    let namespace = Namespace::new();
    self::bottle(
        &namespace,
        "    kind: claude
  mcpServers: {db: {command: db-server, env: {URL: \"pg://${SECRET:DB}@db\"}}}
  secrets: {DB: {secretName: database, key: password}}",
    );
    eventually("the condition names it", PATIENCE, || {
        let path = ".status.conditions[?(@.type==\"SecretsResolved\")]";
        let said = namespace.field("bottle/demo", path);
        let parts = ["\"False\"", "MissingSecret", "DB", "mcpServers.db.env.URL"];
        if parts.iter().all(|part| said.contains(part)) {
            Ok(())
        } else {
            Err(said)
        }
    });
    let pod = namespace.field(
        "pod/demo-bottle",
        ".status.containerStatuses[*].state.running",
    );
    assert_eq!(pod, "", "nothing runs without it");
    let secret = [
        "create",
        "secret",
        "generic",
        "database",
        "--from-literal=password=hunter2",
    ];
    namespace.kubectl(secret).good();
    let bottle = Bottle {
        namespace: &namespace,
        name: "demo".to_owned(),
    };
    // The kubelet tries again by itself, later and later.
    eventually("the agent starts", PATIENCE * 4, || {
        let said = bottle.shell("cat ~/.claude.json").all();
        if said.contains("pg://hunter2@db") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let all = ["get", "all,configmaps,bottles", "-o", "yaml"];
    assert!(!namespace.kubectl(all).good().contains("hunter2"));
}
