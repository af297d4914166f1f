//! The volumes of a bottle's pod, and where each container sees them.

use super::scope::Spec;
use crate::{
    api::{Bottle, Engine, Secret},
    names,
};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile,
    EmptyDirVolumeSource, KeyToPath, ObjectFieldSelector, PersistentVolumeClaimVolumeSource,
    ProjectedVolumeSource, SecretProjection, ServiceAccountTokenProjection, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// The ConfigMap as a whole, for sidecars.
pub const CONFIG: &str = "config";
/// Its three public files, for the agent.
pub const CURRENT_CONFIG: &str = "current-config";
/// The hashes that sidecars enforce; never in the agent.
pub const STATE: &str = "state";
/// `seal` and its instructions.
pub const SEAL: &str = "seal";
/// The agent's HOME.
pub const HOME: &str = "home";
/// The agent's working directory.
pub const WORKSPACE: &str = "workspace";
/// The claim with both of these, where there is one; in the agent only.
pub const KEPT: &str = "kept";
/// The sidecar's token; in `supervise` only.
pub const TOKEN: &str = "token";
/// All secrets that the Bottle declares; in `cred-proxy` only. A route that is granted later may use any of them,
/// and a running pod can't be given a volume.
pub const SECRETS: &str = "secrets";
/// The secrets that the agent's settings name; in `prepare` only.
pub const SETTINGS_SECRETS: &str = "settings-secrets";

/// What `supervise` and the engine Pipelock share; never in the agent.
pub const PIPELOCK: &str = "pipelock";
/// A company's certificates; in `cred-proxy` and the agent.
pub const CA: &str = "ca";

/// Kubernetes' own life time of projected tokens, one hour, renewed by the kubelet.
const TOKEN_SECONDS: i64 = 3600;
/// The state volume holds a few hashes, `seal`'s volume the program (a few MB) and its instructions.
const STATE_LIMIT: &str = "1Mi";
const SEAL_LIMIT: &str = "64Mi";

/// All volumes of the pod; those of `podTemplate` are merged later.
pub fn render(bottle: &Bottle, spec: &Spec) -> Vec<Volume> {
    let config_map = names::object_name(bottle.metadata.name.as_deref().unwrap_or_default());
    let mut volumes = vec![
        Volume {
            name: CONFIG.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: CURRENT_CONFIG.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map,
                items: Some(
                    [
                        names::file::ROUTES,
                        names::file::ALLOWLIST,
                        names::file::DOCKERFILE,
                    ]
                    .map(same_path)
                    .to_vec(),
                ),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        memory(STATE, STATE_LIMIT),
        memory(SEAL, SEAL_LIMIT),
    ];
    volumes.extend(of_the_agent(bottle, spec));
    volumes.push(token());
    if spec.engine == Engine::Pipelock {
        // A config, and `supervise` as pipelock's keeper.
        volumes.push(memory(PIPELOCK, SEAL_LIMIT));
    }
    volumes.extend(spec.ca_bundle.as_ref().map(|name| Volume {
        name: CA.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: name.clone(),
            items: Some(vec![same_path("ca.crt")]),
            // A missing one is cred-proxy's clear sentence and not a pod that hangs.
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }));
    let in_settings = spec.secrets_in_settings();
    for (name, mounted) in [
        (SECRETS, spec.secrets.iter().collect()),
        (SETTINGS_SECRETS, in_settings),
    ] {
        if !mounted.is_empty() {
            volumes.push(secrets(name, &mounted));
        }
    }
    volumes.extend(spec.skills.iter().enumerate().map(|(index, skill)| Volume {
        name: skill_volume(index),
        config_map: Some(ConfigMapVolumeSource {
            name: skill.config_map.clone(),
            // A missing one is what `seal` says of the skill, and not a pod that hangs.
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }));
    volumes
}

/// HOME and workspace: two directories of one claim, or each a volume that ends with the pod.
fn of_the_agent(bottle: &Bottle, spec: &Spec) -> Vec<Volume> {
    if spec.work.on_claim() {
        let name = bottle.metadata.name.as_deref().unwrap_or_default();
        return vec![Volume {
            name: KEPT.into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: names::object_name(name),
                read_only: None,
            }),
            ..Volume::default()
        }];
    }
    let passing = |name: &str| Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    vec![passing(HOME), passing(WORKSPACE)]
}

/// Where the agent's container sees them.
pub fn agent_mounts(spec: &Spec) -> [VolumeMount; 2] {
    let at = [
        (HOME, names::path::HOME),
        (WORKSPACE, &*spec.workspace_path),
    ];
    at.map(|(volume, path)| {
        if !spec.work.on_claim() {
            return mount(volume, path, false);
        }
        VolumeMount {
            sub_path: Some(volume.to_owned()),
            ..mount(KEPT, path, false)
        }
    })
}

/// Where the agent's container sees each skill; `seal` copies it into HOME.
pub fn skill_mounts(spec: &Spec) -> impl Iterator<Item = VolumeMount> {
    spec.skills.iter().enumerate().map(|(index, skill)| {
        let path = format!("{}/{}", names::path::SKILLS, skill.name);
        mount(&skill_volume(index), &path, true)
    })
}

const SKILL: &str = "skill-";

fn skill_volume(index: usize) -> String {
    format!("{SKILL}{index}")
}

/// Whether the volume is a ConfigMap that a person made.
pub fn is_a_persons(volume: &str) -> bool {
    volume == CA || volume.starts_with(SKILL)
}

/// A mount of `volume` at `path`.
pub fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn memory(name: &str, limit: &str) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".into()),
            size_limit: Some(Quantity(limit.into())),
        }),
        ..Volume::default()
    }
}

/// What `automountServiceAccountToken` would mount, but into one container.
fn token() -> Volume {
    Volume {
        name: TOKEN.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![
                VolumeProjection {
                    service_account_token: Some(ServiceAccountTokenProjection {
                        path: "token".into(),
                        expiration_seconds: Some(TOKEN_SECONDS),
                        audience: None,
                    }),
                    ..VolumeProjection::default()
                },
                VolumeProjection {
                    config_map: Some(ConfigMapProjection {
                        name: "kube-root-ca.crt".into(),
                        items: Some(vec![same_path("ca.crt")]),
                        optional: None,
                    }),
                    ..VolumeProjection::default()
                },
                VolumeProjection {
                    downward_api: Some(DownwardAPIProjection {
                        items: Some(vec![DownwardAPIVolumeFile {
                            path: "namespace".into(),
                            field_ref: Some(ObjectFieldSelector {
                                field_path: "metadata.namespace".into(),
                                api_version: Some("v1".into()),
                            }),
                            ..DownwardAPIVolumeFile::default()
                        }]),
                    }),
                    ..VolumeProjection::default()
                },
            ]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// One file per NAME. Optional, so that a missing one is `prepare`'s clear sentence, or cred-proxy's answer 503, and
/// not a pod that hangs; it is mounted as soon as it exists, and a changed one is mounted anew.
fn secrets(volume: &str, secrets: &BTreeMap<&String, &Secret>) -> Volume {
    let sources = secrets
        .iter()
        .map(|(name, secret)| VolumeProjection {
            secret: Some(SecretProjection {
                name: secret.secret_name.clone(),
                items: Some(vec![KeyToPath {
                    key: secret.key.clone(),
                    path: (*name).clone(),
                    mode: None,
                }]),
                optional: Some(true),
            }),
            ..VolumeProjection::default()
        })
        .collect();
    Volume {
        name: volume.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn same_path(key: &str) -> KeyToPath {
    KeyToPath {
        key: key.into(),
        path: key.into(),
        mode: None,
    }
}
