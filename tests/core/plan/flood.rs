//! More questions than anybody could be shown: bounded work, nothing of a person lost, nothing else in the way.

use super::world::World;
use bot_bottle::{
    api::Decision,
    names,
    plan::{Action, Plan},
    proposal::surplus::{self, AT_ONCE, UNSEEN},
};

/// Questions `f00000`, `f00001`, … in the order of asking.
fn flood(world: &mut World, count: usize) {
    for number in 0..count {
        world.ask_for(&format!("f{number:05}"), &format!("h{number}.example.net"));
    }
}

fn removed(plan: &Plan) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::DeleteProposal { name, .. } => Some(name.clone()),
        _ => None,
    };
    plan.actions.iter().filter_map(name).collect()
}

fn told(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| {
        matches!(action, Action::Notify { notice, .. } if notice.reason == "QuestionsRemoved")
    })
}

/// Plans and applies until nothing is left to do; how many plans that took, and the longest of them.
fn settle(world: &mut World) -> (usize, usize) {
    let (mut plans, mut longest) = (0, 0);
    loop {
        let plan = world.plan();
        if plan.actions.is_empty() {
            return (plans, longest);
        }
        plans += 1;
        longest = longest.max(plan.actions.len());
        assert!(plans < 1_000, "never comes to rest");
        for action in plan.actions {
            world.apply(action);
        }
    }
}

#[test]
fn a_flood_is_removed_a_few_at_a_time_and_the_first_questions_stay() {
    let mut world = World::running();
    flood(&mut world, 2_000);
    let first = world.plan();
    assert_eq!(removed(&first).len(), AT_ONCE);
    assert_eq!(first.recheck, Some(world.now), "it goes on at once");
    assert!(!told(&first), "once, when it is over");
    let (plans, longest) = settle(&mut world);
    assert!(plans > 2_000 / AT_ONCE - 5, "{plans}");
    // Sixty statuses, twenty Events of new questions, config, touch, the Bottle's status: however many there are.
    assert!(longest < AT_ONCE + UNSEEN + 40, "{longest}");
    assert_eq!(world.proposals.len(), UNSEEN + 20);
    assert_eq!(world.phase("f00000"), "Pending");
    assert_eq!(world.phase("f00019"), "Pending");
    assert_eq!(world.phase("f00020"), "none");
    assert!(world.file(names::file::DECISIONS).len() < 20_000);
}

#[test]
fn people_are_told_once_it_is_over() {
    let mut world = World::running();
    flood(&mut world, UNSEEN + AT_ONCE);
    let plan = world.plan();
    assert_eq!(removed(&plan).len(), AT_ONCE);
    assert!(told(&plan));
}

#[test]
fn as_many_as_an_honest_sidecar_may_ask_are_all_kept() {
    let mut world = World::running();
    flood(&mut world, UNSEEN);
    assert_eq!(removed(&world.plan()), [""; 0]);
    settle(&mut world);
    assert_eq!(world.proposals.len(), UNSEEN);
}

#[test]
fn what_a_person_has_seen_or_decided_is_never_removed() {
    let mut world = World::running();
    world.ask_for("seen", "seen.example.net");
    world.settle();
    flood(&mut world, 300);
    // Found by its name, and decided though it was never shown.
    world.decide("f00250", Decision::Approved);
    assert!(!removed(&world.plan()).contains(&"f00250".to_owned()));
    settle(&mut world);
    assert_eq!(world.phase("seen"), "Pending");
    assert_eq!(world.phase("f00250"), "Applying");
    assert!(
        world
            .file(names::file::ALLOWLIST)
            .contains("h250.example.net")
    );
}

#[test]
fn a_decision_that_falls_meanwhile_saves_its_question() {
    let mut world = World::running();
    flood(&mut world, UNSEEN + 1);
    let last = world.proposals.last_mut().unwrap();
    last.metadata.resource_version = Some("7".into());
    let plan = world.plan();
    let version = plan.actions.iter().find_map(|action| match action {
        Action::DeleteProposal { version, .. } => version.clone(),
        _ => None,
    });
    assert_eq!(version.as_deref(), Some("7"));
}

#[test]
fn one_whose_files_were_left_out_is_removed_whatever_its_place() {
    let mut world = World::running();
    flood(&mut world, 2);
    world.proposal("f00000").spec.proposed_file = String::new();
    assert_eq!(removed(&world.plan()), ["f00000"]);
}

/// What is deleted stays in etcd for a while: a quota bounds a flood only if what is large makes no room at once.
#[test]
fn the_largest_stay_until_etcd_has_forgotten_as_many_and_smaller_ones_the_shorter() {
    const LARGEST: usize = 128 * 1024;
    let mut world = World::running();
    flood(&mut world, UNSEEN);
    settle(&mut world);
    // In the place of those that are shown now.
    for number in 0..20 {
        world.ask_for(&format!("e{number:05}"), &format!("e{number}.example.net"));
    }
    let made = world.now;
    for (name, size) in [("f90000", LARGEST), ("f90001", LARGEST / 2)] {
        world.ask_for(name, "large.example.net");
        let spec = &mut world.proposal(name).spec;
        spec.proposed_file = "x".repeat(size);
        spec.base_file.clone_from(&spec.proposed_file);
    }
    // As a cache holds it.
    surplus::leave_out(world.proposal("f90001"));
    let plan = world.plan();
    assert_eq!(removed(&plan), [""; 0]);
    let after = |seconds: i64| {
        made.checked_add(jiff::SignedDuration::from_secs(seconds))
            .ok()
    };
    assert_eq!(plan.recheck, after(300));
    world.wait(300);
    let plan = world.plan();
    assert_eq!(removed(&plan), ["f90001"]);
    assert!(told(&plan), "a flood that goes on is told of, too");
    world.settle();
    world.wait(299);
    assert_eq!(removed(&world.plan()), [""; 0]);
    world.wait(1);
    let plan = world.plan();
    assert_eq!(removed(&plan), ["f90000"]);
    assert!(told(&plan));
}

/// Each removal is told of, so they come together.
#[test]
fn those_that_stay_go_together_every_half_minute() {
    let mut world = World::running();
    flood(&mut world, UNSEEN);
    settle(&mut world);
    for number in 0..20 {
        world.ask_for(&format!("e{number:05}"), &format!("e{number}.example.net"));
    }
    world.settle();
    let from = world.now;
    for number in 0..20 {
        let name = format!("f9{number:04}");
        world.ask_for(&name, "large.example.net");
        world.proposal(&name).spec.proposed_file = "x".repeat(1000 + number);
        world.wait(1);
    }
    let first = world.plan();
    assert_eq!(removed(&first), [""; 0]);
    let half_minute = from.checked_add(jiff::SignedDuration::from_secs(30)).ok();
    assert_eq!(first.recheck, half_minute);
    world.wait(10);
    let plan = world.plan();
    assert_eq!(removed(&plan).len(), 20);
    assert!(told(&plan));
}

#[test]
fn questions_of_a_bottle_that_never_was_are_bounded_too() {
    let mut world = World::running();
    flood(&mut world, 500);
    for proposal in &mut world.proposals {
        proposal.spec.bottle_uid = "made up".into();
    }
    let (_, longest) = settle(&mut world);
    assert!(longest < AT_ONCE + UNSEEN + 10, "{longest}");
    assert_eq!(world.proposals.len(), UNSEEN);
    assert_eq!(world.phase("f00000"), "Orphaned");
}

#[test]
fn one_that_is_on_its_way_out_is_not_removed_again() {
    let mut world = World::running();
    flood(&mut world, UNSEEN + 1);
    settle(&mut world);
    flood(&mut world, UNSEEN + 30);
    let now = world.now;
    for proposal in &mut world.proposals {
        proposal.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    }
    assert_eq!(removed(&world.plan()), [""; 0]);
}

/// The caches hold no files of what is closed.
#[test]
fn what_is_closed_needs_its_files_no_more() {
    let mut world = World::running();
    for name in ["no", "yes", "late"] {
        world.ask_for(name, &format!("{name}.example.net"));
    }
    world.settle();
    world.decide("no", Decision::Rejected);
    world.approve_and_enforce("yes");
    world.decide("yes", Decision::Revoked);
    world.proposal("late").spec.bottle_uid = "another".into();
    world.settle();
    for proposal in &mut world.proposals {
        proposal.spec.proposed_file = String::new();
        proposal.spec.base_file = String::new();
        proposal.spec.justification = String::new();
        proposal.spec.final_file = None;
    }
    assert_eq!(world.settle(), [""; 0]);
    for name in ["no", "yes"] {
        world.sidecar_answers(name);
    }
    world.settle();
    let phases = ["no", "yes", "late"].map(|name| world.phase(name));
    assert_eq!(phases, ["Rejected", "Revoked", "Orphaned"]);
}
