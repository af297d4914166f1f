//! What a Bottle declares about credentials: routes, secrets, its model.

use super::world::{BOTTLE, World};
use bot_bottle::{names, yaml};
use serde_json::json;

const AGENT: &str = "agent: {kind: claude, image: x}";
const SECRETS: &str = "secrets: {KEY: {secretName: s, key: k}, TIED: {secretName: s, key: t, hosts: [tied.example.com]}}";

fn world(spec: &str) -> World {
    let mut world = World::new(BOTTLE);
    world.bottle.spec = yaml::from_str(&format!("{{{spec}}}")).unwrap();
    world.settle();
    world
}

fn environment(world: &World, name: &str) -> Option<String> {
    let pod = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    let agent = pod.containers.iter().find(|one| one.name == "agent");
    let variables = agent.unwrap().env.iter().flatten();
    let mut found = variables.filter(|variable| variable.name == name);
    found.next().and_then(|variable| variable.value.clone())
}

#[test]
fn declared_routes_are_in_force_and_http_is_marked_by_the_operator() {
    let world = world(&format!(
        "{AGENT}, {SECRETS}, routes: [{{path: /a/, upstream: 'http://a.example.com', auth: {{query: key, secret: KEY}}}}, {{path: /b/, upstream: 'https://b.example.com:8443/c'}}]"
    ));
    assert_eq!(
        world.routes(),
        json!([
            {"path": "/a/", "upstream": "http://a.example.com", "auth": {"query": "key", "secret": "KEY"}, "plain": true},
            {"path": "/b/", "upstream": "https://b.example.com:8443/c"},
        ])
    );
}

#[test]
fn what_is_wrong_about_credentials_is_a_condition_that_says_what_to_do() {
    let rows = [
        (
            "routes: [{path: a, upstream: 'https://a.example.com'}]",
            "InvalidRoutes",
            "route 1",
        ),
        (
            "routes: [{path: /mcp/a/, upstream: 'https://a.example.com'}]",
            "InvalidRoutes",
            "mcpServers.NAME.token",
        ),
        (
            "routes: [{path: /model/, upstream: 'https://a.example.com'}]",
            "InvalidRoutes",
            "agent.modelSecret",
        ),
        (
            "routes: [{path: /a/, upstream: 'https://a.example.com'}, {path: /a/, upstream: 'https://b.example.com'}]",
            "InvalidRoutes",
            "stands twice",
        ),
        (
            "routes: [{path: /a/, upstream: 'https://a.example.com', auth: {scheme: Bearer, secret: NONE}}]",
            "MissingSecret",
            "spec.secrets.NONE",
        ),
        (
            "routes: [{path: /a/, upstream: 'https://a.example.com', auth: {scheme: Bearer, secret: TIED}}]",
            "InvalidSecret",
            "spec.secrets.TIED.hosts",
        ),
        (
            "mcpServers: {files: {command: files, env: {KEY: '${SECRET:TIED}'}}}",
            "InvalidSecret",
            "spec.secrets.TIED.hosts",
        ),
    ];
    for (spec, reason, fragment) in rows {
        let world = world(&format!("{AGENT}, {SECRETS}, {spec}"));
        let (_, found, message) = world.ready();
        assert_eq!(found, reason, "{spec}: {message}");
        assert!(message.contains(fragment), "{spec}: {message}");
        assert!(world.pod.is_none(), "{spec}");
    }
    for (agent, reason, fragment) in [
        (
            "modelSecret: NONE",
            "MissingSecret",
            "spec.agent.modelSecret",
        ),
        ("modelSecret: TIED", "InvalidSecret", "api.anthropic.com"),
        (
            "modelSecret: KEY, modelUpstream: gateway",
            "InvalidRoutes",
            "agent.modelUpstream",
        ),
        (
            "modelUpstream: 'https://gateway.example.com'",
            "Incomplete",
            "spec.agent.modelSecret",
        ),
    ] {
        let world = world(&format!(
            "agent: {{kind: claude, image: x, {agent}}}, {SECRETS}"
        ));
        let (_, found, message) = world.ready();
        assert_eq!(found, reason, "{agent}: {message}");
        assert!(message.contains(fragment), "{agent}: {message}");
    }
    for (secrets, fragment) in [
        ("{'../K': {secretName: s, key: k}}", "../K"),
        (
            "{K: {secretName: s, key: k, hosts: ['https://x.example.com']}}",
            "spec.secrets.K.hosts",
        ),
        (
            "{K: {secretName: s, key: k, hosts: [.com]}}",
            "spec.secrets.K.hosts",
        ),
    ] {
        let world = world(&format!("{AGENT}, secrets: {secrets}"));
        let (_, found, message) = world.ready();
        assert_eq!(found, "InvalidSecret", "{secrets}: {message}");
        assert!(message.contains(fragment), "{secrets}: {message}");
    }
}

#[test]
fn the_model_is_reached_through_the_proxy_with_a_dummy_key() {
    let rows = [
        (
            "kind: claude",
            "https://api.anthropic.com",
            json!({"header": "x-api-key", "template": "{secret}", "secret": "KEY"}),
            ("ANTHROPIC_BASE_URL", "http://cred-proxy:9099/model"),
            "ANTHROPIC_API_KEY",
        ),
        (
            "kind: custom, command: [a], modelApi: OpenAI",
            "https://api.openai.com",
            json!({"scheme": "Bearer", "secret": "KEY"}),
            ("OPENAI_BASE_URL", "http://cred-proxy:9099/model/v1"),
            "OPENAI_API_KEY",
        ),
        (
            "kind: custom, command: [a], modelApi: Gemini",
            "https://generativelanguage.googleapis.com",
            json!({"header": "x-goog-api-key", "template": "{secret}", "secret": "KEY"}),
            ("GOOGLE_GEMINI_BASE_URL", "http://cred-proxy:9099/model"),
            "GEMINI_API_KEY",
        ),
    ];
    for (agent, upstream, auth, (variable, address), key) in rows {
        // Not even a key that somebody left in the environment reaches the agent.
        let world = world(&format!(
            "agent: {{{agent}, image: x, modelSecret: KEY, env: {{{key}: real}}}}, {SECRETS}"
        ));
        assert_eq!(
            world.routes(),
            json!([{"path": "/model/", "upstream": upstream, "auth": auth}])
        );
        assert_eq!(environment(&world, variable).as_deref(), Some(address));
        let dummy = bot_bottle::agents::model::DUMMY_KEY;
        assert_eq!(environment(&world, key).as_deref(), Some(dummy));
    }
    let gateway = world(&format!(
        "agent: {{kind: claude, image: x, modelSecret: TIED, modelUpstream: 'http://tied.example.com/llm'}}, {SECRETS}"
    ));
    assert_eq!(
        gateway.routes()[0]["upstream"],
        "http://tied.example.com/llm"
    );
    assert_eq!(gateway.routes()[0]["plain"], true);
    let nothing = world(&format!(
        "agent: {{kind: custom, command: [a], image: x, modelSecret: KEY}}, {SECRETS}"
    ));
    assert!(nothing.ready().2.contains("spec.agent.modelApi"));
}

#[test]
fn an_agent_that_leaves_out_the_operators_routes_does_not_lose_them() {
    let mut world = world(&format!(
        "agent: {{kind: claude, image: x, modelSecret: KEY}}, {SECRETS}"
    ));
    world.kubelet_runs_all();
    world.sidecar_enforces();
    let asked = json!([{"path": "/x/", "upstream": "https://x.example.net"}]);
    world.ask_routes("blue-000000000001", &asked);
    world.settle();
    world.approve_and_enforce("blue-000000000001");
    assert_eq!(world.paths(), ["/model/", "/x/"]);
    assert!(!world.file(names::file::SEAL).contains("secretName"));
}

#[test]
fn an_http_server_with_a_token_gets_a_route_and_its_token_stays_in_the_proxy() {
    use bot_bottle::plan::routes::{Inputs, credentials};
    let of = |server: &str| {
        let servers = yaml::from_str(&format!("{{files: {server}}}")).unwrap();
        let secrets = yaml::from_str("{KEY: {secretName: s, key: k}}").unwrap();
        credentials(Inputs {
            routes: &[],
            secrets: &secrets,
            servers: &servers,
            agent: &bot_bottle::api::Agent::default(),
            kind: bot_bottle::api::AgentKind::Claude,
            fragments: &[],
        })
        .map(|found| serde_json::to_value(found.routes).unwrap()["routes"].clone())
    };
    // The query stays in the address that the agent's settings carry.
    let routes = of("{url: 'https://files.example.com/v1/mcp?team=a', token: KEY}").unwrap();
    assert_eq!(
        routes,
        json!([{
            "path": "/mcp/files/",
            "upstream": "https://files.example.com/v1/mcp",
            "auth": {"scheme": "Bearer", "secret": "KEY"},
        }])
    );
    let plain = of("{url: 'http://files.example.com/mcp', token: KEY}").unwrap();
    assert_eq!(plain[0]["plain"], true);
    for without in ["{url: 'https://files.example.com/mcp'}", "{command: files}"] {
        assert_eq!(of(without).unwrap(), json!([]));
    }
    let undeclared = of("{url: 'https://files.example.com/mcp', token: NONE}").unwrap_err();
    assert!(undeclared.to_string().contains("spec.secrets.NONE"));
}

#[test]
fn a_companys_proxy_and_certificates_are_handed_on() {
    let egress = "egress: {caBundle: company, parentProxy: 'http://proxy.example.com:3128'}";
    let world = world(&format!("{AGENT}, {egress}"));
    let file = world.file(names::file::EGRESS);
    assert!(file.contains("\"parentProxy\": \"http://proxy.example.com:3128\""));
    let pod = world.pod.clone().unwrap();
    let spec = pod.spec.unwrap();
    let of = |name: &str| spec.containers.iter().find(|one| one.name == name).unwrap();
    let args = of("cred-proxy").args.clone().unwrap();
    assert_eq!(args, ["cred-proxy", "--ca-bundle", "/run/bottle/ca/ca.crt"]);
    for (name, expected) in [("cred-proxy", true), ("agent", true), ("egress", false)] {
        let mut mounts = of(name).volume_mounts.iter().flatten();
        assert_eq!(mounts.any(|mount| mount.name == "ca"), expected, "{name}");
    }
    for wrong in [
        "https://proxy.example.com",
        "http://me:pw@proxy.example.com",
        "http://proxy.example.com/x",
        "proxy",
    ] {
        let world = self::world(&format!("{AGENT}, egress: {{parentProxy: '{wrong}'}}"));
        assert_eq!(world.ready().1, "InvalidSpec", "{wrong}");
    }
}
