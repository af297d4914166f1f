//! An approved Dockerfile's road: built, tried, run, and only then in force and answered.

use super::world::World;
use bot_bottle::{
    api::{BottleClassSpec, BuildStage, Decision, Tool},
    names::{self, container},
    plan::settings::{Builder, Builds},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, Pod, PodSpec, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

const ASKED: &str = "blue-000000000001";
const OTHER: &str = "blue-000000000002";
const DECLARED: &str = "registry.example.com/agents/claude:7";
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BUILT: &str = "push.example.com/bottles/garden@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn world() -> World {
    let mut world = World::new(super::world::BOTTLE);
    world.settings.builds = Some(Builds {
        registry: "push.example.com/bottles".into(),
        image: "builder.example.com/buildah:1".into(),
        push_secret: "push".into(),
        pull_secret: "pull".into(),
        ..Builds::default()
    });
    world.settle();
    world.kubelet_runs_all();
    runs(&mut world, "one");
    world.sidecar_enforces();
    world.settle();
    // A decision about this bottle waits for no other's turn.
    world.turn = false;
    world
}

pub(super) fn asks(world: &mut World, name: &str, file: &str) {
    world.ask(name, file);
    let base = world.file(names::file::DOCKERFILE);
    let spec = &mut world.proposal(name).spec;
    spec.tool = Tool::CapabilityBlock;
    spec.base_file = base;
    world.settle();
}

fn with(line: &str) -> String {
    format!("FROM {DECLARED}\n{line}\n")
}

fn approved() -> World {
    approved_by(Builder::Buildah)
}

fn approved_by(builder: Builder) -> World {
    let mut world = world();
    if let Some(builds) = &mut world.settings.builds {
        builds.builder = builder;
    }
    asks(&mut world, ASKED, &with("RUN get jq"));
    world.decide(ASKED, Decision::Approved);
    world.settle();
    world
}

/// The agent's container runs since now, as the container `id`.
pub(super) fn runs(world: &mut World, id: &str) {
    let now = world.now;
    let state = ContainerState {
        running: Some(ContainerStateRunning {
            started_at: Some(Time(now)),
        }),
        ..ContainerState::default()
    };
    agent_is(world, id, state);
}

pub(super) fn agent_is(world: &mut World, id: &str, state: ContainerState) {
    let status = world.pod.as_mut().unwrap().status.as_mut().unwrap();
    let agent = status
        .container_statuses
        .iter_mut()
        .flatten()
        .find(|one| one.name == container::AGENT);
    let agent = agent.unwrap();
    agent.container_id = Some(id.into());
    agent.state = Some(state);
}

pub(super) fn helper(world: &World, role: &str) -> Option<Arc<Pod>> {
    let is = |pod: &&Arc<Pod>| pod.metadata.labels.as_ref().unwrap()[names::LABEL_ROLE] == role;
    world.helpers.iter().find(is).cloned()
}

fn ended(name: &str, code: i32, message: &str, at: Timestamp) -> ContainerStatus {
    ContainerStatus {
        name: name.into(),
        state: Some(ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: code,
                message: Some(message.into()),
                finished_at: Some(Time(at)),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        }),
        ..ContainerStatus::default()
    }
}

/// The helper of that role ends, its one interesting container so.
pub(super) fn helper_ends(world: &mut World, role: &str, name: &str, code: i32, message: &str) {
    let now = world.now;
    let pod = helper(world, role).unwrap();
    let mut pod = (*pod).clone();
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    pod.status = Some(PodStatus {
        phase: Some(phase.into()),
        container_statuses: Some(vec![ended(name, code, message, now)]),
        ..PodStatus::default()
    });
    world
        .helpers
        .retain(|one| one.metadata.uid != pod.metadata.uid);
    world.helpers.push(Arc::new(pod));
}

pub(super) fn image(world: &World) -> String {
    let spec = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    let agent = spec
        .containers
        .iter()
        .find(|one| one.name == container::AGENT);
    agent.unwrap().image.clone().unwrap()
}

fn stage(world: &mut World, name: &str) -> BuildStage {
    let status = world.proposal(name).status.clone().unwrap();
    status.build.unwrap().stage
}

fn built(world: &mut World) {
    helper_ends(world, names::ROLE_BUILD, container::PUSH, 0, DIGEST);
    world.settle();
}

pub(super) fn tried(world: &mut World) {
    helper_ends(world, names::ROLE_PROBE, container::PROBE, 0, "");
    world.settle();
}

/// All the way to an answered approval.
fn in_force() -> World {
    let mut world = approved();
    built(&mut world);
    tried(&mut world);
    runs(&mut world, "two");
    world.wait(3);
    world.settle();
    world.sidecar_enforces();
    world.sidecar_answers(ASKED);
    world.settle();
    world
}

fn message(world: &mut World, name: &str) -> String {
    world
        .proposal(name)
        .status
        .clone()
        .unwrap()
        .message
        .unwrap()
}

#[test]
fn an_approval_begins_a_build_and_changes_nothing_else() {
    let mut world = world();
    let before = (world.file(names::file::HASH), image(&world));
    asks(&mut world, ASKED, &with("RUN get jq"));
    assert_eq!(
        world.proposal(ASKED).status.as_ref().unwrap().change,
        ["+RUN get jq"]
    );
    world.decide(ASKED, Decision::Approved);
    let actions = world.settle();
    assert!(actions.contains(&"CreateHelper".to_owned()), "{actions:?}");
    assert_eq!((world.file(names::file::HASH), image(&world)), before);
    assert!(!world.file(names::file::DECISIONS).contains("approved"));
    assert_eq!(
        (world.phase(ASKED).as_str(), stage(&mut world, ASKED)),
        ("Applying", BuildStage::Building)
    );
    // Even if the sidecars enforce all there is.
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
}

#[test]
fn an_image_is_tried_then_run_and_only_then_in_force_and_answered() {
    let mut world = approved();
    let before = world.file(names::file::HASH);
    built(&mut world);
    assert_eq!(stage(&mut world, ASKED), BuildStage::Replacing);
    let probe = helper(&world, names::ROLE_PROBE).unwrap();
    assert_eq!(
        probe.spec.as_ref().unwrap().containers[0].image.as_deref(),
        Some(BUILT)
    );
    assert_eq!(image(&world), DECLARED);
    tried(&mut world);
    assert_eq!(image(&world), BUILT);
    assert!(helper(&world, names::ROLE_PROBE).is_none());
    // The old agent is still there for the kubelet, then the new one, and for three seconds nobody believes it.
    assert_eq!(
        (stage(&mut world, ASKED), world.file(names::file::HASH)),
        (BuildStage::Replacing, before.clone())
    );
    runs(&mut world, "two");
    world.settle();
    assert_eq!(
        (stage(&mut world, ASKED), world.file(names::file::HASH)),
        (BuildStage::Replacing, before)
    );
    assert_eq!(
        world.plan().recheck,
        Some("2026-03-01T10:00:03Z".parse().unwrap())
    );
    world.wait(3);
    world.settle();
    assert_eq!(world.file(names::file::DOCKERFILE), with("RUN get jq"));
    assert!(world.file(names::file::DECISIONS).contains("\"approved\""));
    assert_eq!(world.phase(ASKED), "Applying");
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.phase(ASKED), "Enforced");
    world.sidecar_answers(ASKED);
    world.settle();
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn a_failed_build_leaves_the_bottle_and_tells_the_agent_why() {
    let mut world = approved();
    let before = (world.file(names::file::HASH), image(&world));
    helper_ends(
        &mut world,
        names::ROLE_BUILD,
        container::BUILD,
        1,
        "step 2\nget: \u{1b}[31mno such package\n",
    );
    world.settle();
    assert_eq!(world.phase(ASKED), "Failed");
    assert_eq!((world.file(names::file::HASH), image(&world)), before);
    let decisions = world.file(names::file::DECISIONS);
    assert!(
        decisions.contains("\"rejected\"") && decisions.contains("no such package"),
        "{decisions}"
    );
    assert!(
        !decisions.contains('\u{1b}') && !decisions.contains("u001b"),
        "{decisions}"
    );
    // The log stays for ten minutes.
    assert!(helper(&world, names::ROLE_BUILD).is_some());
    world.sidecar_answers(ASKED);
    world.wait(601);
    world.settle();
    assert!(helper(&world, names::ROLE_BUILD).is_none());
}

#[test]
fn a_registry_that_is_away_is_tried_again_but_not_for_ever() {
    let mut world = approved();
    for _ in 0..5 {
        helper_ends(
            &mut world,
            names::ROLE_BUILD,
            container::PUSH,
            i32::from(names::exit::AWAY),
            "connection refused",
        );
        world.settle();
        assert_eq!(world.phase(ASKED), "Applying");
        assert!(
            helper(&world, names::ROLE_BUILD).is_none(),
            "not before the pause is over"
        );
        let again = world.plan().recheck.unwrap();
        world.wait((again.as_second() - world.now.as_second()).max(1));
        world.settle();
        assert!(helper(&world, names::ROLE_BUILD).is_some());
    }
    helper_ends(
        &mut world,
        names::ROLE_BUILD,
        container::PUSH,
        i32::from(names::exit::AWAY),
        "connection refused",
    );
    world.settle();
    assert_eq!(world.phase(ASKED), "Failed");
    assert!(message(&mut world, ASKED).contains("connection refused"));
}

#[test]
fn a_registry_that_would_not_take_an_image_is_not_asked_again() {
    for (code, reason) in [(names::exit::REFUSED, "PushRefused"), (1, "PushFailed")] {
        let mut world = approved();
        let before = (image(&world), world.file(names::file::HASH));
        let said = "the registry answered 401 Unauthorized";
        helper_ends(
            &mut world,
            names::ROLE_BUILD,
            container::PUSH,
            code.into(),
            said,
        );
        world.settle();
        let status = world.proposal(ASKED).status.clone().unwrap();
        assert_eq!(status.reason.as_deref(), Some(reason));
        assert!(message(&mut world, ASKED).contains(said));
        assert_eq!((image(&world), world.file(names::file::HASH)), before);
        assert!(world.file(names::file::DECISIONS).contains(said));
    }
}

#[test]
fn certificates_go_where_a_registry_is_asked_and_nowhere_else() {
    let own = "--ca-bundle=/run/bottle/ca/ca.crt";
    certificates_go(Builder::Buildah, "--cert-dir=/run/bottle/ca", own);
    certificates_go(Builder::BuildKit, own, own);
}

fn certificates_go(builder: Builder, pull: &str, push: &str) {
    let mut world = world();
    if let Some(builds) = &mut world.settings.builds {
        builds.ca_bundle = "registry-ca".into();
        builds.builder = builder;
    }
    asks(&mut world, ASKED, &with("RUN get jq"));
    world.decide(ASKED, Decision::Approved);
    world.settle();
    let pod = helper(&world, names::ROLE_BUILD).unwrap();
    let told = |name: &str, flag: &str| {
        let one = containers(pod.spec.as_ref().unwrap()).find(|one| one.name == name);
        let args = one.unwrap().args.clone().unwrap();
        args.iter().any(|arg| arg == flag)
    };
    assert!(told("pull-0", pull));
    assert!(told("push", push));
    for one in containers(pod.spec.as_ref().unwrap()) {
        let mounted = one
            .volume_mounts
            .iter()
            .flatten()
            .any(|one| one.name == "ca");
        assert_eq!(
            mounted,
            ["pull-0", "push"].contains(&one.name.as_str()),
            "{}",
            one.name
        );
    }
}

#[test]
fn a_build_whose_pod_is_taken_away_begins_again() {
    let mut world = approved();
    world.helpers.clear();
    world.settle();
    assert!(helper(&world, names::ROLE_BUILD).is_some());
}

#[test]
fn a_build_that_its_node_ended_begins_again() {
    let lost = |of_pod: Option<&str>, of_container: &str| {
        let mut world = approved();
        helper_ends(&mut world, names::ROLE_BUILD, container::BUILD, 255, "");
        let mut pod = (*helper(&world, names::ROLE_BUILD).unwrap()).clone();
        let status = pod.status.as_mut().unwrap();
        status.reason = of_pod.map(str::to_owned);
        let state = status.container_statuses.as_mut().unwrap()[0]
            .state
            .as_mut();
        state.unwrap().terminated.as_mut().unwrap().reason = Some(of_container.into());
        world.helpers = vec![Arc::new(pod)];
        world.settle();
        let build = world.proposal(ASKED).status.clone().unwrap().build.unwrap();
        (world.phase(ASKED), build.retries)
    };
    for (of_pod, of_container) in [
        (None, "Unknown"),
        (None, "ContainerStatusUnknown"),
        (Some("Terminated"), "Error"),
        (Some("Preempting"), "Error"),
    ] {
        assert_eq!(lost(of_pod, of_container), ("Applying".into(), 1));
    }
    assert_eq!(lost(None, "Error"), ("Failed".into(), 0));
}

#[test]
fn an_image_without_the_agents_command_is_never_run() {
    let mut world = approved();
    built(&mut world);
    helper_ends(
        &mut world,
        names::ROLE_PROBE,
        container::PROBE,
        1,
        "claude: no such program",
    );
    world.settle();
    assert_eq!(
        (world.phase(ASKED).as_str(), image(&world).as_str()),
        ("Failed", DECLARED)
    );
    assert!(message(&mut world, ASKED).contains("no such program"));
}

#[test]
fn an_agent_that_does_not_start_has_its_old_image_back_at_once() {
    let mut world = approved();
    built(&mut world);
    tried(&mut world);
    let state = ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some("CreateContainerError".into()),
            message: Some("bad".into()),
        }),
        ..ContainerState::default()
    };
    agent_is(&mut world, "two", state);
    world.settle();
    assert_eq!(
        (world.phase(ASKED).as_str(), image(&world).as_str()),
        ("Failed", DECLARED)
    );
    let decisions = world.file(names::file::DECISIONS);
    assert!(
        decisions.contains("did not start in the new image"),
        "{decisions}"
    );
}

#[test]
fn an_agent_that_ends_at_once_counts_as_one_that_does_not_start() {
    let mut world = approved();
    built(&mut world);
    tried(&mut world);
    let state = ended("agent", 127, "lib not found", world.now)
        .state
        .unwrap();
    // The old one's end is not the new one's.
    agent_is(&mut world, "one", state.clone());
    world.settle();
    assert_eq!(world.phase(ASKED), "Applying");
    agent_is(&mut world, "two", state);
    world.settle();
    assert_eq!(
        (world.phase(ASKED).as_str(), image(&world).as_str()),
        ("Failed", DECLARED)
    );
}

#[test]
fn a_revoked_image_goes_by_the_same_road() {
    let mut world = in_force();
    assert_eq!(image(&world), BUILT);
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    // The one that runs stays until the old one was tried: it may be gone.
    assert_eq!(image(&world), BUILT);
    let probe = helper(&world, names::ROLE_PROBE).unwrap();
    assert_eq!(
        probe.spec.as_ref().unwrap().containers[0].image.as_deref(),
        Some(DECLARED)
    );
    helper_ends(
        &mut world,
        names::ROLE_PROBE,
        container::PROBE,
        1,
        "can't be pulled",
    );
    world.settle();
    assert_eq!(image(&world), BUILT);
    let status = world.bottle.status.clone().unwrap();
    let condition = status
        .conditions
        .iter()
        .find(|one| one.type_ == "ImageBuilt")
        .unwrap();
    assert!(condition.status == "False" && condition.message.contains("can't be pulled"));
    world.wait(61);
    world.settle();
    tried(&mut world);
    assert_eq!(image(&world), DECLARED);
    assert_eq!(
        world.file(names::file::DOCKERFILE),
        format!("FROM {DECLARED}\n")
    );
}

#[test]
fn a_grant_that_was_built_on_another_ends_with_it() {
    let mut world = in_force();
    asks(&mut world, OTHER, &with("RUN get jq\nRUN get git"));
    world.decide(OTHER, Decision::Approved);
    world.settle();
    let other = format!("sha256:{}", "b".repeat(64));
    let build = world
        .proposal(OTHER)
        .status
        .clone()
        .unwrap()
        .build
        .unwrap()
        .pod;
    world
        .helpers
        .retain(|pod| pod.metadata.name.as_ref() == Some(&build));
    helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, &other);
    world.settle();
    tried(&mut world);
    runs(&mut world, "three");
    world.wait(3);
    world.settle();
    world.sidecar_enforces();
    world.settle();
    assert!(image(&world).ends_with(&other));
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    assert_eq!(
        (world.phase(ASKED), world.phase(OTHER)),
        ("Revoked".into(), "Conflicted".into())
    );
    tried(&mut world);
    assert_eq!(image(&world), DECLARED);
}

#[test]
fn of_two_on_one_base_the_second_approval_is_a_conflict() {
    let mut world = world();
    asks(&mut world, ASKED, &with("RUN get jq"));
    asks(&mut world, OTHER, &with("RUN get git"));
    world.decide(ASKED, Decision::Approved);
    world.settle();
    world.wait(1);
    world.decide(OTHER, Decision::Approved);
    world.settle();
    assert_eq!(
        (world.phase(ASKED), world.phase(OTHER)),
        ("Applying".into(), "Conflicted".into())
    );
    assert!(message(&mut world, OTHER).contains("read the current"));
}

#[test]
fn the_same_file_on_the_same_base_is_not_built_again() {
    let mut world = in_force();
    world.helpers.clear();
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    tried(&mut world);
    runs(&mut world, "three");
    world.settle();
    asks(&mut world, OTHER, &with("RUN get jq"));
    world.decide(OTHER, Decision::Approved);
    world.settle();
    assert!(helper(&world, names::ROLE_BUILD).is_none());
    assert_eq!(stage(&mut world, OTHER), BuildStage::Replacing);
    tried(&mut world);
    assert_eq!(image(&world), BUILT);
}

#[test]
fn a_revocation_during_the_build_ends_it() {
    let mut world = approved();
    world.decide(ASKED, Decision::Revoked);
    world.settle();
    assert_eq!(world.phase(ASKED), "Revoked");
    assert!(helper(&world, names::ROLE_BUILD).is_none());
}

#[test]
fn a_declared_dockerfile_is_in_force_from_the_start_and_what_changes_it_holds_on_it_only() {
    let mut world = world();
    let declared = "FROM debian:12\nRUN get claude\n";
    assert_eq!(
        world.file(names::file::DOCKERFILE),
        format!("FROM {DECLARED}\n")
    );
    world.bottle.spec.dockerfile = Some(declared.into());
    world.settle();
    assert_eq!(world.file(names::file::DOCKERFILE), declared);
    assert_eq!(image(&world), DECLARED);
    // On the base that the Bottle's own author chose, whatever the allowlist says.
    asks(&mut world, ASKED, &format!("{declared}RUN get jq\n"));
    let change = world.proposal(ASKED).status.clone().unwrap().change;
    assert!(change.contains(&"+RUN get jq".to_owned()), "{change:?}");
    world.decide(ASKED, Decision::Approved);
    world.settle();
    assert_eq!(stage(&mut world, ASKED), BuildStage::Building);
    world.bottle.spec.dockerfile = Some(format!("{declared}RUN more\n"));
    world.settle();
    assert_eq!(world.phase(ASKED), "Conflicted");
    assert!(helper(&world, names::ROLE_BUILD).is_none());
}

#[test]
fn the_build_of_a_deleted_proposal_goes_at_once_and_so_does_its_log() {
    let mut world = approved();
    world.proposals.clear();
    world.settle();
    assert!(helper(&world, names::ROLE_BUILD).is_none());
    let mut ended = approved();
    built(&mut ended);
    assert!(helper(&ended, names::ROLE_BUILD).is_some());
    ended.proposals.clear();
    ended.settle();
    assert!(helper(&ended, names::ROLE_BUILD).is_none());
}

#[test]
fn another_bottles_build_of_the_same_file_is_used_and_looked_at_again() {
    let mut world = approved();
    let pod = helper(&world, names::ROLE_BUILD).unwrap();
    let mut pod = (*pod).clone();
    for owner in pod.metadata.owner_references.iter_mut().flatten() {
        owner.uid = "another".into();
    }
    world.helpers = vec![Arc::new(pod)];
    let plan = world.plan();
    assert!(plan.actions.is_empty(), "{:?}", plan.actions);
    let soon = world.now + jiff::SignedDuration::from_secs(5);
    assert!(
        plan.recheck.is_some_and(|at| at <= soon),
        "{:?}",
        plan.recheck
    );
    built(&mut world);
    assert_eq!(stage(&mut world, ASKED), BuildStage::Replacing);
}

#[test]
fn an_image_is_built_where_the_bottle_may_run_and_tried_where_it_runs() {
    let mut world = world();
    let template = serde_json::json!({
        "nodeSelector": {"pool": "agents"},
        "tolerations": [{"key": "agents", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "arch", "operator": "In", "values": ["amd64"]}]}]}},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host"}]},
        },
        "labels": {"mine": "yes"},
    });
    let class: BottleClassSpec =
        serde_json::from_value(serde_json::json!({"podTemplate": template})).unwrap();
    world.settings.builtin = class;
    world.pod = None;
    world.settle();
    world.kubelet_runs_all();
    runs(&mut world, "one");
    asks(&mut world, ASKED, &with("RUN get jq"));
    world.decide(ASKED, Decision::Approved);
    world.settle();
    let spec = helper(&world, names::ROLE_BUILD)
        .unwrap()
        .spec
        .clone()
        .unwrap();
    assert_eq!(spec.node_selector.unwrap()["pool"], "agents");
    assert_eq!(
        spec.tolerations.as_ref().unwrap()[0].key.as_deref(),
        Some("agents")
    );
    let affinity = spec.affinity.unwrap();
    assert!(affinity.node_affinity.is_some() && affinity.pod_anti_affinity.is_none());
    built(&mut world);
    let trial = helper(&world, names::ROLE_PROBE).unwrap();
    let spec = trial.spec.as_ref().unwrap();
    assert_eq!(
        spec.tolerations.as_ref().unwrap()[0].key.as_deref(),
        Some("agents")
    );
    // It is told its node: a label that has gone since must not keep it off.
    assert!(spec.node_selector.is_none());
    assert!(!trial.metadata.labels.as_ref().unwrap().contains_key("mine"));
}

#[test]
fn an_edit_of_the_declared_image_ends_the_grant() {
    let mut world = in_force();
    world.bottle.spec.agent.image = Some("registry.example.com/agents/claude:8".into());
    world.settle();
    assert_eq!(world.phase(ASKED), "Conflicted");
    tried(&mut world);
    assert_eq!(image(&world), "registry.example.com/agents/claude:8");
}

#[test]
fn only_the_digest_is_the_builds_word() {
    for word in [
        "",
        "sha256:short",
        "evil.example/x@sha256:0",
        &DIGEST.to_uppercase(),
    ] {
        let mut world = approved();
        helper_ends(&mut world, names::ROLE_BUILD, container::PUSH, 0, word);
        world.settle();
        assert_eq!(world.phase(ASKED), "Failed", "{word}");
    }
}

#[test]
fn a_base_from_elsewhere_is_refused_before_anything_is_built() {
    let mut world = world();
    asks(&mut world, ASKED, "FROM evil.example.net/x\n");
    let warnings = world.proposal(ASKED).status.clone().unwrap().warnings;
    assert!(
        warnings
            .iter()
            .any(|one| one.contains("not the one that the Bottle declares")),
        "{warnings:?}"
    );
    world.decide(ASKED, Decision::Approved);
    world.settle();
    assert_eq!(world.phase(ASKED), "Failed");
    assert!(world.helpers.is_empty() && message(&mut world, ASKED).contains("evil.example.net/x"));
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
}

#[test]
fn a_build_step_has_no_credential_no_token_and_no_way_to_the_mark() {
    for builder in [Builder::Buildah, Builder::BuildKit] {
        has_no_credential(&approved_by(builder), builder);
    }
}

fn has_no_credential(world: &World, builder: Builder) {
    let pod = helper(world, names::ROLE_BUILD).unwrap();
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(spec.automount_service_account_token, Some(false));
    assert!(
        spec.service_account_name.is_none()
            && spec.host_network.is_none()
            && spec.host_pid.is_none()
    );
    let order: Vec<&str> = containers(spec).map(|one| one.name.as_str()).collect();
    assert_eq!(order, ["pull-0", "egress", "build", "push"]);
    for one in containers(spec) {
        let security = one.security_context.as_ref().unwrap();
        let added = security
            .capabilities
            .clone()
            .unwrap()
            .add
            .unwrap_or_default();
        let marks = added
            .iter()
            .any(|one| one == "NET_ADMIN" || one == "NET_RAW");
        // Beside a step, or after it, only ours can; for BuildKit ours pulls, too, and needs nothing.
        assert_eq!(
            marks,
            ["egress", "push"].contains(&&*one.name),
            "{}",
            one.name
        );
        let foreign = one.image.as_deref() == Some("builder.example.com/buildah:1");
        let pulls = builder == Builder::Buildah && one.name == "pull-0";
        assert_eq!(foreign, one.name == "build" || pulls, "{}", one.name);
        if one.name == "pull-0" && builder == Builder::BuildKit {
            assert!(added.is_empty(), "{added:?}");
        }
        assert_eq!(security.allow_privilege_escalation, Some(false));
        let mounts: Vec<&str> = one
            .volume_mounts
            .iter()
            .flatten()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(
            mounts.contains(&"push-secret"),
            one.name == "push",
            "{mounts:?}"
        );
        assert_eq!(
            mounts.contains(&"pull-secret"),
            one.name == "pull-0",
            "{mounts:?}"
        );
        assert_eq!(
            mounts.contains(&"config"),
            one.name == "egress",
            "{mounts:?}"
        );
    }
    let build = containers(spec).find(|one| one.name == "build").unwrap();
    let env: Vec<&str> = build
        .env
        .iter()
        .flatten()
        .filter_map(|one| one.value.as_deref())
        .collect();
    assert!(env.contains(&"http://127.0.0.1:8888"));
    let limits = build.resources.clone().unwrap().limits.unwrap();
    assert!(
        ["cpu", "memory", "ephemeral-storage"]
            .iter()
            .all(|one| limits.contains_key(*one))
    );
    assert_eq!(spec.active_deadline_seconds, Some(900));
    // The Dockerfile goes as it was approved.
    let annotations = pod.metadata.annotations.as_ref().unwrap();
    assert_eq!(
        annotations[names::ANNOTATION_DOCKERFILE],
        with("RUN get jq")
    );
}

#[test]
fn buildkit_is_given_each_base_by_its_name_and_pulls_none() {
    let mut world = world();
    if let Some(builds) = &mut world.settings.builds {
        builds.builder = Builder::BuildKit;
        builds.insecure = true;
        builds.bases = vec!["push.example.com/base".into()];
    }
    let file = format!(
        "{}COPY --from=push.example.com/base/tool:2 /t /t\n",
        with("RUN x")
    );
    asks(&mut world, ASKED, &file);
    world.decide(ASKED, Decision::Approved);
    world.settle();
    let pod = helper(&world, names::ROLE_BUILD).unwrap();
    let spec = pod.spec.as_ref().unwrap();
    let args = |name: &str| {
        let one = containers(spec).find(|one| one.name == name).unwrap();
        one.args.clone().unwrap()
    };
    assert_eq!(
        args("build"),
        ["build-kit", "--", DECLARED, "push.example.com/base/tool:2"]
    );
    let pull = args("pull-1");
    for word in [
        "--image=push.example.com/base/tool:2",
        "--layout=/build/bases/1",
        "--insecure",
    ] {
        assert!(pull.iter().any(|one| one == word), "{pull:?}");
    }
    assert!(!args("pull-0").contains(&"--insecure".to_owned()));
    let build = containers(spec).find(|one| one.name == "build").unwrap();
    let mounts = build.volume_mounts.as_ref().unwrap();
    let bases = mounts.iter().find(|one| one.mount_path == "/build/bases");
    assert_eq!(bases.unwrap().read_only, Some(true));
}

#[test]
fn the_lock_is_laid_before_a_step_begins_or_nothing_is_built() {
    let mut world = approved();
    let pod = helper(&world, names::ROLE_BUILD).unwrap();
    let spec = pod.spec.as_ref().unwrap();
    let egress = containers(spec).find(|one| one.name == "egress").unwrap();
    let hook = egress.lifecycle.as_ref().unwrap().post_start.as_ref();
    let command = hook.unwrap().exec.as_ref().unwrap().command.clone();
    assert_eq!(command.unwrap()[1], "build-lock");
    // The kubelet goes on trying; we do not wait for the deadline.
    let waits = |reason: &str, message: &str| ContainerStatus {
        name: "egress".into(),
        state: Some(ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some(reason.into()),
                message: Some(message.into()),
            }),
            ..ContainerState::default()
        }),
        ..ContainerStatus::default()
    };
    let shows = |world: &mut World, status: ContainerStatus| {
        let mut pod = (*helper(world, names::ROLE_BUILD).unwrap()).clone();
        pod.status = Some(PodStatus {
            phase: Some("Pending".into()),
            init_container_statuses: Some(vec![status]),
            ..PodStatus::default()
        });
        world
            .helpers
            .retain(|one| one.metadata.uid != pod.metadata.uid);
        world.helpers.push(Arc::new(pod));
        world.settle();
    };
    shows(&mut world, waits("PodInitializing", ""));
    assert_eq!(world.phase(ASKED), "Applying");
    shows(&mut world, waits("PostStartHookError", "nft said no"));
    assert_eq!(world.phase(ASKED), "Failed");
    let said = message(&mut world, ASKED);
    assert!(
        said.contains("lock") && said.contains("nft said no"),
        "{said}"
    );
    assert!(helper(&world, names::ROLE_BUILD).is_none());
}

#[test]
fn an_image_is_there_when_its_push_has_ended() {
    let mut world = approved();
    let mut pod = (*helper(&world, names::ROLE_BUILD).unwrap()).clone();
    pod.status = Some(PodStatus {
        phase: Some("Running".into()),
        container_statuses: Some(vec![ended(container::PUSH, 0, DIGEST, world.now)]),
        ..PodStatus::default()
    });
    world.helpers = vec![Arc::new(pod)];
    world.settle();
    assert_eq!(stage(&mut world, ASKED), BuildStage::Replacing);
    // Its log is still there.
    assert!(helper(&world, names::ROLE_BUILD).is_some());
}
