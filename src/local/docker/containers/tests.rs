use super::*;
use crate::{
    api::Bottle,
    local::{docker::DockerError, keeper, record::Record},
    plan::{Action, Observed, plan},
    yaml,
};
use bollard::models::{Mount, MountType};
use std::collections::BTreeMap;

/// The pod that the plan makes of this spec.
fn pod(spec: &str) -> Pod {
    let text = format!(
        "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {{name: blue, namespace: p, uid: u}}\nspec: {spec}\n"
    );
    let bottle: Bottle = yaml::from_str(&text).unwrap();
    let settings = keeper::settings(&Record {
        runtime: Runtime::Docker,
        ..Record::default()
    });
    let seen = Observed {
        class: None,
        proposals: &[],
        config_map: None,
        pod: None,
        claim: None,
        settings: &settings,
        builds: crate::plan::builds::Around::default(),
        turn: true,
    };
    let plan = plan(&bottle, seen, "2026-01-01T00:00:00Z".parse().unwrap());
    let pod = plan.actions.into_iter().find_map(|action| match action {
        Action::CreatePod(pod) => Some(*pod),
        _ => None,
    });
    pod.expect("the plan makes a pod")
}

fn place() -> Place {
    Place {
        id: "0123".into(),
        bottle: "blue".into(),
        directory: "/state/p/blue".into(),
        ..Place::default()
    }
}

const SPEC: &str = "{agent: {kind: custom, image: 'agent:1', command: [sleep]}, secrets: {T: {secretName: s, key: k}}}";

fn mounts(body: &ContainerCreateBody) -> BTreeMap<String, (String, bool)> {
    let host = body.host_config.clone().unwrap_or_default();
    let seen = |mount: Mount| {
        let from = mount.source.unwrap_or_default();
        (
            mount.target.unwrap_or_default(),
            (from, mount.read_only == Some(true)),
        )
    };
    host.mounts
        .unwrap_or_default()
        .into_iter()
        .map(seen)
        .collect()
}

#[test]
fn each_container_sees_what_its_pod_says_and_nothing_else() {
    let made = render(&pod(SPEC), &place()).unwrap();
    let expected: BTreeMap<String, (String, bool)> = [
        (
            "/etc/claude-bottle/current-config",
            "/state/p/blue/run/current-config",
            true,
        ),
        ("/run/bottle/seal", "bottle-blue-0123-seal", true),
        ("/bottle/home", "bottle-blue-0123-home", false),
        ("/bottle/workspace", "bottle-blue-0123-workspace", false),
        ("/dev/termination-log", "/state/p/blue/run/last-word", false),
    ]
    .map(|(at, from, read_only)| (at.to_owned(), (from.to_owned(), read_only)))
    .into();
    assert_eq!(mounts(&made.agent), expected);
    let with_secrets: Vec<&str> = made
        .sidecars
        .iter()
        .filter(|(_, body)| mounts(body).contains_key("/run/bottle/secrets"))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(with_secrets, ["cred-proxy"]);
    let with_store: Vec<&str> = made
        .sidecars
        .iter()
        .filter(|(_, body)| mounts(body).contains_key("/run/bottle/store"))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(with_store, ["supervise"]);
}

#[test]
fn only_prepare_has_a_network_of_its_own_and_a_capability() {
    let made = render(&pod(SPEC), &place()).unwrap();
    let host = made.holder.host_config.clone().unwrap();
    assert_eq!(host.network_mode.as_deref(), Some("bridge"));
    assert_eq!(host.cap_add, Some(vec!["NET_ADMIN".to_owned()]));
    let others = made
        .sidecars
        .iter()
        .map(|(_, body)| body)
        .chain([&made.agent]);
    for body in others {
        let host = body.host_config.clone().unwrap();
        assert_eq!(
            host.network_mode.as_deref(),
            Some("container:bottle-blue-0123-prepare")
        );
        assert_eq!(host.cap_add.unwrap_or_default(), Vec::<String>::new());
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.privileged, Some(false));
    }
}

#[test]
fn a_directory_in_place_of_the_workspace_is_bound_and_given_to_nobody() {
    let bound = Place {
        workspace: Some("/home/rosa/app".into()),
        ..place()
    };
    let made = render(&pod(SPEC), &bound).unwrap();
    assert_eq!(mounts(&made.agent)["/bottle/workspace"].0, "/home/rosa/app");
    assert_eq!(made.own, [(PathBuf::from("/bottle/home"), 1000)]);
    assert_eq!(made.volumes.len(), 3);
}

#[test]
fn what_a_pod_may_say_and_a_container_can_not_is_refused() {
    let refused = |change: fn(&mut PodSpec)| {
        let mut pod = pod(SPEC);
        change(pod.spec.as_mut().unwrap());
        match render(&pod, &place()) {
            Err(DockerError::NotHonoured(refused)) => refused.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(|spec| spec.host_network = Some(true)).contains("pod's spec"));
    assert!(refused(|spec| spec.runtime_class_name = Some("gvisor".into())).contains("pod's spec"));
    let said = refused(|spec| {
        spec.containers[3].lifecycle = Some(k8s_openapi::api::core::v1::Lifecycle::default());
    });
    assert!(said.contains("container agent"), "{said}");
    let said = refused(|spec| {
        spec.containers[3]
            .security_context
            .as_mut()
            .unwrap()
            .privileged = Some(true);
    });
    assert!(said.contains("container agent"), "{said}");
    let said = refused(|spec| {
        let mount = crate::plan::volumes::mount("host", "/host", false);
        spec.containers[3]
            .volume_mounts
            .as_mut()
            .unwrap()
            .push(mount);
    });
    assert!(said.contains("the volume host"), "{said}");
}

#[test]
fn no_mount_is_of_a_kind_that_a_daemon_would_choose_itself() {
    let made = render(&pod(SPEC), &place()).unwrap();
    for mount in made.agent.host_config.unwrap().mounts.unwrap() {
        assert!(matches!(
            mount.typ,
            Some(MountType::BIND | MountType::VOLUME)
        ));
    }
}
