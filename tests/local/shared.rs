//! Skills and certificates from ConfigMaps of this machine: laid, missed, changed; each in the sandbox and in containers.

use crate::scenarios::manifest;
use crate::world::{PATIENCE, Place as _, Runtime, World, text, within};
use crate::{web, world};
use std::{fs, time::Duration};

const SECURE: &str = "secure.example.com";
/// How long an agent that is there takes for a line of shell.
const AT_ONCE: Duration = Duration::from_secs(3);

fn config_map(name: &str, key: &str, content: &str) -> String {
    let content = serde_json::to_string(content).unwrap();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{key}: {content}}}\n"
    )
}

/// With a skill; another number is another start of the agent.
fn with_skill(start: u32) -> String {
    let start = format!("    env: {{START: '{start}'}}\n");
    let skills = "    skills: [{name: flying, configMap: fly}]\n";
    manifest("").replace("    command:", &format!("{start}{skills}    command:"))
}

fn condition(world: &World, name: &str) -> (String, String) {
    let text = world.verb(&["get", "blue", "-o", "json"]);
    let bottle: serde_json::Value = serde_json::from_str(&text).unwrap();
    let all = bottle["status"]["conditions"].as_array().cloned();
    let found = all.unwrap_or_default().into_iter();
    let mut found = found.filter(|one| one["type"] == name);
    let one = found.next().unwrap_or_default();
    let text_of = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
    (text_of("reason"), text_of("message"))
}

/// Waits until a condition has this reason; its message.
fn comes(world: &World, name: &str, reason: &str) -> String {
    let found = within(PATIENCE, || {
        let (now, message) = condition(world, name);
        (now == reason).then_some(message)
    });
    found.unwrap_or_else(|| panic!("{name}: {:?}\n{}", condition(world, name), world.logs()))
}

/// Waits until the agent of that start is there.
fn started(world: &World, start: u32) {
    let there = within(PATIENCE, || {
        // An agent that is being ended takes a job along: it is asked again.
        let out = world.job("echo $START");
        let said = within(AT_ONCE, || fs::read_to_string(&out).ok())?;
        (said.lines().next() == Some(&*start.to_string())).then_some(())
    });
    assert!(there.is_some(), "{}", world.logs());
}

pub fn a_missing_skill_is_named_and_comes_with_the_agents_next_start(runtime: Runtime) {
    let world = World::of(runtime);
    let said = world.apply_file(&with_skill(1));
    assert!(
        said.contains("bottle blue names ConfigMap fly, which is not there yet"),
        "{said}"
    );
    started(&world, 1);
    let said = comes(&world, "SettingsIntact", "SkillNotPlaced");
    assert!(
        said.contains(".claude/skills/flying was not placed: its ConfigMap is missing or empty"),
        "{said}"
    );
    // It is mounted where the agent runs, at once, and copied at its next start.
    world.apply_file(&config_map("fly", "SKILL.md", "how to fly"));
    let mounted = |content: &str| {
        let there = within(PATIENCE, || {
            let said = world.inside("cat /run/bottle/skills/flying/SKILL.md");
            said.starts_with(content).then_some(())
        });
        assert!(
            there.is_some(),
            "{}",
            world.inside("ls -laR /run/bottle/skills")
        );
    };
    mounted("how to fly");
    let copied = || world.inside("cat ~/.claude/skills/flying/SKILL.md");
    assert!(copied().contains("No such file"), "{}", copied());
    world.apply_file(&with_skill(2));
    started(&world, 2);
    assert!(copied().starts_with("how to fly"), "{}", copied());
    comes(&world, "SettingsIntact", "Intact");

    // A changed one does the same.
    world.apply_file(&config_map("fly", "SKILL.md", "how to land"));
    mounted("how to land");
    assert!(copied().starts_with("how to fly"), "{}", copied());
    let said = world.inside("echo x >> /run/bottle/skills/flying/SKILL.md");
    assert!(!said.contains("exit 0"), "the agent wrote it: {said}");
    world.apply_file(&with_skill(3));
    started(&world, 3);
    assert!(copied().starts_with("how to land"), "{}", copied());

    // And so does one that goes.
    assert_eq!(
        world.verb(&["delete", "cm", "fly"]),
        "configmap/fly deleted\n"
    );
    world.apply_file(&with_skill(4));
    started(&world, 4);
    assert!(copied().contains("No such file"), "{}", copied());
}

pub fn certificates_are_waited_for_and_trusted(runtime: Runtime) {
    let world = World::of(runtime);
    let (address, certificate) = web::start_secure(world.address(), SECURE);
    let led = format!("--resolve={SECURE}={address}");
    let route = format!("  routes: [{{path: /secure/, upstream: 'https://{SECURE}'}}]\n");
    let own = manifest("").replace("egress: {", "egress: {caBundle: company, ") + &route;
    let output = world.try_apply_file(&own, &[&led]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("bottle blue names ConfigMap company, which is not there yet"),
        "{said}"
    );
    // As in a cluster: no sidecar, no agent, and the Bottle says what it waits for.
    let waiting = world.begin("true");
    comes(&world, "Ready", "ConfigNotEnforced");
    let named = within(PATIENCE, || {
        let (reason, message) = condition(&world, "ConfigEnforced");
        (reason == "SidecarLags" && message.contains("cred-proxy")).then_some(())
    });
    assert!(named.is_some(), "{:?}", condition(&world, "ConfigEnforced"));
    let log = match runtime {
        Runtime::Sandbox => world.verb(&["logs", "blue", "-c", "keeper"]),
        Runtime::Docker => world.verb(&["logs", "blue", "-c", "cred-proxy"]),
    };
    assert!(log.contains("ca.crt"), "{log}");
    world.apply_file(&config_map("company", "ca.crt", &certificate));
    comes(&world, "Ready", "Running");
    assert!(waiting().contains("exit 0"));
    let status = || world.inside("curl -s -m 20 http://cred-proxy:9099/secure/");
    assert!(status().starts_with(web::PAGE), "{}", status());
    let bundle = world.inside(r#"cat "$SSL_CERT_FILE""#);
    assert!(bundle.len() > 2 * certificate.len() && bundle.contains(certificate.trim()));
    assert!(
        world
            .inside(r#"cat "$NODE_EXTRA_CA_CERTS""#)
            .starts_with(&certificate)
    );

    // Another one counts when cred-proxy starts anew, and not before.
    let other = web::start_secure(world.address(), SECURE).1;
    world.apply_file(&config_map("company", "ca.crt", &other));
    let seen = within(PATIENCE, || {
        let said = world.inside(r#"cat "$NODE_EXTRA_CA_CERTS""#);
        said.starts_with(&other).then_some(())
    });
    assert!(seen.is_some());
    assert!(status().starts_with(web::PAGE), "{}", status());
    let again = own.replace("    command:", "    env: {START: '2'}\n    command:");
    assert!(world.try_apply_file(&again, &[&led]).status.success());
    started(&world, 2);
    assert!(!status().starts_with(web::PAGE), "{}", status());
}

#[test]
fn a_missing_skill_is_named_and_comes_with_the_agent_s_next_start() {
    a_missing_skill_is_named_and_comes_with_the_agents_next_start(Runtime::Sandbox);
}

#[test]
fn certificates_are_waited_for_and_trusted_in_the_sandbox() {
    certificates_are_waited_for_and_trusted(Runtime::Sandbox);
}

#[test]
fn a_process_finds_them_where_they_are() {
    let world = World::new();
    let shared = [
        config_map("fly", "SKILL.md", "how to fly"),
        config_map(
            "company",
            "ca.crt",
            include_str!("../scenarios/company.crt"),
        ),
    ];
    world.apply_file(&shared.join("---\n"));
    let spec = "{agent: {kind: claude, skills: [{name: flying, configMap: fly}], command: [bash, -c, 'cp \"$NODE_EXTRA_CA_CERTS\" extra; tail -1 \"$SSL_CERT_FILE\" > all; cp ~/.claude/skills/flying/SKILL.md skill']}, egress: {caBundle: company}}";
    let bottle = format!(
        "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {{name: blue}}\nspec: {spec}\n"
    );
    let output = world.try_apply_file(&bottle, &["--runtime=process"]);
    assert!(output.status.success(), "{}", text(&output));
    let read = |name: &str| fs::read_to_string(world.bottle().join("workspace").join(name));
    let done = within(PATIENCE, || {
        read("skill").ok().filter(|text| !text.is_empty())
    });
    assert_eq!(done.as_deref(), Some("how to fly"), "{}", world.logs());
    assert_eq!(
        read("extra").unwrap(),
        include_str!("../scenarios/company.crt")
    );
    assert_eq!(read("all").unwrap(), "-----END CERTIFICATE-----\n");
}

#[test]
fn a_config_map_that_a_cluster_would_refuse_is_refused_here() {
    let world = World::new();
    for (text, says) in [
        (
            config_map("blue-bottle", "a", "x"),
            "the name of a bottle's own",
        ),
        (
            config_map("fly", "'../../blue/bottle.yaml'", "x"),
            "must have letters, digits",
        ),
        (config_map("../fly", "a", "x"), "lower-case"),
        (
            config_map("fly", "a", "x").replace("data", "dta"),
            "has dta, which no ConfigMap has",
        ),
    ] {
        let output = world.try_apply_file(&text, &[]);
        let said = world::text(&output);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(says), "{said}");
    }
    let fixed = config_map("fly", "a", "x") + "immutable: true\n";
    assert!(world.apply_file(&fixed).contains("configmap/fly created"));
    assert!(world.apply_file(&fixed).contains("configmap/fly unchanged"));
    let output = world.try_apply_file(&config_map("fly", "a", "y"), &[]);
    assert!(world::text(&output).contains("it is immutable"));
    let yaml = world.verb(&["get", "configmap/fly", "-o", "yaml"]);
    assert!(
        yaml.contains("kind: ConfigMap") && yaml.contains("namespace: garden"),
        "{yaml}"
    );
    assert!(
        world
            .verb(&["get", "cm"])
            .starts_with("NAME   DATA   AGE\nfly    1")
    );
    assert!(
        world
            .verb(&["get", "cm", "-A", "-o", "name"])
            .contains("configmap/fly")
    );
    let all = world.verb(&["describe", "cm", "fly"]);
    assert!(all.contains("KEY") && all.contains("garden"), "{all}");
    let missing = world.command(&["delete", "cm", "swim"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(3), "{}", world::text(&missing));
}
