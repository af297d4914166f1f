//! Where a Bottle may mount what.

use crate::{
    bottles::{DRY, bottle, try_all},
    support::{
        cluster::Space,
        rest::{accepted, path::BOTTLES, refused},
    },
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_volume_is_of_one_harmless_kind_and_mounted_where_it_does_no_harm() {
    let one = "name exactly one of configMap, emptyDir and persistentVolumeClaim";
    let form = "mountPath must be absolute, without empty parts";
    let taken = "mountPath must be outside /run/bottle";
    let volumes = |volume: Value| json!({"podTemplate": {"volumes": [volume]}});
    let at = |path: &str| volumes(json!({"name": "data", "mountPath": path, "emptyDir": {}}));
    let mut table = vec![
        (
            "no kind",
            volumes(json!({"name": "data", "mountPath": "/data"})),
            Some(one),
        ),
        (
            "two kinds",
            volumes(
                json!({"name": "data", "mountPath": "/data", "emptyDir": {}, "configMap": {"name": "a"}}),
            ),
            Some(one),
        ),
        (
            "a ConfigMap",
            volumes(json!({"name": "data", "mountPath": "/data", "configMap": {"name": "a"}})),
            None,
        ),
        (
            "a claim",
            volumes(
                json!({"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "a"}}),
            ),
            None,
        ),
        (
            "only a Secret",
            volumes(json!({"name": "data", "mountPath": "/data", "secret": {"secretName": "a"}})),
            Some(one),
        ),
        (
            "only a host path",
            volumes(json!({"name": "data", "mountPath": "/data", "hostPath": {"path": "/"}})),
            Some(one),
        ),
        (
            "a bad name",
            volumes(json!({"name": "A b", "mountPath": "/data", "emptyDir": {}})),
            Some("should match"),
        ),
        (
            "too many",
            json!({"podTemplate": {"volumes": vec![json!({"name": "data", "mountPath": "/data", "emptyDir": {}}); 17]}}),
            Some("must have at most 16 items"),
        ),
        ("the root", at("/"), Some("should be at least 2 chars long")),
    ];
    for good in [
        "/data",
        "/home/agent/cache",
        "/opt/run",
        "/process",
        "/system",
        "/var/runner",
        "/a..b",
        "/.cache",
        "/run/other",
    ] {
        table.push((good, at(good), None));
    }
    for bad in [
        "data",
        "./data",
        "/data/",
        "/run/",
        "/data/..",
        "/data/../run/bottle",
        "//run/bottle",
        "/./run/bottle",
        "/run//bottle",
        "/data/.",
        "/data//",
        "/a:b",
    ] {
        table.push((bad, at(bad), Some(form)));
    }
    for bad in [
        "/run/bottle",
        "/run/bottle/seal",
        "/etc/claude-bottle",
        "/etc/claude-bottle/current-config",
        "/bottle/home",
        "/bottle/home/.claude",
        "/proc",
        "/proc/sys",
        "/sys",
        "/sys/fs",
        "/dev",
        "/dev/shm",
        "/var/run",
        "/var/run/secrets",
    ] {
        table.push((bad, at(bad), Some(taken)));
    }
    try_all(table).await;
    let space = Space::new().await;
    for (path, refusal) in [
        ("/work", None),
        ("//run/bottle", Some(form)),
        ("/run/bottle/seal", Some(taken)),
        ("/dev/shm", Some(taken)),
    ] {
        let spec = json!({"workspace": {"mountPath": path}});
        let answer = space
            .admin
            .create(&format!("{BOTTLES}{DRY}"), &bottle("demo", &spec))
            .await;
        match refusal {
            None => drop(accepted(path, answer)),
            Some(fragment) => refused(path, answer, fragment),
        }
    }
}
