//! What may be tried with a bottle's own objects, with what only looks like them, and with its containers.

use super::deed::Deed;
use crate::{
    proposals::with,
    support::rest::path::{CONFIG_MAPS, PODS},
};
use serde_json::{Value, json};

const NETWORK_POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies";

/// A ConfigMap, of a bottle or of nobody.
pub fn config_map(name: &str, bottle: Option<&str>) -> Value {
    let labels = bottle.map(|name| json!({"bot-bottle.dev/bottle": name}));
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"allowlist": ""}})
}

/// A pod of nobody, which no scheduler will ever place.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "schedulerName": "nobody",
            "containers": [{"name": "agent", "image": "none.invalid/none", "resources": {"requests": {"cpu": "100m"}}}],
        },
    })
}

/// As the operator writes it.
fn owned_by(uid: &Value) -> Value {
    json!([{"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "name": "demo", "uid": uid, "controller": true}])
}

/// `uid` is that of the Bottle demo.
pub fn config_maps(uid: &Value) -> Vec<Deed> {
    let open = json!({"data": {"allowlist": "evil.example\n"}});
    let label = |value: Value| json!({"metadata": {"labels": {"bot-bottle.dev/bottle": value}}});
    let control = json!({"metadata": {"ownerReferences": owned_by(uid)}});
    let owned = with(
        config_map("made-bottle", None),
        &[("/metadata/ownerReferences", owned_by(uid))],
    );
    vec![
        Deed::read("read ConfigMaps", CONFIG_MAPS, ""),
        Deed::make("make a ConfigMap", CONFIG_MAPS, config_map("made", None)),
        Deed::make(
            "  with a bottle's label",
            CONFIG_MAPS,
            config_map("made", Some("demo")),
        ),
        Deed::make("  that says a Bottle controls it", CONFIG_MAPS, owned),
        Deed::change("write a ConfigMap", CONFIG_MAPS, "ordinary", open.clone()),
        Deed::change(
            "  that of the bottle demo",
            CONFIG_MAPS,
            "demo-bottle",
            open,
        ),
        Deed::change(
            "  so that it is a bottle's",
            CONFIG_MAPS,
            "ordinary",
            label(json!("demo")),
        ),
        Deed::change(
            "  so that it is a bottle's no more",
            CONFIG_MAPS,
            "demo-bottle",
            label(Value::Null),
        ),
        Deed::change(
            "  so that a Bottle controls it",
            CONFIG_MAPS,
            "ordinary",
            control,
        ),
        Deed::delete("delete a ConfigMap", CONFIG_MAPS, "ordinary"),
        Deed::delete("  that of the bottle demo", CONFIG_MAPS, "demo-bottle"),
        Deed::delete(
            "  all with a bottle's label",
            &format!("{CONFIG_MAPS}?labelSelector=bot-bottle.dev/bottle"),
            "",
        ),
    ]
}

/// `uid` is that of the Bottle demo.
pub fn pods(uid: &Value) -> Vec<Deed> {
    let made = |pointer: &str, value: Value| with(pod("made"), &[(pointer, value)]);
    let note = json!({"metadata": {"annotations": {"a": "b"}}});
    let image = json!({"spec": {"containers": [{"name": "agent", "image": "evil.invalid/evil"}]}});
    let debug =
        json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "none.invalid/none"}]}});
    let size = json!({"spec": {"containers": [{"name": "agent", "resources": {"requests": {"cpu": "1"}}}]}});
    let label = |value: Value| json!({"metadata": {"labels": {"bot-bottle.dev/bottle": value}}});
    let evict = |name: &str| json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    let a_bottles = |pointer: &str, value: Value| {
        let pod = crate::support::cluster::bottle_pod("made", "demo");
        Deed::make("", PODS, with(pod, &[(pointer, value)]))
    };
    let host = json!([{"name": "host", "hostPath": {"path": "/"}}]);
    vec![
        Deed::read("read pods", PODS, ""),
        Deed::make("make a pod", PODS, pod("made")),
        Deed::make(
            "  with the sidecars' account",
            PODS,
            made("/spec/serviceAccountName", json!("bottle-supervise")),
        ),
        Deed::make(
            "  with it by the old name of that field",
            PODS,
            made("/spec/serviceAccount", json!("bottle-supervise")),
        ),
        Deed::make(
            "  with a bottle's label",
            PODS,
            made("/metadata/labels", json!({"bot-bottle.dev/bottle": "demo"})),
        ),
        Deed::make(
            "  that says a Bottle controls it",
            PODS,
            made("/metadata/ownerReferences", owned_by(uid)),
        ),
        a_bottles("/spec/priority", Value::Null).named("make a bottle's pod"),
        a_bottles("/spec/volumes", host).named("  with a directory of the node"),
        a_bottles("/spec/hostNetwork", json!(true)).named("  in the node's network"),
        a_bottles(
            "/spec/containers/0/securityContext",
            json!({"privileged": true}),
        )
        .named("  privileged"),
        a_bottles("/spec/serviceAccountName", json!("default"))
            .named("  with the token of another account"),
        Deed::change("note something on a pod", PODS, "ordinary", note.clone()),
        Deed::change("  on that of the bottle demo", PODS, "demo-bottle", note),
        Deed::change(
            "  so that it is a bottle's",
            PODS,
            "ordinary",
            label(json!("demo")),
        ),
        Deed::change(
            "  so that it is a bottle's no more",
            PODS,
            "demo-bottle",
            label(Value::Null),
        ),
        Deed::strategic("another image in a pod", PODS, "ordinary", image.clone()),
        Deed::strategic("  in that of the bottle demo", PODS, "demo-bottle", image),
        Deed::strategic(
            "a container more in a pod",
            PODS,
            "ordinary/ephemeralcontainers",
            debug.clone(),
        ),
        Deed::strategic(
            "  in that of the bottle demo",
            PODS,
            "demo-bottle/ephemeralcontainers",
            debug,
        ),
        Deed::strategic("resize a pod", PODS, "ordinary/resize", size.clone()),
        Deed::strategic(
            "  that of the bottle demo",
            PODS,
            "demo-bottle/resize",
            size,
        ),
        Deed::delete("delete the pod of the bottle demo", PODS, "demo-bottle"),
        Deed::make(
            "evict it",
            &format!("{PODS}/demo-bottle/eviction"),
            evict("demo-bottle"),
        ),
        Deed::delete(
            "delete the NetworkPolicy, the second wall",
            NETWORK_POLICIES,
            "bottles",
        ),
    ]
}

pub fn connections() -> Vec<Deed> {
    vec![
        Deed::connect(
            "exec in a pod",
            PODS,
            "ordinary/exec?command=id&stdout=true",
        ),
        Deed::connect(
            "  in that of the bottle demo",
            PODS,
            "demo-bottle/exec?container=egress&command=id&stdout=true",
        ),
        Deed::connect("attach to a pod", PODS, "ordinary/attach?stdout=true"),
        Deed::connect(
            "  to that of the bottle demo",
            PODS,
            "demo-bottle/attach?container=agent&stdout=true",
        ),
        Deed::connect(
            "forward a pod's port",
            PODS,
            "ordinary/portforward?ports=9100",
        ),
        Deed::connect(
            "  that of the bottle demo",
            PODS,
            "demo-bottle/portforward?ports=9100",
        ),
        Deed::connect(
            "by the API server's proxy to a pod",
            PODS,
            "ordinary/proxy/",
        ),
        Deed::connect("  to that of the bottle demo", PODS, "demo-bottle/proxy/"),
        Deed::connect(
            "past all that, by the node's own API",
            "/api/v1/nodes",
            "none/proxy/run/a/b/c?cmd=id",
        ),
    ]
}
