//! The containers of a build by BuildKit, where they differ. Its daemon would pull bases itself, from behind the lock and
//! with the credential beside whatever a step does; so a program of ours pulls them, and hands them over as directories.

use super::super::{
    settings::{Builds, Settings},
    volumes::mount,
};
use super::container::{builder, ours, own_env, part, security, work};
use super::pod::volume;
use crate::names::{container, path};
use k8s_openapi::api::core::v1::Container;

/// Pulls one base into a directory of its own; needs no right at all.
pub(super) fn pull(
    settings: &Settings,
    number: usize,
    base: &str,
    builds: &Builds,
    proxy: Option<&str>,
) -> Container {
    let layout = format!("{}/bases/{number}", path::BUILD);
    let mut args = vec![
        "pull".to_owned(),
        format!("--image={base}"),
        format!("--layout={layout}"),
    ];
    let mut mounts = vec![part("bases", &format!("{}/bases", path::BUILD), false)];
    if builds.serves_insecurely(base) {
        args.push("--insecure".into());
    }
    if !builds.pull_secret.is_empty() {
        args.push(format!("--credentials={}/config.json", path::REGISTRY));
        mounts.push(mount(volume::PULL_SECRET, path::REGISTRY, true));
    }
    if !builds.ca_bundle.is_empty() {
        args.push(format!("--ca-bundle={}", path::CA_BUNDLE));
        mounts.push(mount(volume::CA, path::CA, true));
    }
    args.extend(proxy.map(|proxy| format!("--proxy={proxy}")));
    Container {
        name: format!("{}-{number}", container::PULL),
        args: Some(args),
        volume_mounts: Some(mounts),
        security_context: Some(security(&[], "RuntimeDefault", true)),
        ..ours(settings)
    }
}

/// Runs the Dockerfile: no token, no secret, no context, no image but those that were pulled.
pub(super) fn build(builds: &Builds, bases: &[String]) -> Container {
    let mut args = vec!["build-kit".to_owned(), "--".to_owned()];
    args.extend(bases.iter().cloned());
    let mut mounts = work(false);
    mounts.extend([
        mount(volume::SEAL, path::SEAL, true),
        mount(volume::DOCKERFILE, "/run/bottle/dockerfile", true),
        part("bases", &format!("{}/bases", path::BUILD), true),
        part("context", &format!("{}/context", path::BUILD), true),
        part("out", &format!("{}/out", path::BUILD), false),
    ]);
    Container {
        name: container::BUILD.into(),
        command: Some(vec![path::SEAL_PROGRAM.into()]),
        args: Some(args),
        env: Some(own_env(true)),
        volume_mounts: Some(mounts),
        ..builder(builds)
    }
}
