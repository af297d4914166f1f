//! What workspace and home live in, and what may replace the pod.

use super::world::{BOTTLE, World, name};
use bot_bottle::{
    api::{BottlePhase, Decision, OperatingMode, Rollout, Workspace},
    names::{self, ANNOTATION_RESTARTED_AT},
    plan::{
        Action,
        roll::{Of, Rolls, Standing},
    },
    proposal::condition,
    yaml,
};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStateWaiting, PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const CLAIM: &str = "{size: 10Gi, storageClassName: fast}";

fn with_workspace(text: &str) -> World {
    let text = BOTTLE.replace(
        "workspace: {acceptLoss: true}",
        &format!("workspace: {text}"),
    );
    World::running_as(&text)
}

/// A bottle whose workspace ends with the pod, and whose author has accepted nothing.
fn passing() -> World {
    with_workspace("{}")
}

fn workspace(world: &mut World) -> &mut Workspace {
    world.bottle.spec.workspace.get_or_insert_default()
}

fn kept(world: &World) -> (String, String, String) {
    let status = world.bottle.status.as_ref().unwrap();
    let found = condition::get(&status.conditions, "WorkspaceKept").unwrap();
    (
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    )
}

fn agent_ended(world: &mut World, message: &str) {
    let state = ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 0,
            message: Some(message.into()),
            finished_at: Some(Time(world.now)),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    world.container_state("agent", &state);
}

fn is_on_its_way(world: &World, action: &str) -> bool {
    world.plan().actions.iter().any(|one| name(one) == action)
}

#[test]
fn a_size_makes_a_claim_before_the_pod_that_holds_workspace_and_home() {
    let text = BOTTLE.replace("{acceptLoss: true}", CLAIM);
    let mut world = World::new(&text);
    assert_eq!(
        world.settle(),
        [
            "CreateConfigMap",
            "CreateClaim",
            "CreatePod",
            "ApplyBottleStatus"
        ]
    );
    let claim = world.claim.clone().unwrap();
    let spec = claim.spec.as_ref().unwrap();
    assert_eq!(spec.storage_class_name.as_deref(), Some("fast"));
    let requests = spec.resources.as_ref().unwrap().requests.as_ref().unwrap();
    assert_eq!(requests["storage"].0, "10Gi");
    let owner = &claim.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((&*owner.kind, &*owner.uid), ("Bottle", "5f0c6d1e-aaaa"));
    let pod = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    let mut paths = Vec::new();
    for container in pod.init_containers.iter().flatten().chain(&pod.containers) {
        let mounts = container.volume_mounts.iter().flatten();
        for mount in mounts.filter(|mount| mount.name == "kept") {
            paths.push((
                &*container.name,
                &*mount.mount_path,
                mount.sub_path.as_deref(),
            ));
        }
    }
    assert_eq!(
        paths,
        [
            ("agent", "/bottle/home", Some("home")),
            ("agent", "/bottle/workspace", Some("workspace")),
        ]
    );
    assert_eq!(kept(&world).1, "ClaimPending");
    world.claim.as_mut().unwrap().status = Some(PersistentVolumeClaimStatus {
        phase: Some("Bound".into()),
        ..PersistentVolumeClaimStatus::default()
    });
    world.settle();
    assert_eq!((&*kept(&world).0, &*kept(&world).1), ("True", "Claim"));
    assert!(world.plan().actions.is_empty());
}

#[test]
fn a_claim_stays_in_use_when_the_bottle_asks_for_another_or_for_none() {
    let mut world = with_workspace(CLAIM);
    let (claim, pod) = (world.claim.clone(), world.pod.clone());
    for size in [Some("20Gi"), None] {
        workspace(&mut world).size = size.map(str::to_owned);
        if size.is_none() {
            workspace(&mut world).storage_class_name = None;
        }
        world.settle();
        assert_eq!(world.claim, claim, "{size:?}");
        assert_eq!(
            world.pod.as_ref().unwrap().spec,
            pod.as_ref().unwrap().spec,
            "{size:?}"
        );
    }
    world.claim.as_mut().unwrap().status = yaml::from_str("{phase: Bound}").unwrap();
    workspace(&mut world).size = Some("20Gi".into());
    world.settle();
    assert!(
        kept(&world).2.contains("as it was made"),
        "{:?}",
        kept(&world)
    );
}

/// Everything that replaces a pod, with what has to become of it first.
fn replacements() -> Vec<(&'static str, fn(&mut World))> {
    vec![
        ("suspended", |world| {
            world.bottle.spec.operating_mode = Some(OperatingMode::Suspended);
        }),
        ("another shape", |world| {
            world.bottle.spec.agent.command = vec!["other".into()];
        }),
        ("a restart", |world| {
            let at = (
                ANNOTATION_RESTARTED_AT.to_owned(),
                "2026-03-01T11:00:00Z".to_owned(),
            );
            world.bottle.metadata.annotations = Some([at].into());
        }),
        ("another mount path", |world| {
            workspace(world).mount_path = Some("/work".into());
        }),
        ("another image for an agent that has ended", |world| {
            agent_ended(world, "");
            world.bottle.spec.agent.image = Some("registry.example.com/agents/claude:8".into());
        }),
        ("resources that can't change in place", |world| {
            world.bottle.spec.agent.resources = yaml::from_str("{requests: {cpu: 2}}").unwrap();
            world.settle();
            let annotations = world
                .pod
                .as_mut()
                .unwrap()
                .metadata
                .annotations
                .as_mut()
                .unwrap();
            let hash = annotations
                .get_mut(names::ANNOTATION_RESOURCES_HASH)
                .unwrap();
            *hash = bot_bottle::plan::interrupt::refused(hash);
        }),
    ]
}

#[test]
fn nothing_replaces_a_pod_whose_work_would_be_lost_until_the_bottle_accepts_that() {
    for (what, change) in replacements() {
        let mut world = passing();
        assert_eq!(kept(&world).1, "EndsWithPod", "{what}");
        let pod = world.pod.as_ref().unwrap().metadata.uid.clone();
        change(&mut world);
        let done = world.settle();
        assert!(!done.contains(&"DeletePod".to_owned()), "{what}: {done:?}");
        assert!(done.contains(&"Notify".to_owned()), "{what}: {done:?}");
        assert_eq!(world.pod.as_ref().unwrap().metadata.uid, pod, "{what}");
        let (status, reason, message) = kept(&world);
        assert_eq!(
            (&*status, &*reason),
            ("False", "ReplacementWaits"),
            "{what}"
        );
        assert!(
            message.contains("spec.workspace.acceptLoss"),
            "{what}: {message}"
        );
        assert_ne!(
            world.bottle.status.as_ref().unwrap().phase,
            Some(BottlePhase::Suspended),
            "{what}"
        );
        assert_eq!(world.plan().standing, Standing::Held, "{what}");
        assert!(world.plan().actions.is_empty(), "{what}");

        workspace(&mut world).accept_loss = Some(true);
        let done = world.settle();
        assert!(done.contains(&"DeletePod".to_owned()), "{what}: {done:?}");
        assert_eq!(kept(&world).1, "LossAccepted", "{what}");
    }
}

#[test]
fn the_same_replaces_a_pod_whose_workspace_is_on_a_claim_or_stays_by_the_runtime() {
    for (what, change) in replacements() {
        for by_runtime in [false, true] {
            let mut world = with_workspace(if by_runtime { "{}" } else { CLAIM });
            world.settings.runtime = by_runtime.then_some("docker");
            world.settle();
            change(&mut world);
            let done = world.settle();
            assert!(done.contains(&"DeletePod".to_owned()), "{what}: {done:?}");
        }
    }
}

#[test]
fn a_pod_without_any_work_in_it_is_replaced_at_once() {
    let change = |world: &mut World| world.bottle.spec.agent.command = vec!["other".into()];
    // No agent has ever run.
    let mut world = passing();
    let waiting = ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some("ImagePullBackOff".into()),
            message: None,
        }),
        ..ContainerState::default()
    };
    world.container_state("agent", &waiting);
    change(&mut world);
    assert!(world.settle().contains(&"DeletePod".to_owned()));
    // Evicted: its volumes are gone.
    let mut world = passing();
    world.pod.as_mut().unwrap().status.as_mut().unwrap().phase = Some("Failed".into());
    assert!(world.settle().contains(&"DeletePod".to_owned()));
    // The repository's address is wrong: no agent starts without its clone.
    let mut world = passing();
    let failed = ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 125,
            message: Some("CloneFailed: fatal: no".into()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    world.container_state("agent", &failed);
    change(&mut world);
    assert!(world.settle().contains(&"DeletePod".to_owned()));
    // One that ran before its last restart had work.
    let mut world = passing();
    world.container_state("agent", &waiting);
    let status = world.pod.as_mut().unwrap().status.as_mut().unwrap();
    let agents = status.container_statuses.iter_mut().flatten();
    for agent in agents.filter(|one| one.name == "agent") {
        agent.restart_count = 1;
    }
    change(&mut world);
    assert!(!world.settle().contains(&"DeletePod".to_owned()));
}

#[test]
fn a_claim_for_a_bottle_that_had_none_waits_too() {
    let mut world = passing();
    workspace(&mut world).size = Some("10Gi".into());
    world.settle();
    assert_eq!(kept(&world).1, "ReplacementWaits");
    // A person ends the pod; the next one has the claim.
    world.pod = None;
    world.settle();
    let pod = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    assert!(pod.volumes.iter().flatten().any(|one| one.name == "kept"));
}

/// A bottle that names no class where none is the default: its claim is there, the agent runs without it.
fn unserved(workspace: &str) -> World {
    let mut world = World::new(&BOTTLE.replace("{acceptLoss: true}", workspace));
    world.default_class = None;
    assert!(!world.settle().contains(&"CreatePod".to_owned()));
    world.wait(1);
    assert!(world.settle().contains(&"CreatePod".to_owned()));
    world.kubelet_runs_all();
    world.sidecar_enforces();
    world.settle();
    world
}

fn is_on_claim(world: &World) -> bool {
    let pod = world.pod.as_ref().unwrap().spec.as_ref().unwrap();
    let named = |wanted: &str| {
        let mut all = pod.volumes.iter().flatten();
        all.any(|volume| volume.name == wanted)
    };
    assert_ne!(named("kept"), named("home"));
    named("kept")
}

#[test]
fn a_claim_that_names_no_class_is_seen_before_a_pod_is_made_and_its_default_class_serves_it() {
    let mut world = World::new(&BOTTLE.replace("{acceptLoss: true}", "{size: 10Gi}"));
    let first: Vec<String> = world.plan().actions.iter().map(name).collect();
    assert_eq!(
        first,
        ["CreateConfigMap", "CreateClaim", "ApplyBottleStatus"]
    );
    world.settle();
    assert!(is_on_claim(&world));
    assert_eq!(kept(&world).1, "ClaimPending");
}

#[test]
fn without_any_class_the_pod_holds_the_work_and_nothing_replaces_it_unasked() {
    for (what, change) in replacements() {
        let mut world = unserved("{size: 10Gi}");
        assert!(!is_on_claim(&world));
        let (status, reason, message) = kept(&world);
        assert_eq!((&*status, &*reason), ("False", "NoStorageClass"), "{what}");
        for word in ["blue-bottle", "default", "spec.workspace.acceptLoss"] {
            assert!(message.contains(word), "{message}");
        }
        assert_eq!(world.ready().0, "True", "{what}");
        assert!(world.plan().actions.is_empty(), "{what}");
        change(&mut world);
        let done = world.settle();
        assert!(!done.contains(&"DeletePod".to_owned()), "{what}: {done:?}");
        assert_eq!(kept(&world).1, "ReplacementWaits", "{what}");
        workspace(&mut world).accept_loss = Some(true);
        let done = world.settle();
        assert!(done.contains(&"DeletePod".to_owned()), "{what}: {done:?}");
    }
    let world = unserved("{size: 10Gi, acceptLoss: true}");
    let (_, reason, message) = kept(&world);
    assert_eq!(reason, "NoStorageClass");
    assert!(message.contains("acceptLoss allows"), "{message}");
}

#[test]
fn roll_is_held_without_any_class_and_its_approvals_come_into_force_in_place() {
    let mut world = unserved("{size: 10Gi}\n  rollout: Roll");
    world.ask_for("one", "one.example.com");
    world.settle();
    world.decide("one", Decision::Approved);
    let done = world.settle();
    assert!(!done.contains(&"DeletePod".to_owned()), "{done:?}");
    assert_eq!(kept(&world).1, "ReplacementWaits");
    world.sidecar_enforces();
    world.settle();
    assert_eq!(world.phase("one"), "Enforced");
}

#[test]
fn a_class_that_comes_later_serves_the_next_pod_and_ends_none_unasked() {
    // The API server writes a new default class into the claim; a volume without a class may be bound to it as well.
    let serve: [fn(&mut World); 2] = [
        |world| claim_spec(world).storage_class_name = Some("standard".into()),
        |world| claim_spec(world).volume_name = Some("by-hand".into()),
    ];
    for serve in serve {
        let mut world = unserved("{size: 10Gi}");
        let claim = world.claim.as_ref().unwrap().metadata.uid.clone();
        serve(&mut world);
        let done = world.settle();
        assert!(!done.contains(&"DeletePod".to_owned()), "{done:?}");
        let (_, reason, message) = kept(&world);
        assert_eq!(reason, "ReplacementWaits");
        assert!(message.contains("can live on a claim now"), "{message}");
        assert!(!is_on_claim(&world));
        // A person ends the pod.
        world.pod = None;
        world.settle();
        assert!(is_on_claim(&world));
        assert_eq!(world.claim.as_ref().unwrap().metadata.uid, claim);

        let mut world = unserved("{size: 10Gi, acceptLoss: true}");
        serve(&mut world);
        let done = world.settle();
        assert!(done.contains(&"DeletePod".to_owned()), "{done:?}");
        assert!(is_on_claim(&world));

        // Before an agent has run nothing is lost.
        let mut world = unserved("{size: 10Gi}");
        world.pod.as_mut().unwrap().status = None;
        serve(&mut world);
        world.settle();
        assert!(is_on_claim(&world));
    }
}

fn claim_spec(world: &mut World) -> &mut PersistentVolumeClaimSpec {
    world.claim.as_mut().unwrap().spec.as_mut().unwrap()
}

#[test]
fn a_clock_ahead_of_ours_holds_no_pod_back() {
    let mut world = World::new(&BOTTLE.replace("{acceptLoss: true}", "{size: 10Gi}"));
    world.default_class = None;
    world.settle();
    assert!(world.pod.is_none() && world.plan().recheck.is_some());
    let later = world
        .now
        .checked_add(SignedDuration::from_hours(1))
        .unwrap();
    world.claim.as_mut().unwrap().metadata.creation_timestamp = Some(Time(later));
    world.settle();
    assert!(!is_on_claim(&world));
}

#[test]
fn a_new_claim_moves_no_pod_before_it_is_known_who_serves_it() {
    let mut world = passing();
    world.default_class = None;
    workspace(&mut world).size = Some("10Gi".into());
    workspace(&mut world).accept_loss = Some(true);
    for _ in 0..2 {
        let done = world.settle();
        assert!(!done.contains(&"DeletePod".to_owned()), "{done:?}");
        world.wait(1);
    }
    assert_eq!(kept(&world).1, "NoStorageClass");
}

#[test]
fn a_class_that_the_bottle_names_is_waited_for_and_named() {
    let mut world = World::new(&BOTTLE.replace("{acceptLoss: true}", CLAIM));
    world.default_class = None;
    world.settle();
    world.wait(60);
    world.pod.as_mut().unwrap().status = yaml::from_str(
        "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', message: 'no volume'}]}",
    )
    .unwrap();
    world.settle();
    assert!(is_on_claim(&world));
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "Unschedulable");
    assert!(
        message.contains("no volume; ") && message.contains("storage class fast"),
        "{message}"
    );
    assert!(kept(&world).2.contains("storage class fast"));
}

#[test]
fn what_needs_no_new_pod_goes_on_while_a_replacement_waits() {
    let mut world = passing();
    world.bottle.spec.agent.command = vec!["other".into()];
    world.settle();
    world.ask_for("one", "one.example.com");
    world.approve_and_enforce("one");
    assert_eq!(world.phase("one"), "Enforced");
    world.bottle.spec.agent.image = Some("registry.example.com/agents/claude:8".into());
    assert!(world.settle().contains(&"PatchPodImage".to_owned()));
    world.decide("one", Decision::Revoked);
    world.settle();
    assert!(
        !world
            .file(names::file::ALLOWLIST)
            .contains("one.example.com")
    );
    assert_eq!(kept(&world).1, "ReplacementWaits");
}

#[test]
fn a_held_bottle_keeps_no_turn_from_others_of_its_class() {
    let of = |generation| {
        Some(Of {
            class: "tools".into(),
            generation,
        })
    };
    let key = |name: &str| ("garden".to_owned(), name.to_owned());
    let now = World::running().now;
    let mut rolls = Rolls::default();
    for name in ["a", "b"] {
        rolls.note(&key(name), of(1), Standing::Settled, now);
    }
    assert!(rolls.take(&key("a"), of(2).as_ref(), 10, now));
    assert!(!rolls.take(&key("b"), of(2).as_ref(), 10, now));
    rolls.note(&key("a"), of(2), Standing::Held, now);
    assert!(rolls.take(&key("b"), of(2).as_ref(), 10, now));
    let progress = rolls.progress("tools");
    assert_eq!(
        (progress.rolling, progress.waiting, progress.updated),
        (1, 1, 0)
    );
}

fn rolling() -> World {
    let text = BOTTLE.replace(
        "workspace: {acceptLoss: true}",
        &format!("workspace: {CLAIM}\n  rollout: Roll"),
    );
    World::running_as(&text)
}

/// The pod ends, another one is made and its sidecars enforce what is mounted.
fn replaced(world: &mut World) {
    world.settle();
    world.kubelet_runs_all();
    world.sidecar_enforces();
    world.settle();
}

#[test]
fn with_roll_an_approval_is_brought_by_a_new_pod_and_by_no_touch() {
    for routes in [false, true] {
        let mut world = rolling();
        if routes {
            world.ask_for_route(
                "one",
                serde_json::json!({"path": "/one/", "upstream": "https://one.example.com"}),
            );
        } else {
            world.ask_for("one", "one.example.com");
        }
        world.settle();
        world.decide("one", Decision::Approved);
        let plan = world.plan();
        let names: Vec<String> = plan.actions.iter().map(name).collect();
        let at = |wanted: &str| names.iter().position(|one| one == wanted);
        assert!(
            at("ApplyConfigMap").unwrap() < at("DeletePod").unwrap(),
            "{names:?}"
        );
        assert_eq!(at("TouchPod"), None, "{names:?}");
        for action in plan.actions {
            world.apply(action);
        }
        // Until the new pod's own sidecars say so, nothing is in force.
        assert_eq!(world.phase("one"), "Applying");
        let claim = world.claim.clone();
        replaced(&mut world);
        assert_eq!(world.phase("one"), "Enforced");
        assert_eq!(world.claim, claim);
        assert!(
            world.plan().actions.is_empty(),
            "{:?}",
            world.plan().actions
        );
        // Revoked: by the same road.
        world.sidecar_answers("one");
        world.settle();
        world.decide("one", Decision::Revoked);
        assert!(is_on_its_way(&world, "DeletePod"));
        replaced(&mut world);
        assert_eq!(world.phase("one"), "Revoked");
    }
}

#[test]
fn with_roll_the_next_pod_is_made_when_the_old_one_is_gone() {
    let mut world = rolling();
    world.ask_for("one", "one.example.com");
    world.settle();
    world.decide("one", Decision::Approved);
    let mut old = world.pod.clone();
    for action in world.plan().actions {
        if !matches!(action, Action::DeletePod { .. }) {
            world.apply(action);
        }
    }
    old.as_mut().unwrap().metadata.deletion_timestamp = Some(Time(world.now));
    world.pod = old;
    for _ in 0..3 {
        for action in world.plan().actions {
            let what = name(&action);
            assert!(!what.contains("Pod"), "{what} while the old one ends");
            world.apply(action);
        }
        world.wait(60);
    }
    world.pod = None;
    assert!(is_on_its_way(&world, "CreatePod"));
}

#[test]
fn with_roll_a_rejection_replaces_nothing() {
    let mut world = rolling();
    world.ask_for("one", "one.example.com");
    world.settle();
    world.decide("one", Decision::Rejected);
    let done = world.settle();
    assert!(
        done.contains(&"TouchPod".to_owned()) && !done.contains(&"DeletePod".to_owned()),
        "{done:?}"
    );
}

#[test]
fn with_roll_a_decision_waits_for_no_turn_and_a_class_host_does() {
    let mut world = rolling();
    world.turn = false;
    world.ask_for("one", "one.example.com");
    world.settle();
    world.decide("one", Decision::Approved);
    assert!(is_on_its_way(&world, "DeletePod"));
    replaced(&mut world);
    assert_eq!(world.phase("one"), "Enforced");

    world.bottle.spec.class = Some("standard".into());
    world.class = yaml::from_str("{apiVersion: bot-bottle.dev/v1alpha1, kind: BottleClass, metadata: {name: standard}, spec: {}}").unwrap();
    world.settle();
    world.class = yaml::from_str("{apiVersion: bot-bottle.dev/v1alpha1, kind: BottleClass, metadata: {name: standard}, spec: {allowlist: [shared.example.com]}}").unwrap();
    let done = world.settle();
    // It is open at once all the same: the pod that waits is told.
    assert!(
        done.contains(&"TouchPod".to_owned()) && !done.contains(&"DeletePod".to_owned()),
        "{done:?}"
    );
    assert_eq!(world.plan().standing, Standing::Waiting);
    world.turn = true;
    assert!(is_on_its_way(&world, "DeletePod"));
}

#[test]
fn with_roll_an_agent_that_has_ended_is_not_started_again_by_a_grants_end() {
    let mut world = rolling();
    world.ask_for("one", "one.example.com");
    world.settle();
    world.decide("one", Decision::Approved);
    replaced(&mut world);
    agent_ended(&mut world, "");
    world.settle();
    world.decide("one", Decision::Revoked);
    let done = world.settle();
    assert!(
        done.contains(&"TouchPod".to_owned()) && !done.contains(&"DeletePod".to_owned()),
        "{done:?}"
    );
}

#[test]
fn with_roll_an_image_is_still_changed_in_place() {
    let mut world = rolling();
    world.bottle.spec.agent.image = Some("registry.example.com/agents/claude:8".into());
    let done = world.settle();
    assert!(
        done.contains(&"PatchPodImage".to_owned()) && !done.contains(&"DeletePod".to_owned()),
        "{done:?}"
    );
}

#[test]
fn rollout_needs_work_that_is_kept_or_given_up() {
    let mut world = passing();
    world.bottle.spec.rollout = Some(Rollout::Roll);
    world.settle();
    assert_eq!(world.ready().1, "InvalidSpec");
    workspace(&mut world).accept_loss = Some(true);
    world.settle();
    assert_ne!(world.ready().1, "InvalidSpec");
}

#[test]
fn decisions_that_are_made_while_it_is_suspended_hold_at_the_next_start() {
    let mut world = with_workspace(CLAIM);
    for host in ["one", "two", "three"] {
        world.ask_for(host, &format!("{host}.example.com"));
        world.settle();
    }
    world.approve_and_enforce("three");
    world.bottle.spec.operating_mode = Some(OperatingMode::Suspended);
    world.settle();
    let claim = world.claim.clone();
    assert!(world.pod.is_none() && claim.is_some());
    world.decide("one", Decision::Approved);
    world.decide("two", Decision::Rejected);
    world.decide("three", Decision::Revoked);
    world.settle();
    assert!(world.pod.is_none());
    world.bottle.spec.operating_mode = Some(OperatingMode::Running);
    world.settle();
    assert_eq!(
        world.file(names::file::ALLOWLIST),
        "api.example.com\n.docs.example.org\none.example.com\n"
    );
    let told = world.file(names::file::DECISIONS);
    assert!(
        told.contains("uid-of-two") || told.contains("rejected"),
        "{told}"
    );
    world.kubelet_runs_all();
    world.sidecar_enforces();
    world.settle();
    let phases = ["one", "two", "three"].map(|name| world.phase(name));
    assert_eq!(phases, ["Enforced", "Rejected", "Revoked"]);
    assert_eq!(world.claim, claim);
}

#[test]
fn a_finished_bottle_is_removed_when_its_time_is_over_and_not_before() {
    for message in ["", "{\"exitCode\":7,\"failures\":3}"] {
        let mut world = World::running();
        world.bottle.spec.ttl_after_finished = Some("2h".into());
        world.settle();
        world.wait(10 * 3600);
        assert!(world.plan().actions.is_empty(), "it runs");
        agent_ended(&mut world, message);
        world.settle();
        let over = world.now.checked_add(SignedDuration::from_hours(2)).ok();
        assert_eq!(world.plan().recheck, over);
        assert!(!world.removed);
        world.wait(2 * 3600 - 1);
        world.settle();
        assert!(!world.removed);
        world.wait(1);
        world.settle();
        assert!(world.removed);
    }
}

#[test]
fn a_finished_bottle_without_a_time_or_with_a_new_image_is_kept() {
    let mut world = World::running();
    agent_ended(&mut world, "");
    world.settle();
    world.wait(1_000_000);
    assert!(world.plan().actions.is_empty());
    world.bottle.spec.ttl_after_finished = Some("1h".into());
    world.bottle.spec.agent.image = Some("registry.example.com/agents/claude:8".into());
    let done = world.settle();
    assert!(
        done.contains(&"DeletePod".to_owned()) && !world.removed,
        "{done:?}"
    );
}

#[test]
fn a_class_or_the_operator_may_say_how_workspaces_live_and_a_bottle_has_the_last_word() {
    let mut world = passing();
    world.settings.builtin.workspace = yaml::from_str("{acceptLoss: true}").unwrap();
    world.settle();
    assert_eq!(kept(&world).1, "LossAccepted");
    workspace(&mut world).accept_loss = Some(false);
    world.settle();
    assert_eq!(kept(&world).1, "EndsWithPod");
}

#[test]
fn a_repository_is_among_the_seals_instructions() {
    let mut world = with_workspace(
        "{mountPath: /work, git: {url: \"http://cred-proxy:9099/git/a.git\", ref: v1, branch: agent/a}}",
    );
    let seal: serde_json::Value = serde_json::from_str(&world.file(names::file::SEAL)).unwrap();
    assert_eq!(
        seal["git"],
        serde_json::json!({"url": "http://cred-proxy:9099/git/a.git", "ref": "v1", "branch": "agent/a", "directory": "/work"})
    );
    world.settle();
}
