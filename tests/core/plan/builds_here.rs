//! The same road where the Docker daemon of one machine builds: what it is given, and what runs then.

use super::world::World;
use bot_bottle::{
    api::{Decision, Tool},
    names::{self, container},
    plan::settings::Builds,
};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus, Pod,
    PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

const ASKED: &str = "blue-000000000001";
const DECLARED: &str = "registry.example.com/agents/claude:7";
const ID: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn asked(file: &str) -> World {
    let mut world = World::new(super::world::BOTTLE);
    world.settings.runtime = Some("docker");
    world.settings.builds = Some(Builds {
        daemon: true,
        ..Builds::default()
    });
    world.settle();
    world.kubelet_runs_all();
    runs(&mut world, "one");
    world.sidecar_enforces();
    world.settle();
    world.ask(ASKED, file);
    let base = world.file(names::file::DOCKERFILE);
    let spec = &mut world.proposal(ASKED).spec;
    spec.tool = Tool::CapabilityBlock;
    spec.base_file = base;
    world.settle();
    world.decide(ASKED, Decision::Approved);
    world.settle();
    world
}

fn runs(world: &mut World, id: &str) {
    let now = world.now;
    let status = world.pod.as_mut().unwrap().status.as_mut().unwrap();
    let mut all = status.container_statuses.iter_mut().flatten();
    let agent = all.find(|one| one.name == container::AGENT).unwrap();
    agent.container_id = Some(id.into());
    agent.state = Some(ContainerState {
        running: Some(ContainerStateRunning {
            started_at: Some(Time(now)),
        }),
        ..ContainerState::default()
    });
}

fn succeeds(world: &mut World, name: &str, said: &str) {
    let mut pod = Pod::clone(world.helpers.last().unwrap());
    let ended = ContainerStateTerminated {
        message: Some(said.into()),
        finished_at: Some(Time(world.now)),
        ..ContainerStateTerminated::default()
    };
    pod.status = Some(PodStatus {
        phase: Some("Succeeded".into()),
        container_statuses: Some(vec![ContainerStatus {
            name: name.into(),
            state: Some(ContainerState {
                terminated: Some(ended),
                ..ContainerState::default()
            }),
            ..ContainerStatus::default()
        }]),
        ..PodStatus::default()
    });
    *world.helpers.last_mut().unwrap() = Arc::new(pod);
    world.settle();
}

fn image(world: &World) -> &str {
    let spec = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    let mut all = spec.containers.iter();
    let agent = all.find(|one| one.name == container::AGENT).unwrap();
    agent.image.as_deref().unwrap()
}

#[test]
fn a_daemon_is_given_what_was_read_and_runs_it_by_its_id() {
    let file = format!("# jq\nFROM {DECLARED}\nRUN get \\\n  jq\n");
    let mut world = asked(&file);
    let pod = world.helpers.last().unwrap();
    let text = &pod.metadata.annotations.as_ref().unwrap()[names::ANNOTATION_DOCKERFILE];
    assert_eq!(*text, format!("FROM {DECLARED}\nRUN get   jq\n"));
    let spec = pod.spec.as_ref().unwrap();
    let first = spec.init_containers.as_ref().unwrap();
    let all: Vec<_> = first
        .iter()
        .chain(&spec.containers)
        .map(|one| (one.name.as_str(), one.image.as_deref()))
        .collect();
    let own = world.settings.supervise_image.as_str();
    assert_eq!(
        all,
        [
            ("pull-0", Some(DECLARED)),
            ("lock", Some(own)),
            ("build", None)
        ]
    );
    succeeds(&mut world, container::BUILD, ID);
    assert_eq!(image(&world), DECLARED, "it is tried first");
    succeeds(&mut world, container::PROBE, "");
    assert_eq!(image(&world), ID);
    runs(&mut world, "two");
    world.wait(3);
    world.settle();
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.phase(ASKED), "Enforced");
    assert_eq!(world.file(names::file::DOCKERFILE), file);
    world.sidecar_answers(ASKED);
    world.settle();
    assert_eq!(world.settle(), [""; 0]);

    world.decide(ASKED, Decision::Revoked);
    world.settle();
    assert_eq!(image(&world), ID, "the one below is tried, too");
    succeeds(&mut world, container::PROBE, "");
    assert_eq!(image(&world), DECLARED);
}

#[test]
fn what_a_daemon_would_fetch_by_itself_is_not_built() {
    let mut world = asked(&format!("FROM {DECLARED}\nADD https://x.example/f /\n"));
    assert_eq!(world.phase(ASKED), "Failed");
    let status = world.proposal(ASKED).status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("InstructionNotTaken"));
    assert!(world.helpers.is_empty());
}
