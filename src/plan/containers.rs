//! The containers of a bottle's pod.

use super::{
    scope::Spec,
    settings::{Pipelock, Settings},
    volumes::{self, mount},
};
use crate::{
    api::{Bottle, Engine},
    names,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// A sidecar idles at a few MiB; the limit leaves room for a thousand tunnels.
const SIDECAR_CPU: &str = "5m";
const SIDECAR_MEMORY: &str = "16Mi";
const SIDECAR_MEMORY_LIMIT: &str = "256Mi";

/// Lays the lock, resolves secrets, shares `seal`; the only container with a capability.
pub fn prepare(spec: &Spec, settings: &Settings) -> Container {
    let mut mounts = vec![
        mount(volumes::CONFIG, names::path::CONFIG, true),
        mount(volumes::SEAL, names::path::SEAL, false),
    ];
    if !spec.secrets_in_settings().is_empty() {
        mounts.push(mount(volumes::SETTINGS_SECRETS, names::path::SECRETS, true));
    }
    let mut args = vec!["prepare".to_owned()];
    if spec.engine == Engine::Pipelock {
        args.extend(["--pipelock".to_owned(), names::path::PIPELOCK.to_owned()]);
        mounts.push(mount(volumes::PIPELOCK, names::path::PIPELOCK, false));
    }
    Container {
        name: names::container::PREPARE.into(),
        args: Some(args),
        volume_mounts: Some(mounts),
        security_context: Some(SecurityContext {
            run_as_user: Some(0),
            run_as_group: Some(0),
            run_as_non_root: None,
            capabilities: Some(Capabilities {
                add: Some(vec!["NET_ADMIN".into()]),
                drop: Some(vec!["ALL".into()]),
            }),
            ..confined()
        }),
        ..sidecar(settings)
    }
}

/// The agent's way to ask; with `supervise: false` only the reporter of what is enforced.
pub fn supervise(bottle: &Bottle, spec: &Spec, settings: &Settings) -> Container {
    let mut args = vec!["report"];
    if spec.supervise {
        args = vec!["mcp", "--bind", "127.0.0.1"];
    }
    let enforcers = [names::container::EGRESS, names::container::CRED_PROXY].join(",");
    args.extend(["--enforcers", &enforcers]);
    let mut mounts = vec![
        mount(volumes::CONFIG, names::path::CONFIG, true),
        mount(volumes::STATE, names::path::STATE, false),
        mount(volumes::TOKEN, names::path::SERVICE_ACCOUNT, true),
    ];
    if spec.engine == Engine::Pipelock {
        args.extend(["--pipelock", names::path::PIPELOCK]);
        mounts.push(mount(volumes::PIPELOCK, names::path::PIPELOCK, false));
    }
    Container {
        name: names::container::SUPERVISE.into(),
        args: Some(args.into_iter().map(str::to_owned).collect()),
        env: Some(vec![
            variable(
                names::env::BOTTLE_SLUG,
                bottle.metadata.name.as_deref().unwrap_or_default(),
            ),
            variable(
                names::env::BOTTLE_UID,
                bottle.metadata.uid.as_deref().unwrap_or_default(),
            ),
            variable(
                names::env::NAMESPACE,
                bottle.metadata.namespace.as_deref().unwrap_or_default(),
            ),
        ]),
        volume_mounts: Some(mounts),
        security_context: Some(user(names::uid::SUPERVISE)),
        ..sidecar(settings)
    }
}

/// The way out: keeps the allowlist.
pub fn egress(spec: &Spec, settings: &Settings) -> Container {
    if let (Engine::Pipelock, Some(pipelock)) = (spec.engine, &settings.pipelock) {
        return engine_pipelock(pipelock, settings);
    }
    Container {
        name: names::container::EGRESS.into(),
        args: Some(vec!["egress".into()]),
        volume_mounts: Some(vec![
            mount(volumes::CONFIG, names::path::CONFIG, true),
            mount(volumes::STATE, names::path::STATE, false),
        ]),
        security_context: Some(user(names::uid::EGRESS)),
        ..sidecar(settings)
    }
}

/// The same by another program. It sees nothing but its own config: no state, no secret, no other part of ours.
fn engine_pipelock(pipelock: &Pipelock, settings: &Settings) -> Container {
    let words = ["keep", "--", &pipelock.program, "run"];
    Container {
        name: names::container::EGRESS.into(),
        image: Some(pipelock.image.clone()),
        command: Some(vec![names::path::PIPELOCK_KEEPER.into()]),
        args: Some(words.map(str::to_owned).to_vec()),
        volume_mounts: Some(vec![mount(volumes::PIPELOCK, names::path::PIPELOCK, false)]),
        security_context: Some(user(names::uid::EGRESS)),
        ..sidecar(settings)
    }
}

/// Holds the credentials: sends them to the routes' upstreams, and gives them to nobody else. It is there without any
/// route too: one may be granted later, and a running pod can't be given a container.
pub fn cred_proxy(spec: &Spec, settings: &Settings) -> Container {
    let mut mounts = vec![
        mount(volumes::CONFIG, names::path::CONFIG, true),
        mount(volumes::STATE, names::path::STATE, false),
    ];
    if !spec.secrets.is_empty() {
        // A directory, never subPath: a secret that is rotated is swapped in.
        mounts.push(mount(volumes::SECRETS, names::path::SECRETS, true));
    }
    let mut args = vec!["cred-proxy".to_owned()];
    if spec.ca_bundle.is_some() {
        args.extend(["--ca-bundle".to_owned(), names::path::CA_BUNDLE.to_owned()]);
        mounts.push(mount(volumes::CA, names::path::CA, true));
    }
    Container {
        name: names::container::CRED_PROXY.into(),
        args: Some(args),
        volume_mounts: Some(mounts),
        security_context: Some(user(names::uid::CRED_PROXY)),
        ..sidecar(settings)
    }
}

/// The agent itself, behind `seal`: no capability, no token, no way to more privileges.
pub fn agent(spec: &Spec) -> Container {
    let mut mounts = vec![
        mount(volumes::CURRENT_CONFIG, names::path::CURRENT_CONFIG, true),
        mount(volumes::SEAL, names::path::SEAL, true),
    ];
    mounts.extend(volumes::agent_mounts(spec));
    if spec.ca_bundle.is_some() {
        mounts.push(mount(volumes::CA, names::path::CA, true));
    }
    mounts.extend(volumes::skill_mounts(spec));
    Container {
        name: names::container::AGENT.into(),
        image: Some(spec.image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(vec![names::path::SEAL_PROGRAM.into()]),
        env: Some(agent_env(spec)),
        working_dir: Some(spec.working_dir.clone()),
        resources: spec
            .resources
            .as_ref()
            .map(|resources| ResourceRequirements {
                requests: Some(resources.requests.clone()),
                limits: Some(resources.limits.clone()),
                claims: None,
            }),
        termination_message_policy: Some("File".into()),
        tty: spec.tty.then_some(true),
        stdin: spec.tty.then_some(true),
        volume_mounts: Some(mounts),
        security_context: Some(user(spec.user)),
        ..Container::default()
    }
}

fn agent_env(spec: &Spec) -> Vec<EnvVar> {
    let proxy = format!(
        "http://{}:{}",
        names::container::EGRESS,
        names::port::EGRESS
    );
    let mut variables: BTreeMap<&str, &str> = spec
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    // Ours win: an agent that ignores the proxy reaches nothing, so a wrong value would only confuse.
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        variables.insert(name, &proxy);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        variables.insert(name, names::NO_PROXY);
    }
    if spec.ca_bundle.is_some() {
        // A Bottle that knows better may say so.
        variables
            .entry("NODE_EXTRA_CA_CERTS")
            .or_insert(names::path::CA_BUNDLE);
        for name in names::env::AUTHORITIES {
            variables.entry(name).or_insert(names::path::AUTHORITIES);
        }
    }
    variables.insert("NODE_USE_ENV_PROXY", "1");
    // The workspace's own directory is root's, by whom git means that somebody else has laid the repository there.
    if !variables.contains_key("GIT_CONFIG_COUNT") {
        variables.insert("GIT_CONFIG_COUNT", "1");
        variables.insert("GIT_CONFIG_KEY_0", "safe.directory");
        variables.insert("GIT_CONFIG_VALUE_0", &spec.workspace_path);
    }
    variables.insert("HOME", names::path::HOME);
    variables
        .into_iter()
        .map(|(name, value)| variable(name, value))
        .collect()
}

fn sidecar(settings: &Settings) -> Container {
    let quantities = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Quantity((*value).into())))
            .collect()
    };
    Container {
        image: Some(settings.supervise_image.clone()),
        image_pull_policy: Some(settings.pull_policy.clone()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(&[
                ("cpu", SIDECAR_CPU),
                ("memory", SIDECAR_MEMORY),
            ])),
            limits: Some(quantities(&[("memory", SIDECAR_MEMORY_LIMIT)])),
            claims: None,
        }),
        ..Container::default()
    }
}

fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

fn user(uid: i64) -> SecurityContext {
    SecurityContext {
        run_as_user: Some(uid),
        run_as_group: Some(uid),
        run_as_non_root: Some(true),
        // An agent may write into its own image's file system; a sidecar has nothing to write there.
        read_only_root_filesystem: Some(names::uid::RESERVED.contains(&uid)),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".into()]),
        }),
        ..confined()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    }
}
