//! The containers of a build's pod, and who of them has what.

use super::super::{
    settings::{Builds, Settings},
    volumes::mount,
};
use super::pod::volume;
use crate::names::{self, container, path, port};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, ExecAction, Lifecycle, LifecycleHandler, ResourceRequirements,
    SeccompProfile, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What buildah's chroot isolation needs, and BuildKit's namespace to be made. NET_ADMIN and NET_RAW are not among them: either could set the mark that
/// the lock lets out.
const BUILD_CAPABILITIES: [&str; 8] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "SETUID",
    "SETGID",
    "SETFCAP",
    "SYS_CHROOT",
];
/// Ours need a few MB.
const OWN_MEMORY: &str = "256Mi";

/// The build's only way out: the bottle's own allowlist, kept by the same program. It alone runs beside the build
/// with the right to set the mark.
///
/// The lock is laid, tried, and `seal` handed over by its hook, and no step of its own: the kubelet starts nothing more of
/// the pod before that has succeeded, and takes up to a second to see that a container has ended.
pub(super) fn egress(settings: &Settings) -> Container {
    Container {
        name: container::EGRESS.into(),
        args: Some(vec![
            "egress".into(),
            format!("--mark={}", names::BUILD_MARK),
        ]),
        lifecycle: Some(Lifecycle {
            post_start: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(vec![
                        path::SUPERVISE_PROGRAM.into(),
                        "build-lock".into(),
                        format!("--out={}", path::SEAL),
                    ]),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        restart_policy: Some("Always".into()),
        volume_mounts: Some(vec![
            mount(volume::CONFIG, path::CONFIG, true),
            mount(volume::STATE, path::STATE, false),
            mount(volume::SEAL, path::SEAL, false),
        ]),
        ..ours(settings)
    }
}

/// Runs the Dockerfile: no token, no secret, no context, no image but those that were pulled; `more` is mounted, too.
pub(super) fn run(builds: &Builds, args: Vec<String>, more: Option<VolumeMount>) -> Container {
    let mut mounts = work(false);
    mounts.extend([
        mount(volume::SEAL, path::SEAL, true),
        mount(volume::DOCKERFILE, "/run/bottle/dockerfile", true),
        part("context", &format!("{}/context", path::BUILD), true),
        part("out", &format!("{}/out", path::BUILD), false),
    ]);
    mounts.extend(more);
    Container {
        name: container::BUILD.into(),
        command: Some(vec![path::SEAL_PROGRAM.into()]),
        args: Some(args),
        env: Some(own_env(true)),
        volume_mounts: Some(mounts),
        ..builder(builds)
    }
}

/// Pushes what the build left, after it has ended; the only one with the credential for that.
pub(super) fn push(settings: &Settings, builds: &Builds, namespace: &str, key: &str) -> Container {
    let layout = format!("{}/out", path::BUILD);
    let mut args = vec![
        "push".into(),
        format!("--layout={layout}"),
        format!("--registry={}", builds.registry),
        format!("--repository={namespace}"),
        format!("--tag={key}"),
        format!("--mark={}", names::BUILD_MARK),
    ];
    let mut mounts = vec![part("out", &layout, true)];
    let secret = (volume::PUSH_SECRET, &*builds.push_secret);
    let (flags, files) = access(builds, builds.insecure, secret);
    args.extend(flags);
    mounts.extend(files);
    Container {
        name: container::PUSH.into(),
        args: Some(args),
        volume_mounts: Some(mounts),
        ..ours(settings)
    }
}

/// How a program of ours asks a registry: flags, and the files that they name; `secret` is a volume and what it is of.
pub(super) fn access(
    builds: &Builds,
    insecure: bool,
    secret: (&'static str, &str),
) -> (Vec<String>, Vec<VolumeMount>) {
    let (mut flags, mut files) = (Vec::new(), Vec::new());
    if insecure {
        flags.push("--insecure".into());
    }
    if !secret.1.is_empty() {
        flags.push(format!("--credentials={}/config.json", path::REGISTRY));
        files.push(mount(secret.0, path::REGISTRY, true));
    }
    if !builds.ca_bundle.is_empty() {
        flags.push(format!("--ca-bundle={}", path::CA_BUNDLE));
        files.push(mount(volume::CA, path::CA, true));
    }
    (flags, files)
}

/// Where a builder works: all of it on the one volume that has a limit.
pub(super) fn work(read_only: bool) -> Vec<VolumeMount> {
    vec![
        part("storage", &format!("{}/storage", path::BUILD), read_only),
        part("run", &format!("{}/run", path::BUILD), read_only),
        part("tmp", "/var/tmp", read_only),
    ]
}

pub(super) fn part(sub_path: &str, at: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        sub_path: Some(sub_path.into()),
        ..mount(volume::WORK, at, read_only)
    }
}

/// `behind` the lock the way out is the build's own proxy.
pub(super) fn own_env(behind: bool) -> Vec<EnvVar> {
    let mut env = vec![
        variable("HOME", "/var/tmp"),
        variable("TMPDIR", "/var/tmp"),
        variable("BUILDAH_ISOLATION", "chroot"),
    ];
    if behind {
        let proxy = format!("http://127.0.0.1:{}", port::EGRESS);
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
        env.extend(names.map(|name| variable(name, &proxy)));
    }
    env
}

pub(super) fn builder(builds: &Builds) -> Container {
    let limits = [
        ("cpu", &builds.cpu),
        ("memory", &builds.memory),
        ("ephemeral-storage", &builds.storage),
    ];
    let requests = [("cpu", "100m"), ("memory", "128Mi")];
    Container {
        image: Some(builds.image.clone()),
        image_pull_policy: Some(builds.pull_policy.clone()),
        // The log's end is what a failure says.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        resources: Some(ResourceRequirements {
            limits: Some(
                limits
                    .map(|(name, value)| (name.to_owned(), Quantity(value.clone())))
                    .into(),
            ),
            requests: Some(
                requests
                    .map(|(name, value)| (name.to_owned(), Quantity(value.into())))
                    .into(),
            ),
            claims: None,
        }),
        // Either builder makes a user namespace, which RuntimeDefault refuses; `seal build` filters what leads past the lock.
        security_context: Some(security(&BUILD_CAPABILITIES, "Unconfined", false)),
        ..Container::default()
    }
}

pub(super) fn ours(settings: &Settings) -> Container {
    Container {
        image: Some(settings.supervise_image.clone()),
        image_pull_policy: Some(settings.pull_policy.clone()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        resources: Some(ResourceRequirements {
            limits: Some([("memory".to_owned(), Quantity(OWN_MEMORY.into()))].into()),
            requests: Some(
                [
                    ("cpu".to_owned(), Quantity("5m".into())),
                    ("memory".to_owned(), Quantity("16Mi".into())),
                ]
                .into(),
            ),
            claims: None,
        }),
        security_context: Some(security(&["NET_ADMIN"], "RuntimeDefault", true)),
        ..Container::default()
    }
}

pub(super) fn security(capabilities: &[&str], seccomp: &str, read_only: bool) -> SecurityContext {
    SecurityContext {
        run_as_user: Some(0),
        run_as_group: Some(0),
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(read_only),
        capabilities: Some(Capabilities {
            add: Some(capabilities.iter().map(|one| (*one).to_owned()).collect()),
            drop: Some(vec!["ALL".into()]),
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: seccomp.into(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

/// A variable with this value.
pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    }
}
