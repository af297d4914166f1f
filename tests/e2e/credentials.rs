//! Credentials that the agent uses and never has: routes declared and proposed, a rotated secret, the model's key.

use crate::support::{Bottle, Namespace, PATIENCE, eventually, state};
use std::time::Duration;

const APPROVE: &str = "s/decision: Pending/decision: Approved/";
const TOKEN: &str = "real-token-4711";
/// A Secret's mount is refreshed by the kubelet alone, at its next look: 60 to 90 s.
const REFRESH: Duration = Duration::from_secs(150);

/// A namespace with a Secret and the outside world's authority.
fn namespace() -> Namespace {
    Namespace::with_secret("credentials", &format!("token={TOKEN}"))
}

/// Spec lines: the secret, its hosts, and the authority.
fn with_secret(more: &str) -> String {
    format!(
        "  secrets: {{TOKEN: {{secretName: credentials, key: token}}}}
  egress: {{caBundle: outside}}
{more}"
    )
}

/// What the upstream behind `url` was sent, as the agent sees it.
fn sent(bottle: &Bottle<'_>, path: &str) -> String {
    let url = format!("http://cred-proxy:9099{path}");
    bottle
        .shell(&format!(
            "curl -s -m 20 -H 'Authorization: Bearer of-the-agent' -w ' %{{http_code}}' {url}"
        ))
        .all()
}

fn routes(lines: &[&str]) -> String {
    format!("{{\"routes\": [{}]}}", lines.join(", "))
}

#[test]
fn a_proposed_route_is_in_force_when_the_call_is_answered_and_the_agent_never_has_the_token() {
    let namespace = namespace();
    let declared = "  routes: [{path: /api/, upstream: \"https://api.example.com\", auth: {scheme: Bearer, secret: TOKEN}}]\n";
    let bottle = namespace.bottle_with("demo", &["second.example.com"], &with_secret(declared));
    // The declared route: the token arrives, the agent's own header does not.
    let headers = sent(&bottle, "/api/headers");
    assert!(
        headers.contains(&format!("Bearer {TOKEN}")) && !headers.contains("of-the-agent"),
        "{headers}"
    );
    // Another one is missing: the refusal says what to call.
    let missing = sent(&bottle, "/files/headers");
    assert!(
        missing.contains("/files/")
            && missing.contains("cred-proxy-block")
            && missing.ends_with("404"),
        "{missing}"
    );
    let wanted = routes(&[
        r#"{"path": "/api/", "upstream": "https://api.example.com", "auth": {"scheme": "Bearer", "secret": "TOKEN"}}"#,
        r#"{"path": "/files/", "upstream": "https://files.example.com", "auth": {"scheme": "token", "secret": "TOKEN"}}"#,
    ]);
    let call = bottle.call("cred-proxy-block", &wanted, "the files are there");
    let proposal = bottle.pending();
    // The reviewer cannot miss that a known secret goes to another host.
    let summary = namespace.field(&proposal, ".status.summary");
    assert!(summary.starts_with("WARNING"), "{summary}");
    let warnings = namespace.field(&proposal, ".status.warnings");
    assert!(
        warnings.contains("TOKEN") && warnings.contains("files.example.com"),
        "{warnings}"
    );
    namespace.edit(&proposal, APPROVE).good();
    let answer = call.answer();
    assert!(answer.contains("status: approved"), "{answer}");
    let headers = sent(&bottle, "/files/headers");
    assert!(headers.contains(&format!("token {TOKEN}")), "{headers}");
    bottle.phase_is(&proposal, "Enforced");
    // A route opens nothing for the agent itself, and the token is nowhere in its container.
    bottle.does_not_reach("files.example.com");
    let found = bottle
        .shell(&format!(
            "grep -rls {TOKEN} /proc/[0-9]*/environ /bottle /etc/claude-bottle /run /home /tmp 2>/dev/null; env | grep {TOKEN}; true"
        ))
        .all();
    assert_eq!(found, "");
    // Revoked: gone, and the declared one stays.
    namespace
        .edit(&proposal, "s/decision: Approved/decision: Revoked/")
        .good();
    eventually("the route is gone", PATIENCE, || {
        let said = sent(&bottle, "/files/headers");
        if said.ends_with("404") {
            Ok(())
        } else {
            Err(said)
        }
    });
    assert!(sent(&bottle, "/api/headers").contains(TOKEN));
}

#[test]
fn a_rotated_secret_is_used_without_a_restart() {
    let namespace = namespace();
    let declared = "  routes: [{path: /api/, upstream: \"https://api.example.com\", auth: {scheme: Bearer, secret: TOKEN}}]\n";
    let bottle = namespace.bottle_with("demo", &["second.example.com"], &with_secret(declared));
    assert!(sent(&bottle, "/api/headers").contains(TOKEN));
    let pod = namespace.field(&format!("pod/{}", bottle.pod()), ".metadata.uid");
    let rotated = r#"{"stringData": {"token": "rotated-4712"}}"#;
    namespace
        .kubectl(["patch", "secret", "credentials", "-p", rotated])
        .good();
    eventually("the rotated token is sent", REFRESH, || {
        let said = sent(&bottle, "/api/headers");
        assert!(said.ends_with("200"), "{said}");
        if said.contains("Bearer rotated-4712") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let restarts = namespace.field(
        &format!("pod/{}", bottle.pod()),
        ".status.containerStatuses[*].restartCount",
    );
    assert_eq!(restarts, "0 0 0 0");
    assert_eq!(
        namespace.field(&format!("pod/{}", bottle.pod()), ".metadata.uid"),
        pod
    );
}

#[test]
fn the_models_key_is_sent_by_the_proxy_and_the_agent_has_a_dummy() {
    let namespace = namespace();
    let bottle = "apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {name: demo}
spec:
  agent:
    kind: claude
    image: bot-bottle/agent-example:dev
    command: [sleep, infinity]
    modelSecret: TOKEN
    modelUpstream: https://model.example.com
  allowlist: [second.example.com]
";
    namespace
        .apply(&(bottle.to_owned() + &with_secret("")))
        .good();
    let bottle = Bottle {
        namespace: &namespace,
        name: "demo".to_owned(),
    };
    bottle.ready();
    let said = bottle
        .shell(
            r#"curl -s -m 20 -H "x-api-key: $ANTHROPIC_API_KEY" -d '{"messages": []}' "$ANTHROPIC_BASE_URL/v1/messages"; echo "$ANTHROPIC_API_KEY""#,
        )
        .all();
    assert!(
        said.contains("\"role\": \"assistant\"") && !said.contains(TOKEN),
        "{said}"
    );
    let log = std::fs::read_to_string(state().join("log/outside.log")).unwrap();
    assert!(
        log.contains(&format!("model /v1/messages key x-api-key={TOKEN}")),
        "{said}"
    );
}
