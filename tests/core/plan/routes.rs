//! A proposal of routes on its way through `plan`.

use super::world::World;
use bot_bottle::{api::Decision, names};
use serde_json::{Value, json};

pub const ASKED: &str = "blue-000000000001";
pub const OTHER: &str = "blue-000000000002";

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

pub fn world() -> World {
    World::running_as(BOTTLE)
}

pub fn route(path: &str, upstream: &str) -> Value {
    json!({"path": path, "upstream": upstream})
}

pub fn with_secret(path: &str, upstream: &str, secret: &str) -> Value {
    let auth = json!({"scheme": "Bearer", "secret": secret});
    json!({"path": path, "upstream": upstream, "auth": auth})
}

/// Asked, looked at, approved; as far as the ConfigMap.
pub fn approved(world: &mut World, name: &str) {
    world.settle();
    world.decide(name, Decision::Approved);
    world.settle();
}

pub fn condition(world: &mut World, name: &str, type_: &str) -> (String, String, String) {
    let status = world.proposal(name).status.clone().unwrap();
    let found = status.conditions.iter().find(|one| one.type_ == type_);
    let found = found.unwrap_or_else(|| panic!("no condition {type_}: {status:?}"));
    (
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    )
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
    let decided = format!("\"proposal\": \"{ASKED}\"");
    assert!(!world.file(names::file::DECISIONS).contains(&decided));
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
