//! The last look at a pod before it is applied: is it still a sealed bottle?
//!
//! The rendering can't break the seal on purpose; this check is for the mistake that somebody makes in it one day.

mod container;

use super::volumes;
use crate::names;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume};

/// One way in which a pod isn't sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Leak {
    /// A part of the pod is missing.
    #[error("the pod has no {0}")]
    Missing(&'static str),
    /// A container that nobody knows.
    #[error("container {0} is not one of a bottle's")]
    ExtraContainer(String),
    /// Two containers share a uid, or one has another than its own.
    #[error("container {0} must run as its own uid, not {1:?}")]
    WrongUid(String, Option<i64>),
    /// A setting of the whole pod that opens it.
    #[error("the pod sets {0}")]
    PodSetting(&'static str),
    /// A setting of a container that opens it.
    #[error("container {0} sets {1}")]
    ContainerSetting(String, &'static str),
    /// A volume of a kind that reaches out of the pod.
    #[error("volume {0} is of a kind that a bottle may not have")]
    VolumeKind(String),
    /// A volume in a container that must not see it.
    #[error("container {0} mounts volume {1}")]
    Mount(String, String),
}

/// Every leak of `pod`; an empty list is a sealed bottle.
pub fn leaks(pod: &Pod, agent_uid: i64) -> Vec<Leak> {
    let Some(spec) = &pod.spec else {
        return vec![Leak::Missing("spec")];
    };
    let mut leaks = pod_settings(spec);
    leaks.extend(container_set(spec));
    for container in spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
    {
        leaks.extend(container::leaks(container, agent_uid));
        leaks.extend(mounts(container));
    }
    leaks.extend(spec.volumes.iter().flatten().filter_map(volume_kind));
    leaks
}

fn pod_settings(spec: &PodSpec) -> Vec<Leak> {
    let security = spec.security_context.clone().unwrap_or_default();
    let wrong = [
        (spec.host_network == Some(true), "hostNetwork"),
        (spec.host_pid == Some(true), "hostPID"),
        (spec.host_ipc == Some(true), "hostIPC"),
        (spec.host_users == Some(true), "hostUsers"),
        (
            spec.share_process_namespace == Some(true),
            "shareProcessNamespace",
        ),
        (
            spec.automount_service_account_token != Some(false),
            "automountServiceAccountToken",
        ),
        (
            spec.service_account_name.as_deref() != Some(names::SERVICE_ACCOUNT),
            "another service account",
        ),
        (
            security
                .seccomp_profile
                .is_none_or(|profile| profile.type_ != "RuntimeDefault"),
            "a seccomp profile other than RuntimeDefault",
        ),
        (
            security.sysctls.is_some_and(|sysctls| !sysctls.is_empty()),
            "sysctls",
        ),
        (
            security
                .supplemental_groups
                .is_some_and(|groups| !groups.is_empty()),
            "supplementalGroups",
        ),
        (
            spec.restart_policy.as_deref() != Some("OnFailure"),
            "another restartPolicy",
        ),
        (
            spec.ephemeral_containers
                .as_ref()
                .is_some_and(|list| !list.is_empty()),
            "ephemeralContainers",
        ),
        (spec.dns_config.is_some(), "dnsConfig"),
    ];
    wrong
        .into_iter()
        .filter(|(wrong, _)| *wrong)
        .map(|(_, what)| Leak::PodSetting(what))
        .collect()
}

fn container_set(spec: &PodSpec) -> Vec<Leak> {
    let init: Vec<&str> = spec
        .init_containers
        .iter()
        .flatten()
        .map(|container| container.name.as_str())
        .collect();
    let main: Vec<&str> = spec
        .containers
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let mut leaks = Vec::new();
    for (list, known) in [
        (&init, &[names::container::PREPARE][..]),
        (
            &main,
            &[
                names::container::SUPERVISE,
                names::container::EGRESS,
                names::container::CRED_PROXY,
                names::container::AGENT,
            ],
        ),
    ] {
        leaks.extend(
            list.iter()
                .filter(|name| !known.contains(name))
                .map(|name| Leak::ExtraContainer((*name).into())),
        );
    }
    for (list, required) in [
        (&init, names::container::PREPARE),
        (&main, names::container::SUPERVISE),
        (&main, names::container::EGRESS),
        (&main, names::container::CRED_PROXY),
        (&main, names::container::AGENT),
    ] {
        if !list.contains(&required) {
            leaks.push(Leak::Missing(required));
        }
    }
    leaks
}

fn mounts(container: &Container) -> Vec<Leak> {
    let mut leaks = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let allowed = match mount.name.as_str() {
            volumes::STATE | volumes::CONFIG | volumes::PIPELOCK => {
                container.name != names::container::AGENT
            }
            volumes::TOKEN => container.name == names::container::SUPERVISE,
            volumes::SECRETS => container.name == names::container::CRED_PROXY,
            volumes::SETTINGS_SECRETS => container.name == names::container::PREPARE,
            volumes::SEAL => {
                container.name == names::container::PREPARE || mount.read_only == Some(true)
            }
            volumes::CA => {
                let reads = [names::container::CRED_PROXY, names::container::AGENT];
                reads.contains(&container.name.as_str()) && mount.read_only == Some(true)
            }
            volumes::CURRENT_CONFIG => mount.read_only == Some(true),
            _ => container.name == names::container::AGENT,
        };
        if !allowed
            || mount
                .mount_propagation
                .as_deref()
                .is_some_and(|mode| mode != "None")
        {
            leaks.push(Leak::Mount(container.name.clone(), mount.name.clone()));
        }
    }
    leaks
}

/// Only the kinds that a bottle needs; a Secret stands in exactly one volume of ours.
fn volume_kind(volume: &Volume) -> Option<Leak> {
    let mut other = volume.clone();
    other.name = String::new();
    let ours = match volume.name.as_str() {
        volumes::TOKEN | volumes::SECRETS | volumes::SETTINGS_SECRETS => {
            other.projected.take().is_some()
        }
        _ => {
            let config_map = other.config_map.take().is_some();
            let empty_dir = other.empty_dir.take().is_some();
            let claim = other.persistent_volume_claim.take().is_some();
            config_map || empty_dir || claim
        }
    };
    let token_only = volume.name != volumes::TOKEN
        || volume
            .projected
            .iter()
            .flat_map(|projected| projected.sources.iter().flatten())
            .all(|source| source.secret.is_none());
    (!ours || other != Volume::default() || !token_only)
        .then(|| Leak::VolumeKind(volume.name.clone()))
}
