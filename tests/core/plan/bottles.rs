//! A Bottle's road through `plan`.

use super::world::{BOTTLE, World, name};
use crate::golden;
use bot_bottle::{
    api::{BottleClass, BottlePhase, Decision, OperatingMode},
    names,
    plan::Action,
    yaml,
};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStateWaiting};

#[test]
fn a_fresh_bottle_is_a_config_map_a_pod_and_a_status() {
    let mut world = World::new(BOTTLE);
    assert_eq!(
        world.settle(),
        ["CreateConfigMap", "CreatePod", "ApplyBottleStatus"]
    );
    world.kubelet_runs_all();
    assert_eq!(world.settle(), ["ApplyBottleStatus"]);
    assert_eq!(
        world.bottle.status.as_ref().unwrap().phase,
        Some(BottlePhase::Running)
    );
    assert_eq!(world.ready().1, "ConfigNotEnforced");
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.ready().0, "True");
}

#[test]
fn the_pod_and_the_config_map_are_as_reviewed() {
    let mut world = World::new(BOTTLE);
    world.settle();
    golden::check("pod.yaml", &yaml::to_string(&world.pod).unwrap());
    golden::check(
        "config-map.yaml",
        &yaml::to_string(&world.config_map).unwrap(),
    );
}

#[test]
fn planning_again_on_the_applied_state_finds_nothing_to_do() {
    let mut world = World::running();
    world.wait(3600);
    assert!(
        world.plan().actions.is_empty(),
        "{:?}",
        world.plan().actions.iter().map(name).collect::<Vec<_>>()
    );
}

#[test]
fn an_allowlist_is_reloaded_a_command_replaces_the_pod() {
    let mut world = World::running();
    world.bottle.spec.allowlist.push("more.example.com".into());
    assert_eq!(
        world.settle(),
        ["ApplyConfigMap", "ApplyBottleStatus", "TouchPod"]
    );
    world.bottle.spec.agent.command = vec!["other".into()];
    let actions = world.settle();
    assert!(
        actions.contains(&"DeletePod".to_owned()) && actions.contains(&"CreatePod".to_owned()),
        "{actions:?}"
    );
}

#[test]
fn image_and_resources_change_in_place() {
    let mut world = World::running();
    world.bottle.spec.agent.image = Some("registry.example.com/agents/claude:8".into());
    let actions = world.settle();
    assert!(
        actions.contains(&"PatchPodImage".to_owned()) && !actions.contains(&"DeletePod".to_owned()),
        "{actions:?}"
    );
    world.bottle.spec.agent.resources =
        Some(yaml::from_str("{requests: {cpu: 1}, limits: {memory: 1Gi}}").unwrap());
    let actions = world.settle();
    assert!(
        actions.contains(&"ResizePod".to_owned()) && !actions.contains(&"DeletePod".to_owned()),
        "{actions:?}"
    );
}

#[test]
fn a_users_restart_is_honoured_once() {
    let mut world = World::running();
    world.bottle.metadata.annotations = Some(
        [(
            names::ANNOTATION_RESTARTED_AT.to_owned(),
            "2026-03-01T11:00:00Z".to_owned(),
        )]
        .into(),
    );
    assert!(world.settle().contains(&"DeletePod".to_owned()));
    assert!(world.plan().actions.is_empty());
    let annotations = world
        .pod
        .as_ref()
        .unwrap()
        .metadata
        .annotations
        .as_ref()
        .unwrap();
    assert_eq!(
        annotations[names::ANNOTATION_RESTARTED_AT],
        "2026-03-01T11:00:00Z"
    );
}

#[test]
fn a_suspended_bottle_has_no_pod_and_comes_back() {
    let mut world = World::running();
    world.bottle.spec.operating_mode = Some(OperatingMode::Suspended);
    world.settle();
    assert!(world.pod.is_none());
    assert_eq!(
        world.bottle.status.as_ref().unwrap().phase,
        Some(BottlePhase::Suspended)
    );
    world.bottle.spec.operating_mode = None;
    world.settle();
    assert!(world.pod.is_some());
}

#[test]
fn a_class_gives_what_the_bottle_leaves_out_and_no_more() {
    let mut world = World::new(BOTTLE);
    world.bottle.spec.class = Some("standard".into());
    world.settle();
    assert_eq!(
        world.ready(),
        (
            "False".into(),
            "UnknownClass".into(),
            "there is no BottleClass standard; create it, or correct spec.class".into()
        )
    );
    assert!(world.pod.is_none());
    let class = "
metadata: {name: standard}
spec:
  allowlist: [shared.example.com]
  agent: {image: registry.example.com/other:1, env: {A: class, B: class}, maxRestarts: 9}
";
    world.class = Some(
        yaml::from_str::<BottleClass>(&format!(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: BottleClass\n{class}"
        ))
        .unwrap(),
    );
    world.bottle.spec.agent.env = [("A".to_owned(), "bottle".to_owned())].into();
    world.settle();
    assert_eq!(
        world.file(names::file::ALLOWLIST),
        "shared.example.com\napi.example.com\n.docs.example.org\n"
    );
    assert!(world.file(names::file::SEAL).contains("\"maxRestarts\": 9"));
    let pod = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    let agent = pod
        .containers
        .iter()
        .find(|one| one.name == "agent")
        .unwrap();
    assert_eq!(
        agent.image.as_deref(),
        Some("registry.example.com/agents/claude:7")
    );
    let variable = |name: &str| {
        agent
            .env
            .iter()
            .flatten()
            .find(|one| one.name == name)
            .and_then(|one| one.value.clone())
    };
    assert_eq!(
        (variable("A").as_deref(), variable("B").as_deref()),
        (Some("bottle"), Some("class"))
    );
}

#[test]
fn what_can_not_be_run_is_a_condition_that_says_what_to_do() {
    let rows: [(&str, &str, &str); 13] = [
        ("{agent: {image: x}}", "Incomplete", "spec.agent.kind"),
        ("{agent: {kind: claude}}", "Incomplete", "spec.agent.image"),
        (
            "{agent: {kind: antigravity, image: x}}",
            "Incomplete",
            "spec.agent.command",
        ),
        (
            "{agent: {kind: claude, image: x}, allowlist: ['https://a.example.com']}",
            "InvalidAllowlist",
            "spec.allowlist",
        ),
        (
            "{agent: {kind: claude, image: x}, routes: [{path: /a/, upstream: 'a.example.com'}]}",
            "InvalidRoutes",
            "spec.routes",
        ),
        (
            "{agent: {kind: claude, image: x}, rollout: Roll}",
            "InvalidSpec",
            "spec.workspace.size",
        ),
        (
            "{agent: {kind: claude, image: x}, egress: {engine: Pipelock}}",
            "Unsupported",
            "spec.egress.engine",
        ),
        (
            "{agent: {kind: claude, image: x}, egress: {allowInternal: [everything]}}",
            "InvalidSpec",
            "spec.egress.allowInternal",
        ),
        (
            "{agent: {kind: claude}, dockerfile: FROM x}",
            "Unsupported",
            "builds.registry",
        ),
        (
            "{agent: {kind: claude, image: x}, workspace: {storageClassName: fast}}",
            "InvalidSpec",
            "spec.workspace.size",
        ),
        (
            "{agent: {kind: claude, image: x}, ttlAfterFinished: soon}",
            "InvalidSpec",
            "spec.ttlAfterFinished",
        ),
        (
            "{agent: {kind: claude, image: x, env: {'1A': x}}}",
            "InvalidSpec",
            "spec.agent.env",
        ),
        (
            "{agent: {kind: claude, image: x}, mcpServers: {files: {command: files, env: {KEY: '${SECRET:FILES}'}}}}",
            "MissingSecret",
            "spec.secrets.FILES",
        ),
    ];
    for (spec, reason, fragment) in rows {
        let mut world = World::new(BOTTLE);
        world.bottle.spec = yaml::from_str(spec).unwrap();
        world.settle();
        let (status, found, message) = world.ready();
        assert_eq!(
            (status.as_str(), found.as_str()),
            ("False", reason),
            "{spec}: {message}"
        );
        assert!(message.contains(fragment), "{spec}: {message}");
        assert!(world.pod.is_none() && world.config_map.is_none(), "{spec}");
    }
}

#[test]
fn a_running_bottle_keeps_its_last_good_config_when_its_spec_becomes_invalid() {
    let mut world = World::running();
    let (pod, config_map) = (world.pod.clone(), world.config_map.clone());
    world.bottle.spec.allowlist.push("https://broken".into());
    world.settle();
    assert_eq!(
        (world.pod.clone(), world.config_map.clone()),
        (pod, config_map)
    );
    assert_eq!(world.ready().1, "InvalidAllowlist");
}

#[test]
fn grants_end_while_the_bottle_is_invalid_and_approvals_wait() {
    let mut world = World::running();
    world.ask_for("one", "one.example.com");
    world.approve_and_enforce("one");
    world.ask_for("two", "two.example.com");
    world.settle();
    let pod = world.pod.clone();
    world.bottle.spec.allowlist = vec!["https://broken".into()];
    world.settle();
    assert_eq!(world.ready().1, "InvalidAllowlist");
    assert!(
        world
            .ready()
            .2
            .contains("what was last valid stays in force"),
        "{}",
        world.ready().2
    );

    world.decide("one", Decision::Revoked);
    world.settle();
    let listed = world.file(names::file::ALLOWLIST);
    assert!(!listed.contains("one.example.com"), "{listed}");
    assert!(listed.contains("api.example.com"), "{listed}");
    assert!(
        world
            .pod
            .as_ref()
            .is_some_and(|now| now.spec == pod.as_ref().unwrap().spec)
    );
    world.sidecar_enforces();
    world.sidecar_answers("one");

    world.decide("two", Decision::Approved);
    world.settle();
    assert_eq!(world.phase("two"), "Pending");
    assert!(world.plan().actions.is_empty());

    // Corrected, it goes on as it declares now.
    world.bottle.spec.allowlist = vec!["new.example.com".into()];
    world.settle();
    assert_eq!(
        world.file(names::file::ALLOWLIST),
        "new.example.com\ntwo.example.com\n"
    );
}

#[test]
fn a_grant_that_is_deleted_or_expires_ends_while_the_bottle_is_invalid() {
    for delete in [true, false] {
        let mut world = World::running();
        world.ask_for("one", "one.example.com");
        world.approve_and_enforce("one");
        world.proposal("one").spec.expires_at = world
            .now
            .checked_add(jiff::SignedDuration::from_secs(60))
            .ok();
        world.bottle.spec.allowlist = vec!["https://broken".into()];
        world.settle();
        assert!(
            world
                .file(names::file::ALLOWLIST)
                .contains("one.example.com")
        );
        if delete {
            world.proposals.clear();
        } else {
            world.wait(61);
        }
        world.settle();
        assert_eq!(
            world.file(names::file::ALLOWLIST),
            "api.example.com\n.docs.example.org\n"
        );
    }
}

#[test]
fn an_invalid_bottle_of_an_older_operator_keeps_its_config_untouched() {
    let mut world = World::running();
    let data = world.config_map.as_mut().unwrap().data.as_mut().unwrap();
    data.remove(names::file::DECLARED);
    let before = world.config_map.clone();
    world.bottle.spec.allowlist = vec!["https://broken".into()];
    world.settle();
    assert_eq!(world.config_map, before);
}

#[test]
fn somebody_elses_object_of_our_name_is_left_alone() {
    for kind in ["ConfigMap", "Pod", "PersistentVolumeClaim"] {
        let mut world = World::new(BOTTLE);
        let theirs = "{metadata: {name: blue-bottle, namespace: garden}}";
        match kind {
            "Pod" => world.pod = yaml::from_str(theirs).unwrap(),
            "ConfigMap" => world.config_map = yaml::from_str(theirs).unwrap(),
            _ => world.claim = yaml::from_str(theirs).unwrap(),
        }
        let actions: Vec<Action> = world.plan().actions;
        let names: Vec<String> = actions.iter().map(name).collect();
        assert_eq!(names, ["Notify", "ApplyBottleStatus"], "{kind}");
        world.settle();
        assert!(
            world.ready().2.contains(&format!("{kind} blue-bottle")),
            "{}",
            world.ready().2
        );
    }
}

#[test]
fn what_goes_wrong_in_the_pod_shows_in_the_conditions() {
    let ended = |code: i32, message: &str| ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: code,
            message: Some(message.into()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    let waiting = |reason: &str, message: &str| ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.into()),
            message: Some(message.into()),
        }),
        ..ContainerState::default()
    };
    let rows = [
        (
            "prepare",
            ended(1, "MissingSecret: FILES, used by mcpServers.files.env.KEY"),
            "MissingSecret",
            "FILES",
        ),
        (
            "prepare",
            ended(1, "the lock can't be laid: nft needs NET_ADMIN"),
            "LockFailed",
            "NET_ADMIN",
        ),
        (
            "agent",
            waiting("ImagePullBackOff", "not found"),
            "ImageNotPulled",
            "spec.agent.image",
        ),
        (
            "agent",
            ended(0, "{\"exitCode\":7,\"failures\":3}"),
            "AgentFailed",
            "3 times in a row, last with exit code 7",
        ),
        ("agent", ended(0, ""), "Finished", "success"),
        (
            "agent",
            ended(1, "the wall does not stand"),
            "AgentRestarting",
            "wall",
        ),
        (
            "agent",
            ended(125, "CloneFailed: fatal: repository not found"),
            "CloneFailed",
            "fatal: repository not found",
        ),
    ];
    for (container, state, reason, fragment) in rows {
        let mut world = World::running();
        world.container_state(container, &state);
        world.settle();
        let (status, found, message) = world.ready();
        assert_eq!(
            (status.as_str(), found.as_str()),
            ("False", reason),
            "{message}"
        );
        assert!(message.contains(fragment), "{message}");
        assert!(world.plan().actions.is_empty());
    }
}
