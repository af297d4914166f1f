//! A proposal of routes on its way through `plan`.

use super::world::World;
use bot_bottle::{api::Decision, names};
use serde_json::{Value, json};

const ASKED: &str = "blue-000000000001";
const OTHER: &str = "blue-000000000002";

const BOTTLE: &str = "
apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {name: blue, namespace: garden, uid: 5f0c6d1e-aaaa, generation: 1}
spec:
  agent: {kind: claude, image: registry.example.com/agents/claude:7}
  allowlist: [docs.example.org]
  secrets:
    FORGE: {secretName: tokens, key: forge}
    BUILD: {secretName: tokens, key: build, hosts: [build.example.com, .build.example.net]}
    SPARE: {secretName: tokens, key: spare}
  routes:
  - {path: /forge/, upstream: 'https://forge.example.com/api', auth: {scheme: Bearer, secret: FORGE}}
  - {path: /old/, upstream: 'http://old.example.com'}
";

fn world() -> World {
    World::running_as(BOTTLE)
}

fn route(path: &str, upstream: &str) -> Value {
    json!({"path": path, "upstream": upstream})
}

fn with_secret(path: &str, upstream: &str, secret: &str) -> Value {
    let auth = json!({"scheme": "Bearer", "secret": secret});
    json!({"path": path, "upstream": upstream, "auth": auth})
}

/// Asked, looked at, approved; as far as the ConfigMap.
fn approved(world: &mut World, name: &str) {
    world.settle();
    world.decide(name, Decision::Approved);
    world.settle();
}

fn condition(world: &mut World, name: &str, type_: &str) -> (String, String, String) {
    let status = world.proposal(name).status.clone().unwrap();
    let found = status.conditions.iter().find(|one| one.type_ == type_);
    let found = found.unwrap_or_else(|| panic!("no condition {type_}: {status:?}"));
    (
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    )
}

fn warnings(world: &mut World, name: &str) -> String {
    let status = world.proposal(name).status.clone().unwrap();
    // Whoever reads only one of the two must see it as well.
    for warning in &status.warnings {
        let shown = format!("WARNING: {warning}");
        assert!(status.change.contains(&shown), "{:?}", status.change);
    }
    let summary = status.summary.clone().unwrap_or_default();
    assert_eq!(
        summary.contains("WARNING"),
        !status.warnings.is_empty(),
        "{summary}"
    );
    status.warnings.join("\n")
}

#[test]
fn an_approved_route_is_in_force_and_a_second_plan_finds_nothing() {
    let mut world = world();
    world.ask_for_route(
        ASKED,
        with_secret("/hub/", "https://hub.example.net", "SPARE"),
    );
    world.settle();
    let status = world.proposal(ASKED).status.clone().unwrap();
    assert_eq!(
        status.change.last().unwrap(),
        "+ /hub/ → https://hub.example.net (Bearer SPARE)"
    );
    assert_eq!(world.paths(), ["/forge/", "/old/"]);
    world.decide(ASKED, Decision::Approved);
    let actions = world.settle();
    let place = |name: &str| actions.iter().position(|one| one == name).unwrap();
    assert!(place("ApplyProposalStatus") < place("ApplyConfigMap"));
    assert_eq!(world.paths(), ["/forge/", "/old/", "/hub/"]);
    assert_eq!(world.file(names::file::ALLOWLIST), "docs.example.org\n");
    assert!(world.file(names::file::DECISIONS).contains("\"approved\""));
    world.sidecar_enforces();
    world.sidecar_answers(ASKED);
    world.settle();
    assert_eq!(world.phase(ASKED), "Enforced");
    assert!(world.plan().actions.is_empty());
}

#[test]
fn a_route_is_changed_and_removed_by_its_path_and_what_is_hidden_is_listed() {
    let mut world = world();
    let routes = json!([with_secret(
        "/forge/",
        "https://forge.example.com/v2",
        "FORGE"
    )]);
    world.ask_routes(ASKED, &routes);
    approved(&mut world, ASKED);
    assert_eq!(world.routes(), routes);
    let status = world.proposal(ASKED).status.clone().unwrap();
    assert_eq!(
        status.change,
        [
            "WARNING: this takes 1 route(s) away: /old/",
            "- /forge/ → https://forge.example.com/api (Bearer FORGE)",
            "+ /forge/ → https://forge.example.com/v2 (Bearer FORGE)",
            "- /old/ → http://old.example.com (no secret)",
        ]
    );
    assert_eq!(
        world.bottle.status.as_ref().unwrap().hidden,
        ["/forge/", "/old/"]
    );
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    assert_eq!(world.paths(), ["/forge/", "/old/"]);
    assert!(world.bottle.status.as_ref().unwrap().hidden.is_empty());
}

#[test]
fn grants_are_folded_in_the_order_in_which_they_were_applied() {
    let mut world = world();
    world.ask_for_route(ASKED, route("/x/", "https://one.example.net"));
    approved(&mut world, ASKED);
    world.ask_routes(
        OTHER,
        &json!([
            world.routes()[0],
            world.routes()[1],
            route("/x/", "https://two.example.net")
        ]),
    );
    // Names and times say the opposite of the sequence.
    world.wait(-3600);
    approved(&mut world, OTHER);
    assert_eq!(world.routes()[2]["upstream"], "https://two.example.net");
    assert!(world.plan().actions.is_empty());
}

#[test]
fn the_same_route_changed_since_is_a_conflict_and_nothing_of_the_file_is_applied() {
    let mut world = world();
    for (name, host) in [(ASKED, "one"), (OTHER, "two")] {
        world.ask_for_route(name, route("/x/", &format!("https://{host}.example.net")));
    }
    let also = route("/y/", "https://y.example.net");
    let file = json!({"routes": [
        world.routes()[0], world.routes()[1], route("/x/", "https://two.example.net"), also,
    ]});
    world.proposal(OTHER).spec.proposed_file = file.to_string();
    approved(&mut world, ASKED);
    // Told before anybody decides, too.
    let (valid, reason, _) = condition(&mut world, OTHER, "Valid");
    assert_eq!((valid.as_str(), reason.as_str()), ("False", "Conflict"));
    approved(&mut world, OTHER);
    assert_eq!(world.phase(OTHER), "Conflicted");
    assert_eq!(world.paths(), ["/forge/", "/old/", "/x/"]);
    assert_eq!(world.routes()[2]["upstream"], "https://one.example.net");
    let decisions = world.file(names::file::DECISIONS);
    assert!(
        decisions.contains("\"rejected\"") && decisions.contains("read the current routes.json"),
        "{decisions}"
    );
    assert!(world.plan().actions.is_empty());
}

#[test]
fn two_approvals_at_once_can_not_both_take_the_same_path() {
    let mut world = world();
    for (name, host) in [(ASKED, "one"), (OTHER, "two")] {
        world.ask_for_route(name, route("/x/", &format!("https://{host}.example.net")));
    }
    world.settle();
    world.decide(ASKED, Decision::Approved);
    world.decide(OTHER, Decision::Approved);
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    assert_eq!(world.phase(OTHER), "Conflicted");
}

#[test]
fn a_grant_ends_when_the_bottle_declares_the_path_otherwise() {
    let mut world = world();
    world.ask_for_route(ASKED, route("/x/", "https://one.example.net"));
    approved(&mut world, ASKED);
    world.sidecar_enforces();
    world.sidecar_answers(ASKED);
    world.settle();
    let declared = serde_json::from_value(route("/x/", "https://x.example.org")).unwrap();
    world.bottle.spec.routes.push(declared);
    world.settle();
    assert_eq!(world.phase(ASKED), "Conflicted");
    assert_eq!(condition(&mut world, ASKED, "Enforced").0, "False");
    assert_eq!(world.routes()[2]["upstream"], "https://x.example.org");
    assert!(world.plan().actions.is_empty());
}

#[test]
fn a_grant_stays_when_the_bottle_declares_the_very_same_route() {
    let mut world = world();
    world.ask_for_route(ASKED, route("/x/", "https://one.example.net"));
    approved(&mut world, ASKED);
    let declared = serde_json::from_value(route("/x/", "https://one.example.net")).unwrap();
    world.bottle.spec.routes.push(declared);
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    assert_eq!(world.paths(), ["/forge/", "/old/", "/x/"]);
}

#[test]
fn an_approval_of_an_undeclared_secret_waits_until_the_bottle_declares_it() {
    let mut world = world();
    world.ask_for_route(
        ASKED,
        with_secret("/x/", "https://x.example.net", "MISSING"),
    );
    world.settle();
    let (valid, reason, message) = condition(&mut world, ASKED, "Valid");
    assert_eq!(
        (valid.as_str(), reason.as_str()),
        ("False", "UndeclaredSecret")
    );
    assert!(message.contains("spec.secrets.MISSING"), "{message}");
    approved(&mut world, ASKED);
    assert_eq!(world.phase(ASKED), "Pending");
    assert_eq!(
        condition(&mut world, ASKED, "Applied").1,
        "UndeclaredSecret"
    );
    assert_eq!(world.paths(), ["/forge/", "/old/"]);
    assert!(!world.file(names::file::DECISIONS).contains(ASKED));
    assert!(world.plan().actions.is_empty());
    let secret = bot_bottle::yaml::from_str("{secretName: tokens, key: missing}").unwrap();
    world.bottle.spec.secrets.insert("MISSING".into(), secret);
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    assert_eq!(condition(&mut world, ASKED, "Applied").0, "True");
    assert_eq!(world.paths(), ["/forge/", "/old/", "/x/"]);
}

#[test]
fn what_was_approved_and_waits_for_a_secret_can_be_taken_back() {
    let mut world = world();
    world.ask_for_route(
        ASKED,
        with_secret("/x/", "https://x.example.net", "MISSING"),
    );
    approved(&mut world, ASKED);
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    assert_eq!(world.phase(ASKED), "Rejected");
}

#[test]
fn no_approval_sends_a_secret_past_its_hosts() {
    for (upstream, allowed) in [
        ("https://build.example.com/v1", true),
        ("https://BUILD.example.com:443", true),
        ("https://a.build.example.net", true),
        ("https://build.example.net", false),
        ("https://build.example.com:8443", false),
        ("https://build.example.com.evil.net", false),
        ("https://build.example.com.", false),
        ("https://203.0.113.7", false),
    ] {
        let mut world = world();
        world.ask_for_route(ASKED, with_secret("/b/", upstream, "BUILD"));
        approved(&mut world, ASKED);
        let phase = world.phase(ASKED);
        assert_eq!(phase == "Applying", allowed, "{upstream}: {phase}");
        assert_eq!(world.paths().contains(&"/b/".to_owned()), allowed);
        if !allowed {
            assert_eq!(phase, "Failed", "{upstream}");
            let decisions = world.file(names::file::DECISIONS);
            assert!(
                decisions.contains("spec.secrets.BUILD.hosts"),
                "{decisions}"
            );
        }
    }
}

#[test]
fn hosts_that_are_declared_later_end_a_grant_that_breaks_them() {
    let mut world = world();
    world.ask_for_route(ASKED, with_secret("/s/", "https://s.example.net", "SPARE"));
    approved(&mut world, ASKED);
    assert_eq!(world.phase(ASKED), "Applying");
    let spare = world.bottle.spec.secrets.get_mut("SPARE").unwrap();
    spare.hosts = vec!["elsewhere.example.net".into()];
    world.settle();
    assert_eq!(world.phase(ASKED), "Conflicted");
    assert_eq!(world.paths(), ["/forge/", "/old/"]);
}

#[test]
fn a_persons_correction_that_breaks_hosts_can_be_corrected_again() {
    let mut world = world();
    let file = |world: &World, upstream: &str| {
        let routes = [
            world.routes()[0].clone(),
            world.routes()[1].clone(),
            with_secret("/b/", upstream, "BUILD"),
        ];
        json!({"routes": routes}).to_string()
    };
    world.ask_for_route(ASKED, route("/b/", "https://build.example.com"));
    world.settle();
    let wrong = file(&world, "https://wrong.example.net");
    world.decide(ASKED, Decision::Approved).final_file = Some(wrong);
    world.settle();
    assert_eq!(
        condition(&mut world, ASKED, "Applied").1,
        names::REASON_INVALID_FINAL_FILE
    );
    let right = file(&world, "https://build.example.com");
    world.proposal(ASKED).spec.final_file = Some(right);
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    assert!(world.file(names::file::DECISIONS).contains("\"modified\""));
}

#[test]
fn what_a_reviewer_must_not_miss_is_said_in_change_summary_and_warnings() {
    let rows: &[(Value, &str)] = &[
        (
            with_secret("/f2/", "https://evil.example.net", "FORGE"),
            "FORGE would be sent to another host: evil.example.net. So far it goes to forge.example.com only",
        ),
        (
            with_secret("/f2/", "https://forge.example.com:8443", "FORGE"),
            "another host: forge.example.com:8443",
        ),
        (
            with_secret("/s/", "https://s.example.net", "SPARE"),
            "SPARE is not in use so far; this sends it to s.example.net",
        ),
        (
            route("/forge/user/", "https://u.example.net"),
            "/forge/user/ lies inside /forge/: what went there to forge.example.com goes to u.example.net",
        ),
        (
            route("/gh/", "https://api.githud.com"),
            "api.githud.com looks like github.com",
        ),
        (
            route("/gh/", "https://xn--gthub-2of.com"),
            "looks like github.com",
        ),
        (
            route("/n/", "https://203.0.113.7"),
            "203.0.113.7 is an address",
        ),
        (
            route(&format!("/{}/", "a".repeat(200)), "https://n.example.net"),
            "read it whole in the diff",
        ),
    ];
    for (asked, expected) in rows {
        let mut world = world();
        world.ask_for_route(ASKED, asked.clone());
        world.settle();
        let warnings = warnings(&mut world, ASKED);
        assert!(warnings.contains(expected), "{asked}: {warnings}");
    }
    let mut world = world();
    world.ask_for_route(
        ASKED,
        with_secret("/f2/", "https://forge.example.com/b", "FORGE"),
    );
    world.settle();
    assert_eq!(warnings(&mut world, ASKED), "");
}

#[test]
fn a_long_path_does_not_push_the_upstream_out_of_sight() {
    let mut world = world();
    let path = format!("/{}/", "a".repeat(250));
    let upstream = format!(
        "https://{}.evil.example.net/{}",
        "b".repeat(60),
        "c".repeat(900)
    );
    world.ask_for_route(ASKED, with_secret(&path, &upstream, "FORGE"));
    world.settle();
    let change = world.proposal(ASKED).status.clone().unwrap().change;
    let line = change.last().unwrap();
    assert!(
        line.contains(".evil.example.net/c") && line.ends_with("(Bearer FORGE)"),
        "{line}"
    );
    assert!(change.iter().all(|line| line.chars().count() <= 300));
}

#[test]
fn warnings_follow_what_others_change_while_a_question_waits() {
    let mut world = world();
    world.ask_for_route(ASKED, with_secret("/a/", "https://a.example.net", "SPARE"));
    world.ask_for_route(OTHER, with_secret("/b/", "https://b.example.net", "SPARE"));
    world.settle();
    assert!(warnings(&mut world, OTHER).contains("not in use so far"));
    world.decide(ASKED, Decision::Approved);
    world.settle();
    assert!(warnings(&mut world, OTHER).contains("So far it goes to a.example.net only"));
    assert!(world.plan().actions.is_empty());
}

#[test]
fn a_false_base_file_neither_grants_nor_hides_anything() {
    let mut world = world();
    let evil = json!([
        with_secret("/forge/", "https://evil.example.net", "FORGE"),
        {"path": "/inside/", "upstream": "http://169.254.169.254", "plain": true},
        with_secret("/model/", "https://evil.example.net", "FORGE"),
    ]);
    world.ask_routes(ASKED, &evil);
    world.proposal(ASKED).spec.base_file = json!({"routes": evil}).to_string();
    approved(&mut world, ASKED);
    assert_eq!(world.paths(), ["/forge/", "/old/"]);
    assert_eq!(
        world.routes()[0]["upstream"],
        "https://forge.example.com/api"
    );
    // A base that says that the secret went there before.
    let mut world = self::world();
    let before = with_secret("/f1/", "https://evil.example.net", "FORGE");
    let wanted = with_secret("/f2/", "https://evil.example.net", "FORGE");
    world.ask_routes(ASKED, &json!([before, wanted]));
    world.proposal(ASKED).spec.base_file = json!({"routes": [before]}).to_string();
    world.settle();
    let warnings = warnings(&mut world, ASKED);
    assert!(
        warnings.contains("another host: evil.example.net"),
        "{warnings}"
    );
}

#[test]
fn what_only_a_bottle_may_declare_is_refused_from_an_agent() {
    for asked in [
        route("/mcp/files/", "https://evil.example.net"),
        route("/model/", "https://evil.example.net"),
        route("/plain/", "http://evil.example.net"),
        json!({"path": "/plain/", "upstream": "http://e.example.net", "plain": true}),
        route("/hidden/", "https://e.example.net/\u{202e}"),
    ] {
        let mut world = world();
        world.ask_for_route(ASKED, asked.clone());
        world.settle();
        assert_eq!(condition(&mut world, ASKED, "Valid").0, "False", "{asked}");
        approved(&mut world, ASKED);
        assert_eq!(world.phase(ASKED), "Failed", "{asked}");
        assert_eq!(world.paths(), ["/forge/", "/old/"], "{asked}");
    }
}

#[test]
fn an_approval_waits_while_the_bottle_is_not_valid() {
    let mut world = world();
    world.ask_for_route(ASKED, route("/x/", "https://x.example.net"));
    world.settle();
    world.bottle.spec.allowlist.push("https://broken".into());
    world.decide(ASKED, Decision::Approved);
    world.settle();
    assert_eq!(world.phase(ASKED), "Pending");
    world.bottle.spec.allowlist.pop();
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
}

#[test]
fn look_alikes_suffixes_and_removals_of_hosts_are_marked_in_the_change_too() {
    let mut world = world();
    world.ask(ASKED, "githud.com\n.wide.example.net\n");
    world.settle();
    let warnings = warnings(&mut world, ASKED);
    for expected in [
        "githud.com looks like github.com",
        ".wide.example.net opens every name below it",
        "this takes 1 host(s) away: docs.example.org",
    ] {
        assert!(warnings.contains(expected), "{warnings}");
    }
    let summary = world.proposal(ASKED).status.clone().unwrap().summary;
    assert_eq!(
        summary.as_deref(),
        Some("3 WARNINGS +githud.com, +.wide.example.net, -docs.example.org")
    );
}
