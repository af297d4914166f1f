//! CORE: a pod's containers as Docker has them. What has no counterpart is an error that names it.

pub(super) mod mounts;

use super::DockerError;
use crate::{
    local::{
        honour::NotHonoured,
        record::Runtime,
        resources::{self, Limits, PERIOD},
        sandbox::layout::Mount as Laid,
    },
    names::{self, container, path},
};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, VolumeCreateRequest,
};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SecurityContext};
use mounts::{all_volumes, bind, is_volume, laid, mounted};
use std::{collections::HashMap, path::PathBuf};

/// How much a container's own log may hold at the daemon, in each of two files; ours is in the bottle's directory.
const LOG_SIZE: &str = "10m";

/// What the pod does not say.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Whose containers these are; a part of every name.
    pub id: String,
    /// The bottle.
    pub bottle: String,
    /// The project.
    pub project: String,
    /// The bottle's directory.
    pub directory: PathBuf,
    /// The directory that is the workspace; without it there is a volume.
    pub workspace: Option<PathBuf>,
    /// What is laid over the workspace.
    pub over: Vec<Laid>,
    /// Hosts with a fixed address, for tests.
    pub resolve: Vec<String>,
    /// The agent has a terminal.
    pub terminal: bool,
    /// The agent has an input.
    pub input: bool,
}

impl Place {
    /// A container's name.
    pub fn container(&self, role: &str) -> String {
        format!("bottle-{}-{}-{role}", self.bottle, self.id)
    }

    /// A volume's name.
    pub fn volume(&self, name: &str) -> String {
        self.container(name)
    }

    /// The labels by which everything of this bottle is found.
    pub fn labels(&self) -> HashMap<String, String> {
        [
            (names::LABEL_MANAGED_BY, names::PRODUCT),
            (names::LABEL_BOTTLE, &self.bottle),
            (names::LABEL_PROJECT, &self.project),
            (names::LABEL_PLACE, &self.id),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn bind(&self, name: &str) -> String {
        self.directory.join("run").join(name).display().to_string()
    }
}

/// Everything that one pod is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Volumes, the persistent ones too.
    pub volumes: Vec<VolumeCreateRequest>,
    /// Has the network namespace and lays the lock.
    pub holder: ContainerCreateBody,
    /// By their names, in the pod's order.
    pub sidecars: Vec<(&'static str, ContainerCreateBody)>,
    /// The agent.
    pub agent: ContainerCreateBody,
    /// Directories in the agent's container that are given to it, with its uid.
    pub own: Vec<(PathBuf, u32)>,
}

/// The pod, for this place.
pub fn render(pod: &Pod, place: &Place) -> Result<Made, DockerError> {
    let spec = pod.spec.clone().unwrap_or_default();
    pod_is_understood(&spec)?;
    let group = spec
        .security_context
        .as_ref()
        .and_then(|context| context.fs_group)
        .unwrap_or(names::uid::AGENT_DEFAULT);
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let one = |name: &str| {
        spec.init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
            .find(|one| one.name == name)
            .ok_or_else(|| refuse(&format!("a pod without container {name}")))
    };
    let body = |name: &str| body(one(name)?, place, uid, group);

    let mut holder = body(container::PREPARE)?;
    holder.cmd.get_or_insert_default().push("--hold".into());
    holder.hostname = Some(place.bottle.clone());
    let host = holder.host_config.get_or_insert_default();
    host.network_mode = Some("bridge".into());
    host.extra_hosts = Some(aliases(&spec));

    let mut sidecars = Vec::new();
    for name in [
        container::SUPERVISE,
        container::CRED_PROXY,
        container::EGRESS,
    ] {
        let mut sidecar = body(name)?;
        if name != container::SUPERVISE {
            let fixed = place.resolve.iter().flat_map(|host| ["--resolve", host]);
            let words = fixed.map(str::to_owned);
            sidecar.cmd.get_or_insert_default().extend(words);
        }
        sidecars.push((name, sidecar));
    }

    let mut agent = body(container::AGENT)?;
    let terminal = place.terminal || one(container::AGENT)?.tty == Some(true);
    agent.tty = Some(terminal);
    agent.open_stdin = Some(terminal || place.input);
    agent.stdin_once = Some(place.input);
    let host = agent.host_config.get_or_insert_default();
    let mounts = host.mounts.get_or_insert_default();
    mounts.push(bind(place.bind("last-word"), path::TERMINATION_LOG, false));
    mounts.extend(place.over.iter().filter_map(laid));

    let user = one(container::AGENT)?
        .security_context
        .as_ref()
        .and_then(|context| context.run_as_user);
    let user = u32::try_from(user.unwrap_or(names::uid::AGENT_DEFAULT)).unwrap_or(u32::MAX);
    let own = one(container::AGENT)?
        .volume_mounts
        .iter()
        .flatten()
        .filter(|mount| is_volume(&mount.name, place))
        .map(|mount| (PathBuf::from(&mount.mount_path), user))
        .collect();
    Ok(Made {
        volumes: all_volumes(place, group),
        holder,
        sidecars,
        agent,
        own,
    })
}

/// What a pod may say that has no counterpart here.
fn pod_is_understood(spec: &PodSpec) -> Result<(), DockerError> {
    let rest = PodSpec {
        containers: Vec::new(),
        init_containers: None,
        volumes: None,
        // Made into hosts, groups, and what is always so here.
        host_aliases: None,
        security_context: None,
        automount_service_account_token: None,
        service_account_name: None,
        enable_service_links: None,
        restart_policy: None,
        termination_grace_period_seconds: None,
        ..spec.clone()
    };
    if rest == PodSpec::default() {
        return Ok(());
    }
    Err(refuse("a part of the pod's spec"))
}

fn refuse(field: &str) -> DockerError {
    DockerError::NotHonoured(NotHonoured::new(
        field,
        Runtime::Docker,
        "this version runs bottles that need it in a cluster only",
    ))
}

fn aliases(spec: &PodSpec) -> Vec<String> {
    let aliases = spec.host_aliases.iter().flatten();
    aliases
        .flat_map(|alias| {
            let hosts = alias.hostnames.iter().flatten();
            hosts.map(|host| format!("{host}:{}", alias.ip))
        })
        .collect()
}

/// One container, joined to the holder's network; the holder's own differs.
pub(super) fn body(
    container: &Container,
    place: &Place,
    pod_uid: &str,
    group: i64,
) -> Result<ContainerCreateBody, DockerError> {
    understood(container)?;
    let security = container.security_context.clone().unwrap_or_default();
    let capabilities = security.capabilities.clone().unwrap_or_default();
    let user = security.run_as_user.unwrap_or(names::uid::AGENT_DEFAULT);
    let own_group = security.run_as_group.unwrap_or(user);
    let limits = limits(container)?;
    let mut labels = place.labels();
    labels.insert(names::LABEL_POD_UID.into(), pod_uid.to_owned());
    labels.insert(names::LABEL_CONTAINER.into(), container.name.clone());
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts
        .map(|mount| mounted(mount, place))
        .collect::<Result<Vec<_>, _>>()?;
    let mut env: Vec<String> = container
        .env
        .iter()
        .flatten()
        .map(|one| format!("{}={}", one.name, one.value.as_deref().unwrap_or_default()))
        .collect();
    if container.name == container::SUPERVISE {
        env.push(format!("{}={}", names::env::STORE, path::STORE_SOCKET));
    }
    Ok(ContainerCreateBody {
        image: container.image.clone(),
        entrypoint: container.command.clone(),
        cmd: container.args.clone(),
        env: Some(env),
        user: Some(format!("{user}:{own_group}")),
        working_dir: container.working_dir.clone(),
        labels: Some(labels),
        // What an image would have run beside the agent, past `seal`; and how the agent is asked to end.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".into()]),
            ..HealthConfig::default()
        }),
        stop_signal: Some("SIGTERM".into()),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        host_config: Some(HostConfig {
            network_mode: Some(format!("container:{}", place.container(container::PREPARE))),
            privileged: Some(false),
            cap_drop: Some(capabilities.drop.unwrap_or_else(|| vec!["ALL".into()])),
            cap_add: capabilities.add,
            // Nothing is said of seccomp: that is the daemon's own profile, and `Daemon::check` saw that it has one.
            security_opt: Some(vec!["no-new-privileges".into()]),
            readonly_rootfs: security.read_only_root_filesystem,
            group_add: Some(vec![group.to_string()]),
            memory: limits.memory,
            // Of both together: without it there would be as much swap again.
            memory_swap: limits.memory,
            cpu_period: limits.cpu.map(|_| PERIOD),
            cpu_quota: limits.cpu,
            mounts: Some(mounts),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".into()),
                config: Some(
                    [("max-size", LOG_SIZE), ("max-file", "2")]
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                ),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

/// Nothing of a container or its security context is left out.
fn understood(container: &Container) -> Result<(), DockerError> {
    let rest = Container {
        name: String::new(),
        image: None,
        image_pull_policy: None,
        command: None,
        args: None,
        env: None,
        working_dir: None,
        resources: None,
        security_context: None,
        volume_mounts: None,
        termination_message_policy: None,
        tty: None,
        stdin: None,
        ..container.clone()
    };
    let security = container.security_context.clone().unwrap_or_default();
    // Seccomp is always the daemon's profile, and privileges never grow: neither can be asked for here.
    let unconfined = security
        .seccomp_profile
        .as_ref()
        .is_none_or(|profile| profile.type_ != "RuntimeDefault");
    let left = SecurityContext {
        run_as_user: None,
        run_as_group: None,
        run_as_non_root: None,
        capabilities: None,
        allow_privilege_escalation: None,
        privileged: None,
        read_only_root_filesystem: None,
        seccomp_profile: None,
        ..security.clone()
    };
    let more = security.privileged == Some(true)
        || security.allow_privilege_escalation != Some(false)
        || unconfined;
    let borrowed = container
        .env
        .iter()
        .flatten()
        .any(|one| one.value_from.is_some());
    if rest != Container::default() || left != SecurityContext::default() || more || borrowed {
        return Err(refuse(&format!(
            "a setting of container {}",
            container.name
        )));
    }
    Ok(())
}

/// What the kernel keeps a container to.
pub(super) fn limits(container: &Container) -> Result<Limits, DockerError> {
    let limits = container.resources.as_ref();
    let limits = limits.and_then(|resources| resources.limits.as_ref());
    resources::of(limits)
        .map_err(|unkept| refuse(&format!("{} of container {}", unkept.field, container.name)))
}

#[cfg(test)]
mod tests;
