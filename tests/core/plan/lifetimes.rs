//! Limits, life times and retention: what protects the reviewer, and what is forgotten when.

use super::world::World;
use bot_bottle::{api::Decision, config::decisions::Decisions, names};

/// A bottle whose questions expire after two hours and are kept for a day.
const BOTTLE: &str = "
apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {name: blue, namespace: garden, uid: 5f0c6d1e-aaaa, generation: 1}
spec:
  agent:
    kind: claude
    image: registry.example.com/agents/claude:7
  allowlist: [api.example.com]
  proposals: {pendingTTL: 2h, retention: 24h}
";

fn decisions(world: &World) -> Decisions {
    serde_json::from_str(&world.file(names::file::DECISIONS)).unwrap()
}

/// `pendingLeft` and `hourLeft`.
fn left(world: &World) -> (u32, u32) {
    let limits = decisions(world).limits.unwrap();
    (limits.pending_left, limits.hour_left)
}

/// Questions `q00`, `q01`, …
fn ask(world: &mut World, count: usize) {
    for number in 0..count {
        world.ask_for(&format!("q{number:02}"), &format!("h{number}.example.net"));
    }
}

fn reason(world: &mut World, name: &str) -> String {
    let status = world.proposal(name).status.clone().unwrap_or_default();
    status.reason.unwrap_or_default()
}

#[test]
fn the_sidecar_is_told_what_is_left() {
    let mut world = World::running();
    assert_eq!(left(&world), (20, 30));
    for name in ["one", "two", "three"] {
        world.ask_for(name, &format!("{name}.example.net"));
        world.settle();
    }
    assert_eq!(left(&world), (17, 27));
    world.decide("one", Decision::Rejected);
    world.settle();
    assert_eq!(
        left(&world),
        (18, 27),
        "a decided one waits no longer, but it was asked"
    );
    world.wait(3_601);
    world.settle();
    assert_eq!(left(&world), (18, 30), "the hour is over");
}

#[test]
fn the_twenty_first_question_is_shown_when_one_of_the_others_is_decided() {
    let mut world = World::running();
    ask(&mut world, 21);
    world.settle();
    assert_eq!(world.phase("q19"), "Pending");
    assert_eq!(world.phase("q20"), "none");
    assert_eq!(reason(&mut world, "q20"), "TooManyPending");
    assert_eq!(left(&world).0, 0);
    world.decide("q03", Decision::Rejected);
    world.settle();
    assert_eq!(world.phase("q20"), "Pending");
}

#[test]
fn the_thirty_first_question_of_an_hour_is_shown_when_the_hour_is_over() {
    let mut world = World::running();
    for number in 0..31 {
        let name = format!("q{number:02}");
        world.ask_for(&name, &format!("h{number}.example.net"));
        world.settle();
        if number < 30 {
            world.decide(&name, Decision::Rejected);
            world.sidecar_answers(&name);
            world.settle();
        }
    }
    assert_eq!(reason(&mut world, "q30"), "TooManyThisHour");
    assert_eq!(left(&world), (20, 0));
    let again = world.plan().recheck.unwrap();
    assert_eq!(again.duration_since(world.now).as_secs(), 3_600);
    world.wait(3_600);
    world.settle();
    assert_eq!(world.phase("q30"), "Pending");
}

#[test]
fn a_persons_decision_on_a_question_that_is_held_back_counts() {
    let mut world = World::running();
    ask(&mut world, 21);
    world.settle();
    world.decide("q20", Decision::Approved);
    world.settle();
    assert_eq!(world.phase("q20"), "Applying");
}

#[test]
fn a_question_that_nobody_decides_expires_and_the_agent_is_told() {
    let mut world = World::running_as(BOTTLE);
    world.ask_for("late", "late.example.net");
    world.settle();
    let again = world.plan().recheck.unwrap();
    assert_eq!(again.duration_since(world.now).as_secs(), 7_200);
    world.wait(7_199);
    world.settle();
    assert_eq!(world.phase("late"), "Pending");
    world.wait(1);
    world.settle();
    assert_eq!(world.phase("late"), "Expired");
    let answer = &decisions(&world).decisions[0];
    assert_eq!(answer.status.as_str(), "rejected");
    assert_eq!(
        answer.notes,
        "nobody decided within 2h; ask again with another justification if it is still needed"
    );
}

#[test]
fn an_approval_in_the_last_moment_is_not_overtaken_by_the_expiry() {
    let mut world = World::running_as(BOTTLE);
    world.ask_for("late", "late.example.net");
    world.settle();
    world.wait(7_300);
    world.decide("late", Decision::Approved);
    world.settle();
    assert_eq!(world.phase("late"), "Applying");
}

#[test]
fn a_closed_proposal_is_removed_when_its_retention_is_over_and_a_grant_never() {
    let mut world = World::running_as(BOTTLE);
    for name in ["yes", "no"] {
        world.ask_for(name, &format!("{name}.example.net"));
    }
    world.settle();
    world.decide("no", Decision::Rejected);
    world.approve_and_enforce("yes");
    world.sidecar_answers("no");
    world.settle();
    world.wait(24 * 3_600 - 1);
    let actions = world.settle();
    assert!(!actions.contains(&"DeleteProposal".into()), "{actions:?}");
    world.wait(1);
    world.settle();
    let names: Vec<_> = world
        .proposals
        .iter()
        .map(|one| one.metadata.name.clone().unwrap())
        .collect();
    assert_eq!(names, ["yes"]);
    assert!(
        world
            .file(names::file::ALLOWLIST)
            .contains("yes.example.net")
    );
    // A revoked one is over.
    world.decide("yes", Decision::Revoked);
    world.settle();
    world.wait(24 * 3_600);
    world.settle();
    assert!(world.proposals.is_empty());
}

#[test]
fn another_bottles_trail_is_kept_for_the_retention_too() {
    let mut world = World::running_as(BOTTLE);
    world.ask_for("old", "old.example.net");
    world.proposal("old").spec.bottle_uid = "another".into();
    world.settle();
    assert_eq!(world.phase("old"), "Orphaned");
    world.wait(24 * 3_600);
    world.settle();
    assert!(world.proposals.is_empty());
}

#[test]
fn what_is_no_duration_is_named() {
    let mut world = World::new(&BOTTLE.replace("2h", "soon"));
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "InvalidSpec");
    assert!(message.contains("spec.proposals.pendingTTL"), "{message}");
}

#[test]
fn an_approval_that_is_taken_back_while_its_final_file_is_invalid_is_answered() {
    let mut world = World::running();
    world.ask_for("slip", "slip.example.net");
    world.decide("slip", Decision::Approved).final_file = Some("no-host\n".into());
    world.settle();
    assert_eq!(world.phase("slip"), "Pending");
    world.decide("slip", Decision::Revoked);
    world.settle();
    assert_eq!(world.phase("slip"), "Rejected");
    assert_eq!(decisions(&world).decisions[0].status.as_str(), "rejected");
}

#[test]
fn the_sidecar_is_told_of_a_question_that_was_deleted_and_the_pod_is_touched_once_for_it() {
    let mut world = World::running();
    for name in ["one", "two"] {
        world.ask_for(name, &format!("{name}.example.net"));
    }
    world.settle();
    assert_eq!(decisions(&world).open, ["uid-of-one", "uid-of-two"]);
    world
        .proposals
        .retain(|one| one.metadata.name.as_deref() != Some("one"));
    let done = world.settle();
    assert!(done.contains(&"TouchPod".to_owned()), "{done:?}");
    assert_eq!(decisions(&world).open, ["uid-of-two"]);
    assert_eq!(decisions(&world).deleted, ["uid-of-one"]);
    world.wait(3_601);
    world.settle();
    assert_eq!(
        decisions(&world).deleted,
        ["uid-of-one"],
        "it may have been seen by nobody yet"
    );
    // What is answered is open no more, and was not deleted.
    world.decide("two", Decision::Rejected);
    world.settle();
    world.sidecar_answers("two");
    world.settle();
    let told = decisions(&world);
    assert_eq!((told.open.len(), told.deleted.len()), (0, 1));
    assert!(world.plan().actions.is_empty());
}
