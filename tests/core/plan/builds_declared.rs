//! `spec.dockerfile` of a Bottle that names no image: built before the first pod, and again when it is edited.

use super::{
    builds::{agent_is, asks, helper, helper_ends, image, runs, tried},
    world::World,
};
use bot_bottle::{
    api::{BottlePhase, BottleStatus, BuildStage, Decision, DeclaredBuild, OperatingMode},
    names::{self, container},
    plan::settings::Builds,
    proposal::condition,
};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod};
use std::sync::Arc;

const FILE: &str = "FROM debian:12\nRUN get claude\n";
const EDITED: &str = "FROM debian:12\nRUN get claude and jq\n";
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn built_as(digest: &str) -> String {
    format!("push.example.com/bottles/garden@{digest}")
}

/// A Bottle with a Dockerfile and no image of its own.
fn declared(file: &str) -> World {
    let text =
        super::world::BOTTLE.replace("    image: registry.example.com/agents/claude:7\n", "");
    let mut world = World::new(&text);
    world.bottle.spec.dockerfile = Some(file.into());
    world.settings.builds = Some(Builds {
        registry: "push.example.com/bottles".into(),
        image: "builder.example.com/buildah:1".into(),
        ..Builds::default()
    });
    world.turn = false;
    world.settle();
    world
}

/// The same with its agent running in what was built.
fn running() -> World {
    let mut world = declared(FILE);
    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, DIGEST);
    world.settle();
    world.kubelet_runs_all();
    runs(&mut world, "one");
    world.sidecar_enforces();
    world.settle();
    world.wait(3);
    world.settle();
    world
}

fn edit(world: &mut World, file: &str) {
    world.bottle.spec.dockerfile = Some(file.into());
    let generation = &mut world.bottle.metadata.generation;
    *generation = generation.map(|number| number + 1);
    world.settle();
    world.sidecar_enforces();
    world.settle();
}

fn status(world: &World) -> BottleStatus {
    world.bottle.status.clone().unwrap()
}

fn of_file(world: &World) -> DeclaredBuild {
    status(world).dockerfile.unwrap()
}

fn image_built(world: &World) -> (String, String, String) {
    let status = status(world);
    let found = condition::get(&status.conditions, "ImageBuilt").unwrap();
    (
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    )
}

fn build_fails(world: &mut World) {
    helper_ends(
        world,
        names::ROLE_BUILD,
        container::BUILD,
        7,
        "no such package",
    );
    // As the kubelet has it: a container that failed is an init container of the pod.
    world.settle();
}

#[test]
fn the_image_is_built_before_there_is_a_pod_and_the_agent_starts_in_it() {
    let mut world = declared(FILE);
    assert!(world.pod.is_none());
    assert!(world.config_map.is_some(), "the build's proxy reads it");
    let build = helper(&world, names::ROLE_BUILD).unwrap();
    let text = &build.metadata.annotations.as_ref().unwrap()[names::ANNOTATION_DOCKERFILE];
    assert_eq!(text, FILE);
    assert_eq!(status(&world).phase, Some(BottlePhase::Building));
    assert_eq!(
        (world.ready().0, world.ready().1),
        ("False".into(), "Building".into())
    );
    assert_eq!(image_built(&world).1, "Building");
    assert!(world.plan().actions.is_empty());
    assert_eq!(world.file(names::file::DOCKERFILE), FILE);

    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, DIGEST);
    let done = world.settle();
    assert!(done.contains(&"CreatePod".to_owned()), "{done:?}");
    assert_eq!(image(&world), built_as(DIGEST));
    assert!(helper(&world, names::ROLE_PROBE).is_none());
    world.kubelet_runs_all();
    runs(&mut world, "one");
    world.sidecar_enforces();
    world.settle();
    world.wait(3);
    world.settle();
    assert_eq!(of_file(&world).build.stage, BuildStage::Running);
    let (value, reason, message) = image_built(&world);
    assert_eq!((&*value, &*reason), ("True", "Built"));
    assert!(message.contains("spec.dockerfile"), "{message}");
    assert_eq!(world.ready().0, "True");
    assert!(world.plan().actions.is_empty());
}

#[test]
fn an_image_that_the_bottle_names_is_taken_as_built_from_it_and_a_class_image_is_not() {
    let mut world = declared(FILE);
    world.bottle.spec.agent.image = Some("registry.example.com/made:1".into());
    world.settle();
    assert_eq!(image(&world), "registry.example.com/made:1");
    assert!(helper(&world, names::ROLE_BUILD).is_none());
    assert_eq!(status(&world).dockerfile, None);

    let mut world = World::new(super::world::BOTTLE);
    world.settings = declared(FILE).settings;
    world.bottle.spec.dockerfile = Some(FILE.into());
    world.settings.builtin.agent.image = world.bottle.spec.agent.image.take();
    world.settle();
    assert!(world.pod.is_none() && helper(&world, names::ROLE_BUILD).is_some());
}

#[test]
fn what_can_not_be_built_is_said_before_anything_is_begun() {
    let mut world = declared("FROM debian:12\nCOPY . /\n");
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "InvalidSpec");
    assert!(
        message.contains("spec.dockerfile") && message.contains("line 2"),
        "{message}"
    );
    assert!(world.helpers.is_empty() && world.pod.is_none());
    // An image of the class would be another one than the file says.
    world.settings.builtin.agent.image = Some("registry.example.com/agents/claude:7".into());
    world.bottle.spec.dockerfile = Some(FILE.into());
    for (runtime, words) in [
        (None, "builds.registry"),
        (Some("sandbox"), "by this runtime"),
    ] {
        world.settings.builds = None;
        world.settings.runtime = runtime;
        world.settle();
        let (_, reason, message) = world.ready();
        assert_eq!(reason, "Unsupported");
        assert!(
            message.contains(words) && message.contains("spec.agent.image"),
            "{message}"
        );
        assert!(world.pod.is_none());
    }
}

#[test]
fn a_build_that_fails_starts_no_agent_says_why_and_begins_again_only_when_something_changes() {
    let mut world = declared(FILE);
    build_fails(&mut world);
    assert!(world.pod.is_none());
    let (value, reason, message) = image_built(&world);
    assert_eq!((&*value, &*reason), ("False", "BuildFailed"));
    assert!(message.contains("no such package"), "{message}");
    assert!(!message.contains("works on"), "{message}");
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "BuildFailed");
    assert!(message.contains("no agent starts"), "{message}");
    assert_eq!(status(&world).phase, Some(BottlePhase::Pending));
    assert!(world.plan().actions.is_empty());
    // Its log is kept for a while, and then nothing begins by itself.
    world.wait(601);
    world.settle();
    assert!(helper(&world, names::ROLE_BUILD).is_none());
    world.wait(3600);
    assert!(world.plan().actions.is_empty());
    // A host that was missing is declared: the same file is tried again.
    world
        .bottle
        .spec
        .allowlist
        .push("packages.example.com".into());
    edit(&mut world, FILE);
    assert!(helper(&world, names::ROLE_BUILD).is_some());
    assert_eq!(of_file(&world).failed, None);
    assert_eq!(status(&world).phase, Some(BottlePhase::Building));
    // At once, too, while the pod of the first try is there.
    build_fails(&mut world);
    let old = helper(&world, names::ROLE_BUILD).unwrap();
    world.bottle.spec.allowlist.push("more.example.com".into());
    edit(&mut world, FILE);
    let new = helper(&world, names::ROLE_BUILD).unwrap();
    assert!(new.status.is_none() && old.status.is_some());
    assert_eq!(status(&world).phase, Some(BottlePhase::Building));
}

#[test]
fn an_edited_file_is_built_tried_and_put_in_place_while_the_agent_works_on() {
    let mut world = running();
    let pod = world.pod.as_ref().unwrap().metadata.uid.clone();
    edit(&mut world, EDITED);
    assert_eq!(image(&world), built_as(DIGEST));
    assert_eq!(of_file(&world).before, Some(built_as(DIGEST)));
    assert_eq!(status(&world).phase, Some(BottlePhase::Running));
    assert_eq!(
        (image_built(&world).1, world.ready().0),
        ("Building".into(), "True".into())
    );
    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, OTHER);
    world.settle();
    assert_eq!(image(&world), built_as(DIGEST), "it is tried first");
    assert!(helper(&world, names::ROLE_PROBE).is_some());
    tried(&mut world);
    assert_eq!(image(&world), built_as(OTHER));
    runs(&mut world, "two");
    world.settle();
    world.wait(3);
    world.settle();
    assert_eq!(of_file(&world).build.stage, BuildStage::Running);
    assert_eq!(world.pod.as_ref().unwrap().metadata.uid, pod);
    assert!(helper(&world, names::ROLE_PROBE).is_none());
}

#[test]
fn an_edited_file_that_fails_leaves_the_agent_where_it_is() {
    let mut world = running();
    edit(&mut world, EDITED);
    build_fails(&mut world);
    assert_eq!(image(&world), built_as(DIGEST));
    let (value, _, message) = image_built(&world);
    assert_eq!(value, "False");
    assert!(
        message.contains("works on") && message.contains("no such package"),
        "{message}"
    );
    assert_eq!(world.ready().0, "True");
    // A new pod has the image that worked.
    world.pod = None;
    world.settle();
    assert_eq!(image(&world), built_as(DIGEST));
    // Back to the old file: it is known, and nothing is built.
    edit(&mut world, FILE);
    assert_eq!(of_file(&world).build.pod, names_of(&running()));
}

fn names_of(world: &World) -> String {
    of_file(world).build.pod
}

#[test]
fn an_agent_that_does_not_start_in_an_edited_image_has_its_old_one_back() {
    let mut world = running();
    edit(&mut world, EDITED);
    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, OTHER);
    world.settle();
    tried(&mut world);
    let failed = ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 127,
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    agent_is(&mut world, "two", failed);
    world.settle();
    assert_eq!(image(&world), built_as(DIGEST));
    assert_eq!(image_built(&world).1, "AgentNotStarted");
    // With the first image there is none to go back to: the pod tells what is wrong.
    let mut world = declared(FILE);
    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, DIGEST);
    world.settle();
    world.kubelet_runs_all();
    let failed = ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 127,
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    agent_is(&mut world, "one", failed);
    world.settle();
    assert_eq!(image(&world), built_as(DIGEST));
    assert_eq!(of_file(&world).failed, None);
}

#[test]
fn a_file_that_another_bottle_has_had_built_is_not_built_again() {
    let first = running();
    let mut world = declared(FILE);
    assert_eq!(of_file(&world).build.pod, of_file(&first).build.pod);
    // While its pod is there, whoever's it is.
    let mut pod = Pod::clone(&helper(&first, names::ROLE_BUILD).unwrap());
    for owner in pod.metadata.owner_references.iter_mut().flatten() {
        owner.uid = "another".into();
    }
    world.helpers = vec![Arc::new(pod)];
    world.settle();
    assert_eq!(image(&world), built_as(DIGEST));
    // And after that, by what is known of it.
    let mut world = declared(FILE);
    world.helpers.clear();
    world.bottle.status = None;
    world.known = bot_bottle::plan::builds::brought_by_bottle(&first.bottle)
        .into_iter()
        .collect();
    world.settle();
    assert_eq!(image(&world), built_as(DIGEST));
    assert!(helper(&world, names::ROLE_BUILD).is_none());
}

#[test]
fn an_approved_change_of_a_built_file_is_built_on_it_and_its_end_brings_the_built_one_back() {
    let mut world = running();
    // The log of the first build has had its time.
    world.wait(601);
    world.settle();
    asks(&mut world, "blue-000000000001", EDITED);
    world.decide("blue-000000000001", Decision::Approved);
    world.settle();
    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, OTHER);
    world.settle();
    tried(&mut world);
    assert_eq!(image(&world), built_as(OTHER));
    runs(&mut world, "two");
    world.wait(3);
    world.settle();
    assert_eq!(world.file(names::file::DOCKERFILE), EDITED);
    assert!(image_built(&world).2.contains("approved"));
    world.decide("blue-000000000001", Decision::Revoked);
    world.settle();
    tried(&mut world);
    assert_eq!(image(&world), built_as(DIGEST));
    assert_eq!(world.file(names::file::DOCKERFILE), FILE);
}

#[test]
fn a_suspended_bottle_builds_nothing_and_forgets_nothing() {
    let mut world = running();
    let before = of_file(&world);
    world.bottle.spec.operating_mode = Some(OperatingMode::Suspended);
    edit(&mut world, EDITED);
    assert!(world.pod.is_none());
    assert_eq!(of_file(&world), before);
    assert!(!world.helpers.iter().any(|pod| pod.status.is_none()));
    world.bottle.spec.operating_mode = None;
    world.settle();
    // The agent goes on in the image that it had, until the new one is there.
    assert_eq!(image(&world), built_as(DIGEST));
    assert_eq!(of_file(&world).build.stage, BuildStage::Building);
    let first = world.now;
    world.now = first + SignedDuration::from_secs(1);
    assert!(world.plan().actions.is_empty());
}
