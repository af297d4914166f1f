//! The pod that tries an image on the bottle's node: it is pulled there, and the agent's command is looked for in it.
//! Nothing of the image runs.

use super::{
    super::{pod_template, scope::Spec, settings::Settings, volumes::mount},
    Builds,
    pod::{metadata, pull_secrets, volume},
};
use crate::{
    api::Bottle,
    names::{self, container, path},
    proposal::build::Probed,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, Pod, PodSpec, SeccompProfile, SecurityContext,
    Volume,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;

/// To pull the image; a registry may be away for minutes.
const DEADLINE_SECONDS: i64 = 300;

/// The pod.
pub(super) fn render(
    bottle: &Bottle,
    spec: &Spec,
    settings: &Settings,
    builds: &Builds,
    beside: &Pod,
    image: &str,
) -> Pod {
    let command = spec.rendered.start.first().cloned().unwrap_or_default();
    let share = Container {
        name: container::SHARE.into(),
        image: Some(settings.supervise_image.clone()),
        image_pull_policy: Some(settings.pull_policy.clone()),
        args: Some(vec!["share".into(), "--out".into(), path::SEAL.into()]),
        volume_mounts: Some(vec![mount(volume::SEAL, path::SEAL, false)]),
        security_context: Some(confined(0)),
        ..Container::default()
    };
    let probe = Container {
        name: container::PROBE.into(),
        image: Some(image.into()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(vec![path::SEAL_PROGRAM.into()]),
        args: Some(vec!["probe".into(), "--command".into(), command]),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(vec![mount(volume::SEAL, path::SEAL, true)]),
        security_context: Some(confined(spec.user)),
        ..Container::default()
    };
    let mut pod = PodSpec {
        node_name: beside.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        init_containers: Some(vec![share]),
        containers: vec![probe],
        restart_policy: Some("Never".into()),
        active_deadline_seconds: Some(DEADLINE_SECONDS),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(0),
        image_pull_secrets: pull_secrets(spec, builds),
        runtime_class_name: spec.runtime_class_name.clone(),
        volumes: Some(vec![Volume {
            name: volume::SEAL.into(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".into()),
                size_limit: Some(Quantity("64Mi".into())),
            }),
            ..Volume::default()
        }]),
        ..PodSpec::default()
    };
    // The node is the bottle's own, whatever its labels have become since.
    if let Some(template) = &spec.pod_template {
        pod_template::tolerate(&mut pod, template);
    }
    Pod {
        metadata: metadata(
            bottle,
            &names::probe_name(&bottle.name_any()),
            names::ROLE_PROBE,
        ),
        spec: Some(pod),
        status: None,
    }
}

/// The image that the pod tries.
pub(super) fn image(probe: &Pod) -> Option<&str> {
    let container = probe.spec.as_ref()?.containers.first()?;
    container.image.as_deref()
}

/// What it has found.
pub(super) fn seen(probe: &Pod) -> Probed {
    let status = probe.status.as_ref();
    // The pod's own end comes later.
    let mut all = status
        .into_iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    let ended = all
        .find(|one| one.name == container::PROBE)
        .and_then(|one| one.state.as_ref()?.terminated.as_ref());
    match status.and_then(|status| status.phase.as_deref()) {
        _ if ended.is_some_and(|end| end.exit_code == 0) => Probed::Good,
        Some("Succeeded") => Probed::Good,
        Some("Failed") => Probed::Bad(why(probe)),
        _ => Probed::Working,
    }
}

fn why(probe: &Pod) -> String {
    let status = probe.status.clone().unwrap_or_default();
    let of_container = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|one| one.state.as_ref());
    let ended = of_container.and_then(|state| state.terminated.as_ref());
    let waits = of_container.and_then(|state| state.waiting.as_ref());
    if let Some(message) = ended.and_then(|end| end.message.as_deref()) {
        return message.trim().to_owned();
    }
    if let Some(reason) = waits.and_then(|waits| waits.reason.as_deref()) {
        return format!("the node could not start it within {DEADLINE_SECONDS} s ({reason})");
    }
    let reason = status.reason.unwrap_or_else(|| "no reason given".into());
    format!(
        "the trial ended without a word: {reason} {}",
        status.message.unwrap_or_default()
    )
    .trim_end()
    .to_owned()
}

fn confined(user: i64) -> SecurityContext {
    SecurityContext {
        run_as_user: Some(user),
        run_as_group: Some(user),
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".into()]),
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}
