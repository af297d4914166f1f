//! The pod that builds one image: pull, lock, proxy, build, push, one after the other.

use super::{
    super::{
        metadata, pod_template,
        scope::Spec,
        settings::{Builder, Settings},
    },
    Builds, buildah, container, kit,
};
use crate::{api::Bottle, names, proposal::change::ImageChange};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource,
    KeyToPath, LocalObjectReference, ObjectFieldSelector, Pod, PodSecurityContext, PodSpec,
    SecretVolumeSource, Volume,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

/// Names of a build's volumes.
pub(super) mod volume {
    /// The bottle's own config: the allowlist that holds for the build, too.
    pub const CONFIG: &str = "config";
    /// What the proxy enforces; nobody reads it here.
    pub const STATE: &str = "state";
    /// `seal`.
    pub const SEAL: &str = "seal";
    /// The Dockerfile.
    pub const DOCKERFILE: &str = "dockerfile";
    /// The builder's storage, and the image that it leaves.
    pub const WORK: &str = "work";
    /// In `pull` only.
    pub const PULL_SECRET: &str = "pull-secret";
    /// In `push` only.
    pub const PUSH_SECRET: &str = "push-secret";
    /// In `pull` and `push`: whom a registry is trusted by.
    pub const CA: &str = "ca";
}

/// The pod `name`. A pod and no Job: it is made, and by admission only ever made, by the operator itself, and what it
/// says is believed.
pub(super) fn render(
    bottle: &Bottle,
    spec: &Spec,
    settings: &Settings,
    builds: &Builds,
    name: &str,
    change: &ImageChange,
) -> Pod {
    let bottle_name = bottle.name_any();
    let namespace = bottle.namespace().unwrap_or_default();
    let key = name
        .trim_start_matches("build-")
        .trim_end_matches("-bottle");
    let mut metadata = self::metadata(bottle, name, names::ROLE_BUILD);
    metadata.annotations = Some(
        [(
            names::ANNOTATION_DOCKERFILE.to_owned(),
            change.dockerfile.clone(),
        )]
        .into(),
    );
    let proxy = spec.egress.parent_proxy.as_deref();
    let pulls = change
        .bases
        .iter()
        .enumerate()
        .map(|(at, base)| match builds.builder {
            Builder::Buildah => buildah::pull(at, base, builds, proxy),
            Builder::BuildKit => kit::pull(settings, at, base, builds, proxy),
        });
    let build = match builds.builder {
        Builder::Buildah => buildah::build(builds),
        Builder::BuildKit => kit::build(builds, &change.bases),
    };
    let steps = [container::egress(settings), build];
    let mut pod = PodSpec {
        init_containers: Some(pulls.chain(steps).collect()),
        containers: vec![container::push(settings, builds, &namespace, key)],
        restart_policy: Some("Never".into()),
        active_deadline_seconds: Some(builds.timeout_seconds),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(5),
        security_context: Some(PodSecurityContext::default()),
        image_pull_secrets: pull_secrets(spec, builds),
        // Steps are held no worse than the agent that wrote them.
        runtime_class_name: spec.runtime_class_name.clone(),
        volumes: Some(volumes(&names::object_name(&bottle_name), builds)),
        ..PodSpec::default()
    };
    if let Some(template) = &spec.pod_template {
        pod_template::place(&mut pod, template);
    }
    Pod {
        metadata,
        spec: Some(pod),
        status: None,
    }
}

/// Name, labels and owner of a pod beside the bottle's own.
pub(super) fn metadata(bottle: &Bottle, name: &str, role: &str) -> ObjectMeta {
    let mut labels = metadata::labels(&bottle.name_any());
    labels.insert(names::LABEL_ROLE.into(), role.into());
    ObjectMeta {
        name: Some(name.into()),
        namespace: bottle.metadata.namespace.clone(),
        labels: Some(labels),
        owner_references: metadata::owner(bottle).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The bottle's own, and the cluster's for what is built.
pub(super) fn pull_secrets(spec: &Spec, builds: &Builds) -> Option<Vec<LocalObjectReference>> {
    let own = spec.image_pull_secrets.iter().cloned();
    let shared = (!builds.pull_secret.is_empty()).then(|| builds.pull_secret.clone());
    let all: Vec<_> = own
        .chain(shared)
        .map(|name| LocalObjectReference { name })
        .collect();
    (!all.is_empty()).then_some(all)
}

fn volumes(config_map: &str, builds: &Builds) -> Vec<Volume> {
    let named = |name: &str| Volume {
        name: name.into(),
        ..Volume::default()
    };
    let empty = |name: &str, medium: Option<&str>, limit: &str| Volume {
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            size_limit: Some(Quantity(limit.into())),
        }),
        ..named(name)
    };
    let secret = |name: &str, secret: &str| {
        (!secret.is_empty()).then(|| Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.into()),
                items: Some(vec![KeyToPath {
                    key: ".dockerconfigjson".into(),
                    path: "config.json".into(),
                    mode: None,
                }]),
                // A missing one is a clear sentence of who needs it, and not a pod that hangs.
                optional: Some(true),
                ..SecretVolumeSource::default()
            }),
            ..named(name)
        })
    };
    let mut all = vec![
        Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.into(),
                ..ConfigMapVolumeSource::default()
            }),
            ..named(volume::CONFIG)
        },
        empty(volume::STATE, Some("Memory"), "1Mi"),
        empty(volume::SEAL, Some("Memory"), "64Mi"),
        empty(volume::WORK, None, &builds.storage),
        Volume {
            downward_api: Some(DownwardAPIVolumeSource {
                items: Some(vec![DownwardAPIVolumeFile {
                    path: "Dockerfile".into(),
                    field_ref: Some(ObjectFieldSelector {
                        field_path: format!(
                            "metadata.annotations['{}']",
                            names::ANNOTATION_DOCKERFILE
                        ),
                        api_version: Some("v1".into()),
                    }),
                    ..DownwardAPIVolumeFile::default()
                }]),
                default_mode: None,
            }),
            ..named(volume::DOCKERFILE)
        },
    ];
    all.extend(secret(volume::PULL_SECRET, &builds.pull_secret));
    all.extend(secret(volume::PUSH_SECRET, &builds.push_secret));
    all.extend((!builds.ca_bundle.is_empty()).then(|| Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: builds.ca_bundle.clone(),
            items: Some(vec![KeyToPath {
                key: "ca.crt".into(),
                path: "ca.crt".into(),
                mode: None,
            }]),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..named(volume::CA)
    }));
    all
}
