//! A proposal's road through `plan`.

use super::world::World;
use bot_bottle::{
    api::{Decision, ProposalSidecar, Tool},
    names,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const ASKED: &str = "blue-000000000001";

#[test]
fn a_new_question_is_shown_to_reviewers_and_changes_nothing() {
    let mut world = World::running();
    let before = world.file(names::file::HASH);
    world.ask_for(ASKED, "new.example.com");
    let actions = world.settle();
    assert_eq!(
        actions,
        [
            "ApplyProposalStatus",
            "ApplyConfigMap",
            "ApplyBottleStatus",
            "Notify"
        ]
    );
    let status = world.proposal(ASKED).status.clone().unwrap();
    assert_eq!(status.change, ["+new.example.com"]);
    assert_eq!(status.summary.as_deref(), Some("+new.example.com"));
    assert_eq!(world.phase(ASKED), "Pending");
    assert_eq!(
        world.bottle.status.as_ref().unwrap().pending_proposals,
        Some(1)
    );
    assert_eq!(world.file(names::file::HASH), before);
}

#[test]
fn an_approval_gets_its_sequence_before_anybody_can_see_the_grant() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.decide(ASKED, Decision::Approved);
    let actions = world.settle();
    let place = |name: &str| actions.iter().position(|one| one == name).unwrap();
    assert!(place("ApplyProposalStatus") < place("ApplyConfigMap"));
    assert!(place("ApplyConfigMap") < place("TouchPod"));
    assert_eq!(
        world.file(names::file::ALLOWLIST),
        "api.example.com\n.docs.example.org\nnew.example.com\n"
    );
    assert_eq!(
        world
            .proposal(ASKED)
            .status
            .as_ref()
            .unwrap()
            .applied_sequence,
        Some(1)
    );
}

#[test]
fn an_approval_is_enforced_only_when_the_sidecars_say_so() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.decide(ASKED, Decision::Approved);
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    assert!(world.file(names::file::DECISIONS).contains("\"approved\""));
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.phase(ASKED), "Enforced");
    world.sidecar_answers(ASKED);
    world.settle();
    assert!(!world.file(names::file::DECISIONS).contains(ASKED));
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn a_rejection_reaches_the_agent_with_its_notes() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.decide(ASKED, Decision::Rejected).notes = "use the mirror".into();
    let before = world.file(names::file::HASH);
    world.settle();
    assert_eq!(world.phase(ASKED), "Rejected");
    assert_eq!(world.file(names::file::HASH), before);
    let decisions = world.file(names::file::DECISIONS);
    assert!(
        decisions.contains("\"rejected\"") && decisions.contains("use the mirror"),
        "{decisions}"
    );
}

#[test]
fn a_persons_edit_is_what_is_applied() {
    let mut world = World::running();
    world.ask_for(ASKED, ".example.net");
    world.settle();
    world.decide(ASKED, Decision::Approved).final_file =
        Some("api.example.com\n.docs.example.org\nonly.example.net\n".into());
    world.settle();
    assert!(
        world
            .file(names::file::ALLOWLIST)
            .ends_with("only.example.net\n")
    );
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("\n.example.net")
    );
    assert!(world.file(names::file::DECISIONS).contains("\"modified\""));
    assert_eq!(
        world.proposal(ASKED).status.as_ref().unwrap().change,
        ["+only.example.net"]
    );
}

#[test]
fn a_persons_slip_is_not_applied_and_can_be_corrected() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.decide(ASKED, Decision::Approved).final_file = Some("https://new.example.com\n".into());
    world.settle();
    let status = world.proposal(ASKED).status.clone().unwrap();
    let applied = status
        .conditions
        .iter()
        .find(|one| one.type_ == "Applied")
        .unwrap();
    assert_eq!(applied.reason, names::REASON_INVALID_FINAL_FILE);
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("new.example.com")
    );
    world.proposal(ASKED).spec.final_file = Some("api.example.com\nnew.example.com\n".into());
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    assert_eq!(
        world.bottle.status.as_ref().unwrap().hidden,
        [".docs.example.org"]
    );
}

#[test]
fn a_revoked_grant_closes_the_hole() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.approve_and_enforce(ASKED);
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    assert_eq!(world.phase(ASKED), "Revoked");
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("new.example.com")
    );
}

#[test]
fn a_deleted_grant_closes_the_hole() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.approve_and_enforce(ASKED);
    world.proposals.clear();
    world.settle();
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("new.example.com")
    );
}

/// `kubectl delete` waits for other people's finalizers; the hole does not.
#[test]
fn a_grant_that_is_being_deleted_closes_the_hole_whatever_holds_its_object() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.approve_and_enforce(ASKED);
    let now = world.now;
    let metadata = &mut world.proposal(ASKED).metadata;
    metadata.finalizers = Some(vec!["example.com/stays".into()]);
    metadata.deletion_timestamp = Some(Time(now));
    world.settle();
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("new.example.com")
    );
    assert!(world.plan().actions.is_empty(), "{:?}", world.plan());
}

#[test]
fn a_grant_ends_when_its_time_is_over_and_the_plan_says_when() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    let end = "2026-03-01T10:01:00Z".parse().unwrap();
    world.proposal(ASKED).spec.expires_at = Some(end);
    world.approve_and_enforce(ASKED);
    assert_eq!(world.plan().recheck, Some(end));
    world.wait(60);
    world.settle();
    assert_eq!(world.phase(ASKED), "Expired");
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("new.example.com")
    );
}

#[test]
fn the_next_approval_gets_the_next_sequence() {
    let mut world = World::running();
    for (number, host) in [(1, "one.example.com"), (2, "two.example.com")] {
        let name = format!("blue-00000000000{number}");
        world.ask_for(&name, host);
        world.settle();
    }
    world.decide("blue-000000000002", Decision::Approved);
    world.wait(1);
    world.decide("blue-000000000001", Decision::Approved);
    world.settle();
    let sequence = |world: &mut World, name: &str| {
        world
            .proposal(name)
            .status
            .as_ref()
            .unwrap()
            .applied_sequence
    };
    assert_eq!(sequence(&mut world, "blue-000000000002"), Some(1));
    assert_eq!(sequence(&mut world, "blue-000000000001"), Some(2));
}

#[test]
fn a_question_asked_again_is_answered_again() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.decide(ASKED, Decision::Rejected);
    world.settle();
    world.sidecar_answers(ASKED);
    world.settle();
    assert!(!world.file(names::file::DECISIONS).contains(ASKED));
    world.proposal(ASKED).status.as_mut().unwrap().sidecar = Some(ProposalSidecar {
        asked: Some(2),
        answered: Some(1),
    });
    world.settle();
    assert!(world.file(names::file::DECISIONS).contains("\"asked\": 2"));
}

#[test]
fn where_no_images_are_built_an_approval_of_one_says_so_and_is_never_called_enforced() {
    let mut world = World::running();
    world.ask(
        ASKED,
        "FROM registry.example.com/agents/claude:7\nRUN true\n",
    );
    world.proposal(ASKED).spec.tool = Tool::CapabilityBlock;
    world.proposal(ASKED).spec.base_file = world.file(names::file::DOCKERFILE);
    world.settle();
    world.decide(ASKED, Decision::Approved);
    world.settle();
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.phase(ASKED), "Failed");
    let decisions = world.file(names::file::DECISIONS);
    assert!(
        decisions.contains("\"rejected\"") && decisions.contains("builds.registry"),
        "{decisions}"
    );
}

#[test]
fn another_bottle_of_the_same_name_inherits_nothing() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.approve_and_enforce(ASKED);
    world.bottle.metadata.uid = Some("another".into());
    world.pod = None;
    world.config_map = None;
    world.settle();
    assert_eq!(world.phase(ASKED), "Orphaned");
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("new.example.com")
    );
}

#[test]
fn a_false_base_file_grants_nothing() {
    let mut world = World::running();
    world.ask(
        ASKED,
        "api.example.com\n.docs.example.org\nevil.example.net\n",
    );
    world.proposal(ASKED).spec.base_file = "evil.example.net\n".into();
    world.settle();
    world.decide(ASKED, Decision::Approved);
    world.settle();
    assert!(!world.file(names::file::ALLOWLIST).contains("evil"));
}

#[test]
fn a_touch_is_repeated_until_the_sidecars_have_seen_it_but_not_for_ever() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.decide(ASKED, Decision::Approved);
    let mut touches = world
        .settle()
        .iter()
        .filter(|one| *one == "TouchPod")
        .count();
    for _ in 0..90 {
        world.wait(1);
        touches += world
            .settle()
            .iter()
            .filter(|one| *one == "TouchPod")
            .count();
    }
    assert_eq!(touches, 8);
    assert_eq!(world.plan().recheck, None);
}

#[test]
fn a_touch_is_not_repeated_once_everything_arrived() {
    let mut world = World::running();
    world.ask_for(ASKED, "new.example.com");
    world.settle();
    world.approve_and_enforce(ASKED);
    world.wait(100);
    assert_eq!(world.settle(), [""; 0]);
}
