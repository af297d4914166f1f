//! Every way to break the seal that we know, one row each.

use super::world::{BOTTLE, World};
use bot_bottle::plan::sealed::{Leak, leaks};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde_json::{Value, json};

const AGENT_UID: i64 = 1000;

fn pod() -> Pod {
    let mut world = World::new(BOTTLE);
    world.settle();
    world.pod.unwrap()
}

fn with(change: impl Fn(&mut PodSpec)) -> Vec<Leak> {
    let mut pod = pod();
    change(pod.spec.as_mut().unwrap());
    leaks(&pod, AGENT_UID)
}

#[test]
fn the_pod_that_we_make_is_sealed() {
    assert_eq!(leaks(&pod(), AGENT_UID), []);
}

/// JSON pointer into the pod's spec, value set there, what must be found.
#[test]
fn every_known_way_to_break_the_seal_is_found() {
    let agent = "/containers/3";
    let rows: Vec<(String, Value, &str)> = vec![
        ("/hostNetwork".into(), json!(true), "hostNetwork"),
        ("/hostPID".into(), json!(true), "hostPID"),
        ("/hostIPC".into(), json!(true), "hostIPC"),
        (
            "/shareProcessNamespace".into(),
            json!(true),
            "shareProcessNamespace",
        ),
        (
            "/automountServiceAccountToken".into(),
            json!(true),
            "automountServiceAccountToken",
        ),
        (
            "/serviceAccountName".into(),
            json!("default"),
            "service account",
        ),
        ("/restartPolicy".into(), json!("Always"), "restartPolicy"),
        (
            "/securityContext/seccompProfile/type".into(),
            json!("Unconfined"),
            "seccomp",
        ),
        (
            "/securityContext/supplementalGroups".into(),
            json!([0]),
            "supplementalGroups",
        ),
        (
            "/securityContext/sysctls".into(),
            json!([{"name": "a", "value": "b"}]),
            "sysctls",
        ),
        (
            "/dnsConfig".into(),
            json!({"nameservers": ["203.0.113.1"]}),
            "dnsConfig",
        ),
        (
            format!("{agent}/securityContext/runAsUser"),
            json!(61002),
            "uid",
        ),
        (
            format!("{agent}/securityContext/runAsUser"),
            json!(0),
            "uid",
        ),
        (
            format!("{agent}/securityContext/runAsUser"),
            json!(1001),
            "uid",
        ),
        (
            format!("{agent}/securityContext/runAsNonRoot"),
            json!(false),
            "runAsNonRoot",
        ),
        (
            format!("{agent}/securityContext/privileged"),
            json!(true),
            "privileged",
        ),
        (
            format!("{agent}/securityContext/allowPrivilegeEscalation"),
            json!(true),
            "allowPrivilegeEscalation",
        ),
        (
            format!("{agent}/securityContext/capabilities/add"),
            json!(["NET_RAW"]),
            "capabilities",
        ),
        (
            format!("{agent}/securityContext/capabilities/drop"),
            json!([]),
            "capabilities",
        ),
        (
            format!("{agent}/securityContext/seccompProfile/type"),
            json!("Unconfined"),
            "seccomp",
        ),
        (
            format!("{agent}/securityContext/procMount"),
            json!("Unmasked"),
            "procMount",
        ),
        (format!("{agent}/command"), json!(["sh"]), "seal"),
        (
            format!("{agent}/lifecycle"),
            json!({"postStart": {"exec": {"command": ["sh"]}}}),
            "lifecycle",
        ),
        (
            format!("{agent}/ports"),
            json!([{"containerPort": 80, "hostPort": 80}]),
            "hostPort",
        ),
        (
            format!("{agent}/envFrom"),
            json!([{"secretRef": {"name": "x"}}]),
            "envFrom",
        ),
        (
            format!("{agent}/env"),
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]),
            "environment",
        ),
        (
            "/containers/1/securityContext/runAsUser".into(),
            json!(61001),
            "uid",
        ),
        (
            "/initContainers/0/securityContext/capabilities/add".into(),
            json!(["NET_ADMIN", "SYS_ADMIN"]),
            "capabilities",
        ),
        ("/containers".into(), json!([]), "no agent"),
        ("/initContainers".into(), json!([]), "no prepare"),
    ];
    for (path, value, fragment) in rows {
        let mut pod = serde_json::to_value(pod()).unwrap();
        set(&mut pod["spec"], &path, value.clone());
        let found = leaks(&serde_json::from_value(pod).unwrap(), AGENT_UID);
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            text.iter().any(|leak| leak.contains(fragment)),
            "{path} = {value}: {text:?}"
        );
    }
}

#[test]
fn an_agents_uid_of_the_sidecars_is_found_even_when_it_is_the_one_that_was_asked_for() {
    let mut pod = pod();
    for container in &mut pod.spec.as_mut().unwrap().containers {
        if container.name == "agent" {
            container.security_context.as_mut().unwrap().run_as_user = Some(61002);
        }
    }
    assert!(
        leaks(&pod, 61002)
            .iter()
            .any(|leak| matches!(leak, Leak::WrongUid(..)))
    );
}

#[test]
fn a_container_more_is_found() {
    let extra = with(|spec| {
        let mut more = spec.containers[3].clone();
        more.name = "helper".into();
        spec.containers.push(more);
    });
    assert!(extra.contains(&Leak::ExtraContainer("helper".into())));
    let init = with(|spec| {
        let mut more = spec.containers[3].clone();
        more.name = "first".into();
        spec.init_containers.as_mut().unwrap().push(more);
    });
    assert!(init.contains(&Leak::ExtraContainer("first".into())));
}

#[test]
fn a_volume_that_reaches_out_of_the_pod_is_found() {
    for source in [
        json!({"hostPath": {"path": "/"}}),
        json!({"secret": {"secretName": "x"}}),
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
        json!({"downwardAPI": {}}),
        json!({"csi": {"driver": "x"}}),
        json!({"nfs": {"server": "x", "path": "/"}}),
    ] {
        let mut volume = source.clone();
        volume["name"] = json!("user-more");
        let found = with(|spec| {
            spec.volumes
                .as_mut()
                .unwrap()
                .push(serde_json::from_value(volume.clone()).unwrap());
        });
        assert_eq!(found, [Leak::VolumeKind("user-more".into())], "{source}");
    }
}

#[test]
fn the_agent_mounts_nothing_that_is_the_sidecars() {
    for volume in ["token", "state", "config", "secrets", "settings-secrets"] {
        let found = with(|spec| {
            let mount = serde_json::from_value(json!({"name": volume, "mountPath": "/x"})).unwrap();
            spec.containers[3]
                .volume_mounts
                .as_mut()
                .unwrap()
                .push(mount);
        });
        assert_eq!(found, [Leak::Mount("agent".into(), volume.into())]);
    }
    for volume in ["seal", "current-config"] {
        let found = with(|spec| {
            let mount = serde_json::from_value(json!({"name": volume, "mountPath": "/x"})).unwrap();
            spec.containers[3]
                .volume_mounts
                .as_mut()
                .unwrap()
                .push(mount);
        });
        assert_eq!(
            found,
            [Leak::Mount("agent".into(), volume.into())],
            "writable"
        );
    }
}

/// Sets `value` at a pointer whose last part may not exist yet.
fn set(target: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    target.pointer_mut(parent).unwrap()[last] = value;
}

#[test]
fn secrets_are_mounted_where_they_are_needed_and_nowhere_else() {
    let secrets = "
  secrets: {A: {secretName: s, key: a}, B: {secretName: s, key: b}}
  mcpServers: {files: {command: files, env: {KEY: '${SECRET:B}'}}}
";
    let mut world = World::new(&format!("{BOTTLE}{secrets}"));
    world.settle();
    let pod = world.pod.clone().unwrap();
    assert_eq!(leaks(&pod, AGENT_UID), []);
    let spec = pod.spec.unwrap();
    let names = |volume: &str| -> Vec<String> {
        let volumes = spec.volumes.iter().flatten();
        let found = volumes.filter(|one| one.name == volume);
        found
            .flat_map(|one| one.projected.clone().unwrap().sources.unwrap())
            .map(|source| source.secret.unwrap().items.unwrap()[0].path.clone())
            .collect()
    };
    assert_eq!(names("secrets"), ["A", "B"]);
    assert_eq!(names("settings-secrets"), ["B"]);
    for (volume, owner) in [("secrets", "cred-proxy"), ("settings-secrets", "prepare")] {
        let all = spec
            .init_containers
            .iter()
            .flatten()
            .chain(&spec.containers);
        for container in all {
            let mut mounts = container.volume_mounts.iter().flatten();
            let found = mounts.find(|mount| mount.name == volume);
            assert_eq!(
                found.is_some(),
                container.name == owner,
                "{}",
                container.name
            );
            // A single file mounted by subPath never changes again.
            assert!(found.is_none_or(|mount| mount.sub_path.is_none()));
        }
    }
}

#[test]
fn a_pod_without_its_credential_proxy_is_found() {
    let found = with(|spec| spec.containers.retain(|one| one.name != "cred-proxy"));
    assert_eq!(found, [Leak::Missing("cred-proxy")]);
}
