//! What one container may not have.

use super::Leak;
use crate::names;
use k8s_openapi::api::core::v1::{Container, SecurityContext};

/// Every leak of the container's own settings.
pub(super) fn leaks(container: &Container, agent_uid: i64) -> Vec<Leak> {
    let none = SecurityContext::default();
    let security = container.security_context.as_ref().unwrap_or(&none);
    let wrong = privileges(container, security)
        .into_iter()
        .chain(ways_out(container))
        .filter(|(wrong, _)| *wrong)
        .map(|(_, what)| Leak::ContainerSetting(container.name.clone(), what));
    wrong_uid(container, security, agent_uid)
        .into_iter()
        .chain(wrong)
        .collect()
}

fn is_agent(container: &Container) -> bool {
    container.name == names::container::AGENT
}

fn wrong_uid(container: &Container, security: &SecurityContext, agent_uid: i64) -> Option<Leak> {
    let uid = match container.name.as_str() {
        names::container::PREPARE => 0,
        names::container::SUPERVISE => names::uid::SUPERVISE,
        names::container::EGRESS => names::uid::EGRESS,
        names::container::CRED_PROXY => names::uid::CRED_PROXY,
        _ => agent_uid,
    };
    let taken = is_agent(container)
        && (agent_uid < names::uid::AGENT_MIN || names::uid::RESERVED.contains(&agent_uid));
    (security.run_as_user != Some(uid) || taken)
        .then(|| Leak::WrongUid(container.name.clone(), security.run_as_user))
}

fn privileges(container: &Container, security: &SecurityContext) -> Vec<(bool, &'static str)> {
    let is_prepare = container.name == names::container::PREPARE;
    let allowed: &[&str] = if is_prepare { &["NET_ADMIN"] } else { &[] };
    let capabilities = security.capabilities.clone().unwrap_or_default();
    let drops_all = capabilities.drop.iter().flatten().any(|one| one == "ALL");
    let adds_more = capabilities
        .add
        .iter()
        .flatten()
        .any(|one| !allowed.contains(&one.as_str()));
    let seccomp = security.seccomp_profile.as_ref();
    let proc_mount = security.proc_mount.as_deref();
    vec![
        (security.privileged == Some(true), "privileged"),
        (
            security.allow_privilege_escalation != Some(false),
            "allowPrivilegeEscalation",
        ),
        (
            !is_prepare && security.run_as_non_root != Some(true),
            "runAsNonRoot other than true",
        ),
        (!drops_all, "capabilities without dropping ALL"),
        (adds_more, "further capabilities"),
        (
            seccomp.is_none_or(|profile| profile.type_ != "RuntimeDefault"),
            "a seccomp profile other than RuntimeDefault",
        ),
        (
            proc_mount.is_some_and(|mount| mount != "Default"),
            "procMount",
        ),
    ]
}

fn ways_out(container: &Container) -> Vec<(bool, &'static str)> {
    let seal = [names::path::SEAL_PROGRAM.to_owned()];
    let devices = container.volume_devices.as_ref();
    let env_from = container.env_from.as_ref();
    let host_port = container
        .ports
        .iter()
        .flatten()
        .any(|port| port.host_port.is_some());
    let borrowed = container
        .env
        .iter()
        .flatten()
        .any(|variable| variable.value_from.is_some());
    vec![
        (
            devices.is_some_and(|list| !list.is_empty()),
            "volumeDevices",
        ),
        (host_port, "hostPort"),
        (container.lifecycle.is_some(), "lifecycle hooks"),
        (
            is_agent(container) && container.command.as_deref() != Some(&seal),
            "a command other than seal",
        ),
        (
            is_agent(container) && borrowed,
            "an environment from elsewhere",
        ),
        (env_from.is_some_and(|list| !list.is_empty()), "envFrom"),
    ]
}
