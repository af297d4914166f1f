//! A class' change on its way through its bottles.

use super::world::World;
use bot_bottle::{
    api::{AgentKind, BottleClass, McpServer},
    plan::{
        Action,
        roll::{Key, Of, Rolls, Standing, limit},
    },
};
use jiff::{SignedDuration, Timestamp};

fn at(seconds: i64) -> Timestamp {
    "2026-03-01T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn key(number: usize) -> Key {
    ("garden".into(), format!("b{number:02}"))
}

fn of(class: &str, generation: i64) -> Option<Of> {
    let class = class.to_owned();
    Some(Of { class, generation })
}

/// `count` bottles that are as their class wants them.
fn settled(count: usize) -> Rolls {
    let mut rolls = Rolls::default();
    for number in 0..count {
        rolls.note(&key(number), of("tools", 1), Standing::Settled, at(0));
    }
    rolls
}

/// Those that may go, of those that ask.
fn ask(rolls: &mut Rolls, numbers: std::ops::Range<usize>, seconds: i64) -> Vec<usize> {
    let mut granted = Vec::new();
    for number in numbers {
        if rolls.take(&key(number), of("tools", 2).as_ref(), 10, at(seconds)) {
            rolls.note(&key(number), of("tools", 2), Standing::Moving, at(seconds));
            granted.push(number);
        } else {
            rolls.note(&key(number), of("tools", 2), Standing::Waiting, at(seconds));
        }
    }
    granted
}

#[test]
fn at_most_a_part_of_the_bottles_and_at_least_one_goes_at_a_time() {
    assert_eq!([limit(1, 10), limit(19, 10), limit(20, 10)], [1, 1, 2]);
    assert_eq!([limit(1000, 10), limit(3, 100), limit(0, 100)], [100, 3, 1]);
    let mut rolls = settled(20);
    assert_eq!(ask(&mut rolls, 0..20, 0), [0, 1]);
    let progress = rolls.progress("tools");
    assert_eq!(
        (progress.bottles, progress.rolling, progress.waiting),
        (20, 2, 18)
    );
    // One comes back, the next one goes; asking again takes no second place.
    rolls.note(&key(0), of("tools", 2), Standing::Settled, at(3));
    assert_eq!(ask(&mut rolls, 1..20, 3), [1, 2]);
    let progress = rolls.progress("tools");
    assert_eq!(
        (progress.generation, progress.updated, progress.waiting),
        (2, 1, 17)
    );
}

#[test]
fn a_change_that_breaks_agents_stops_at_those_that_it_broke() {
    let mut rolls = settled(20);
    assert_eq!(ask(&mut rolls, 0..20, 0).len(), 2);
    for seconds in [60, 3600] {
        assert_eq!(ask(&mut rolls, 2..20, seconds), [0; 0]);
    }
    // A broken one that is removed makes room.
    assert!(rolls.forget(&key(1)));
    assert_eq!(
        ask(&mut rolls, 2..20, 3601),
        [0; 0],
        "of 19 only one at a time"
    );
    assert!(rolls.forget(&key(0)));
    assert_eq!(ask(&mut rolls, 2..20, 3602), [2]);
}

#[test]
fn other_classes_have_places_of_their_own() {
    let mut rolls = settled(5);
    rolls.note(&key(9), of("other", 1), Standing::Settled, at(0));
    rolls.note(&key(8), None, Standing::Settled, at(0));
    assert_eq!(ask(&mut rolls, 0..5, 0), [0]);
    assert!(rolls.take(&key(9), of("other", 2).as_ref(), 10, at(0)));
    assert!(rolls.take(&key(8), None, 10, at(0)));
}

#[test]
fn an_image_that_the_runtime_calls_otherwise_holds_a_place_for_a_minute_only() {
    let mut rolls = settled(5);
    assert_eq!(ask(&mut rolls, 0..1, 0), [0]);
    rolls.note(&key(0), of("tools", 2), Standing::Renaming, at(10));
    assert_eq!(ask(&mut rolls, 1..5, 10), [0; 0]);
    rolls.note(&key(0), of("tools", 2), Standing::Renaming, at(70));
    assert_eq!(ask(&mut rolls, 1..5, 70), [1]);
}

fn class() -> BottleClass {
    let mut class = BottleClass::new("tools", bot_bottle::api::BottleClassSpec::default());
    class.metadata.generation = Some(1);
    class
}

/// A running bottle of a class, and its class.
fn of_a_class() -> World {
    let mut world = World::running();
    world.bottle.spec.class = Some("tools".into());
    world.class = Some(class());
    world.settle();
    world.turn = false;
    world
}

fn add_server(world: &mut World) {
    let server = McpServer {
        url: Some("https://mcp.example.com/".into()),
        ..McpServer::default()
    };
    let class = world.class.as_mut().unwrap();
    class.spec.mcp_servers.insert("tracker".into(), server);
}

fn is_delete(action: &Action) -> bool {
    matches!(action, Action::DeletePod { .. })
}

#[test]
fn a_running_agent_waits_for_its_turn_and_what_needs_no_restart_does_not() {
    let mut world = of_a_class();
    let class = world.class.as_mut().unwrap();
    class.spec.allowlist.push("tools.example.com".into());
    add_server(&mut world);
    let plan = world.plan();
    assert_eq!(plan.standing, Standing::Waiting);
    assert!(!plan.actions.iter().any(is_delete), "{:?}", plan.actions);
    assert!(plan.recheck.is_some());
    let opens = |action: &Action| match action {
        Action::ApplyConfigMap(map) => {
            map.data.as_ref().unwrap()["allowlist"].contains("tools.example.com")
        }
        _ => false,
    };
    assert!(plan.actions.iter().any(opens));
    world.turn = true;
    let plan = world.plan();
    assert!(plan.actions.iter().any(is_delete), "{:?}", plan.actions);
    assert_eq!(plan.standing, Standing::Moving);
}

#[test]
fn another_image_of_the_class_waits_too_and_leaves_the_pod_as_it_is() {
    let mut world = World::running();
    world.bottle.spec.class = Some("tools".into());
    let image = world.bottle.spec.agent.image.take();
    world.class = Some(class());
    world.class.as_mut().unwrap().spec.agent.image = image;
    world.settle();
    world.turn = false;
    world.class.as_mut().unwrap().spec.agent.image =
        Some("registry.example.com/agents/claude:8".into());
    let patches = |action: &Action| matches!(action, Action::PatchPodImage { .. });
    let plan = world.plan();
    assert_eq!(plan.standing, Standing::Waiting);
    assert!(!plan.actions.iter().any(patches));
    world.turn = true;
    assert!(world.plan().actions.iter().any(patches));
}

#[test]
fn the_bottles_own_change_and_one_without_a_running_agent_wait_for_nobody() {
    let mut world = of_a_class();
    add_server(&mut world);
    world.bottle.metadata.generation = Some(2);
    assert!(world.plan().actions.iter().any(is_delete));

    let mut world = of_a_class();
    add_server(&mut world);
    world.pod.as_mut().unwrap().status = None;
    assert!(world.plan().actions.iter().any(is_delete));
}

#[test]
fn a_bottle_without_an_image_takes_the_operators_or_is_told_how_to_build_one() {
    let mut world = World::running();
    world.bottle.spec.agent.image = None;
    let ready = |world: &World| {
        let status = world.bottle.status.as_ref().unwrap();
        let ready = status.conditions.iter().find(|one| one.type_ == "Ready");
        ready.unwrap().message.clone()
    };
    world.settle();
    let said = ready(&world);
    for part in [
        "images.claude",
        "examples/agents/claude.Dockerfile",
        "spec.agent.image",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let image = "registry.example.com/agents/claude:7".to_owned();
    world
        .settings
        .images
        .insert(AgentKind::Claude, image.clone());
    world.settle();
    let status = world.bottle.status.as_ref().unwrap();
    assert_eq!(status.image.as_ref(), Some(&image));
    assert!(!ready(&world).contains("images.claude"));
}
