//! What a reviewer is told of a proposal of routes, and what no approval can do.

use super::{
    routes::{ASKED, OTHER, approved, condition, route, with_secret, world},
    world::World,
};
use bot_bottle::{api::Decision, names};
use serde_json::{Value, json};

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
    let mut world = super::routes::world();
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
