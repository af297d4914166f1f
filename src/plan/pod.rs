//! The pod of a bottle.

use super::{
    containers, instructions,
    metadata::{labels, owner},
    pod_template,
    scope::Spec,
    settings::Settings,
    volumes,
};
use crate::{api::Bottle, config::hex, names};
use k8s_openapi::api::core::v1::{
    HostAlias, LocalObjectReference, Pod, PodSecurityContext, PodSpec, SeccompProfile,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest as _, Sha256};

/// Time between SIGTERM and SIGKILL for the agent; the proxies need at most ten seconds of it.
const GRACE_SECONDS: i64 = 30;

/// The pod as it must be, with the hash of what a running pod can't take as an annotation.
pub fn render(bottle: &Bottle, spec: &Spec, settings: &Settings) -> Pod {
    let name = bottle.metadata.name.clone().unwrap_or_default();
    let mut pod = Pod {
        metadata: ObjectMeta {
            name: Some(names::object_name(&name)),
            namespace: bottle.metadata.namespace.clone(),
            labels: Some(labels(&name)),
            owner_references: owner(bottle).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(pod_spec(bottle, spec, settings)),
        status: None,
    };
    if let Some(template) = &spec.pod_template {
        pod_template::merge(&mut pod, template);
    }
    let annotations = pod.metadata.annotations.get_or_insert_default();
    if let Some(at) = restarted_at(bottle) {
        annotations.insert(names::ANNOTATION_RESTARTED_AT.into(), at);
    }
    let hash = shape_hash(&pod, spec);
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(names::ANNOTATION_POD_HASH.into(), hash);
    if let Some(made) = &spec.work.made {
        annotations.insert(names::ANNOTATION_CONFIG.into(), made.to_string());
    }
    annotations.insert(
        names::ANNOTATION_RESOURCES_HASH.into(),
        resources_hash(spec),
    );
    pod
}

/// Hash of the agent's resources, which a running pod can take by a resize.
pub fn resources_hash(spec: &Spec) -> String {
    hash_of(&spec.resources)
}

/// A user's `kubectl rollout restart`-like annotation on the Bottle.
fn restarted_at(bottle: &Bottle) -> Option<String> {
    bottle
        .metadata
        .annotations
        .as_ref()?
        .get(names::ANNOTATION_RESTARTED_AT)
        .cloned()
}

/// Hash of all that a running pod can't take: everything but the agent's image and resources, and `seal`'s
/// instructions, which `prepare` hands over once.
fn shape_hash(pod: &Pod, spec: &Spec) -> String {
    let mut shape = pod.clone();
    if let Some(spec) = &mut shape.spec {
        for container in &mut spec.containers {
            if container.name == names::container::AGENT {
                container.image = None;
                container.resources = None;
            }
        }
    }
    hash_of(&(shape, instructions::render(spec)))
}

fn hash_of<T: serde::Serialize>(value: &T) -> String {
    // These types serialise into memory without failing; an empty text would only cost one replacement.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut hash = hex(&Sha256::digest(text));
    hash.truncate(16);
    hash
}

/// The cluster's own stands there from the start: a running pod can't be given one when an image is built for it.
fn pull_secrets(spec: &Spec, settings: &Settings) -> Option<Vec<LocalObjectReference>> {
    let builds = settings.builds.as_ref();
    let built = builds.map(|builds| &builds.pull_secret);
    let all: Vec<_> = spec
        .image_pull_secrets
        .iter()
        .chain(built.filter(|name| !name.is_empty()))
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    (!all.is_empty()).then_some(all)
}

fn pod_spec(bottle: &Bottle, spec: &Spec, settings: &Settings) -> PodSpec {
    PodSpec {
        service_account_name: Some(names::SERVICE_ACCOUNT.into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("OnFailure".into()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        host_aliases: Some(vec![HostAlias {
            ip: "127.0.0.1".into(),
            hostnames: Some(
                [
                    names::container::SUPERVISE,
                    names::container::CRED_PROXY,
                    names::container::EGRESS,
                ]
                .map(str::to_owned)
                .to_vec(),
            ),
        }]),
        security_context: Some(PodSecurityContext {
            fs_group: Some(spec.user),
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        image_pull_secrets: pull_secrets(spec, settings),
        runtime_class_name: spec.runtime_class_name.clone(),
        init_containers: Some(vec![containers::prepare(spec, settings)]),
        // The agent comes last: the kubelet starts containers in this order.
        containers: vec![
            containers::supervise(bottle, spec, settings),
            containers::cred_proxy(spec, settings),
            containers::egress(spec, settings),
            containers::agent(spec),
        ],
        volumes: Some(volumes::render(bottle, spec)),
        ..PodSpec::default()
    }
}
