//! The operator's role against what it asks for, as the API server has written it down: no verb is missing, none is spare.

pub mod log;

use crate::{
    process::{Operator, PATIENCE},
    proposals::{decide, question, with},
    support::{
        cluster::{OPERATOR, OPERATOR_NAMESPACE, Space},
        eventually,
        rest::{
            accepted,
            path::{ACCOUNTS, BOTTLES, CLASSES, CONFIG_MAPS, LEASES, PODS, PROPOSALS},
        },
    },
};
use serde_json::json;

/// Rights that are asked for inside other requests; the requests that would fail without them are in the workout.
///
/// Making the `RoleBinding` takes `bind`; making an object whose owner reference blocks the owner's deletion takes
/// `update` of its finalizers, since this API server runs the plugin `OwnerReferencesPermissionEnforcement`.
const IMPLIED: [&str; 2] = [
    "bind clusterroles.rbac.authorization.k8s.io",
    "update bottles.bot-bottle.dev/finalizers",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_uses_every_verb_of_its_role_and_no_other() {
    let space = Space::new().await;
    let system = space.admin.elsewhere(OPERATOR_NAMESPACE);
    let lease = "operator-under-audit";
    drop(system.delete(LEASES, lease).await);
    let named = json!({"rules": [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [OPERATOR, lease], "verbs": ["get", "update"]},
    ]});
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles";
    accepted(
        "a second lease",
        system
            .merge(roles, &format!("{OPERATOR}-lease"), named)
            .await,
    );
    let arguments = ["--lease", lease, "--lease-namespace", OPERATOR_NAMESPACE];
    let operator = Operator::start(&space, "audited", &arguments, "").await;
    operator.is("leading").await;
    work_out(&space).await;

    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let wide = |part: &str| format!("{OPERATOR}{part}.{OPERATOR_NAMESPACE}");
    let mut granted = log::granted(&space, roles, &wide("")).await;
    for implied in IMPLIED {
        assert!(granted.remove(implied), "{implied}: not in the role");
    }
    granted.extend(log::granted(&space, roles, &wide("-classes")).await);
    let roles = roles.replace("clusterroles", "namespaces/{}/roles");
    granted.extend(log::granted(&space, &roles, &format!("{OPERATOR}-lease")).await);
    log::is_what_is_used(&granted, |object| {
        object["namespace"] == space.namespace.as_str()
            || object["resource"] == "bottleclasses"
            || (object["namespace"] == OPERATOR_NAMESPACE && object["resource"] == "leases")
    })
    .await;
    // Every operator of these tests is confined, as by the chart's `namespaces`: RoleBindings there must be enough.
    let wide = log::read(|object| object["namespace"].is_null()).used;
    let wide: Vec<_> = wide.iter().map(String::as_str).collect();
    let classes = ["list", "patch", "watch"].map(|verb| {
        let status = if verb == "patch" { "/status" } else { "" };
        format!("{verb} bottleclasses.bot-bottle.dev{status}")
    });
    assert_eq!(wide, classes, "asked for in no namespace");
}

/// All that an operator ever does.
async fn work_out(space: &Space) {
    let admin = &space.admin;
    let alice = space.reviewer("alice").await.requests;
    let bottle = |name: &str| {
        json!({
            "apiVersion": "bot-bottle.dev/v1alpha1",
            "kind": "Bottle",
            "metadata": {"name": name},
            "spec": {
                "agent": {"kind": "custom", "image": "none.invalid/none", "command": ["true"]},
                "proposals": {"retention": "1s"},
                "workspace": {"size": "1Gi"},
                "ttlAfterFinished": "1s",
                "class": space.namespace,
            },
        })
    };
    let there = async |path: &str, name: &str| {
        eventually(name, PATIENCE, async || admin.get(path, name).await.ok()).await
    };
    let gone = async |path: &str, name: &str| {
        eventually(&format!("{name} is gone"), PATIENCE, async || {
            admin
                .get(path, name)
                .await
                .err()
                .filter(|status| status.code == 404)
        })
        .await
    };
    let class = json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "BottleClass",
        "metadata": {"name": space.namespace},
        "spec": {},
    });
    accepted("a class", admin.create(CLASSES, &class).await);
    let made = accepted("a Bottle", admin.create(BOTTLES, &bottle("demo")).await);
    there(PODS, "demo-bottle").await;
    eventually("the class counts its bottles", PATIENCE, async || {
        let stored = admin.get(CLASSES, &space.namespace).await.ok()?;
        (stored["status"]["bottles"] == 1).then_some(())
    })
    .await;

    for (name, decision) in [("demo-1", "Approved"), ("demo-2", "Rejected")] {
        let justification = json!(format!("for {name}"));
        let asked = with(
            question("demo", name),
            &[
                ("/spec/bottleUID", made["metadata"]["uid"].clone()),
                ("/spec/justification", justification),
            ],
        );
        accepted("a question", admin.create(PROPOSALS, &asked).await);
        eventually(name, PATIENCE, async || {
            let stored = admin.get(PROPOSALS, name).await.ok()?;
            (stored["status"]["phase"] == "Pending").then_some(())
        })
        .await;
        decide(&alice, name, decision).await;
    }
    gone(PROPOSALS, "demo-2").await;

    let resources = json!({"spec": {"agent": {"resources": {"requests": {"cpu": "10m"}}}}});
    let before = there(PODS, "demo-bottle").await;
    accepted(
        "other resources",
        admin.merge(BOTTLES, "demo", resources).await,
    );
    // Resized in place, or replaced where this API server can't.
    let hash = "/metadata/annotations/bot-bottle.dev~1resources-hash";
    eventually("the resources are changed", PATIENCE, async || {
        let pod = admin.get(PODS, "demo-bottle").await.ok()?;
        (pod.pointer(hash) != before.pointer(hash)).then_some(())
    })
    .await;
    // An Event that is told again is counted: by a patch.
    for _ in 0..2 {
        for mode in ["Suspended", "Running"] {
            let mode_spec = json!({"spec": {"operatingMode": mode}});
            accepted(mode, admin.merge(BOTTLES, "demo", mode_spec).await);
            if mode == "Running" {
                there(PODS, "demo-bottle").await;
            } else {
                gone(PODS, "demo-bottle").await;
            }
        }
    }
    let foreign =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other-bottle"}});
    accepted(
        "a foreign ConfigMap",
        admin.create(CONFIG_MAPS, &foreign).await,
    );
    accepted("its Bottle", admin.create(BOTTLES, &bottle("other")).await);
    eventually("the clash is told", PATIENCE, async || {
        let stored = admin.get(BOTTLES, "other").await.ok()?;
        stored["status"]
            .to_string()
            .contains("NameTaken")
            .then_some(())
    })
    .await;
    accepted(
        "one that ends",
        admin.create(BOTTLES, &bottle("ended")).await,
    );
    there(PODS, "ended-bottle").await;
    let ended = json!({"status": {"containerStatuses": [{
        "name": "agent", "image": "none.invalid/none", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:00Z"}},
    }]}});
    eventually("its time is over", PATIENCE, async || {
        // Where there is a kubelet, it says otherwise.
        drop(
            admin
                .merge(PODS, "ended-bottle/status", ended.clone())
                .await,
        );
        let found = admin.get(BOTTLES, "ended").await;
        found.err().filter(|status| status.code == 404)
    })
    .await;
    for name in ["demo", "other"] {
        accepted("deleted", admin.delete(BOTTLES, name).await);
    }
    gone(ACCOUNTS, "bottle-supervise").await;
    accepted("deleted", admin.delete(CLASSES, &space.namespace).await);
}
