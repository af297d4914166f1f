//! The containers of a build by buildah, where they differ: it pulls bases into its own storage.

use super::super::{settings::Builds, volumes::mount};
use super::container::{builder, own_env, run, variable, work};
use super::pod::volume;
use crate::names::{container, path};
use k8s_openapi::api::core::v1::Container;

/// Pulls one base into the build's storage, with the credential for it, before anything of the Dockerfile runs.
pub(super) fn pull(number: usize, base: &str, builds: &Builds, proxy: Option<&str>) -> Container {
    let mut args = buildah(&["pull", "--quiet"]);
    if builds.serves_insecurely(base) {
        args.push("--tls-verify=false".into());
    }
    let mut mounts = work(false);
    if !builds.pull_secret.is_empty() {
        args.push(format!("--authfile={}/config.json", path::REGISTRY));
        mounts.push(mount(volume::PULL_SECRET, path::REGISTRY, true));
    }
    if !builds.ca_bundle.is_empty() {
        args.push(format!("--cert-dir={}", path::CA));
        mounts.push(mount(volume::CA, path::CA, true));
    }
    args.push(base.into());
    let mut env = own_env(false);
    // The company's proxy, if everything has to take it; the lock is laid only after this.
    if let Some(proxy) = proxy {
        env.extend(["HTTP_PROXY", "HTTPS_PROXY"].map(|name| variable(name, proxy)));
    }
    Container {
        name: format!("{}-{number}", container::PULL),
        command: Some(vec!["buildah".into()]),
        args: Some(args),
        env: Some(env),
        volume_mounts: Some(mounts),
        ..builder(builds)
    }
}

/// Runs the Dockerfile: no token, no secret, no context, no image but those that were pulled.
pub(super) fn build(builds: &Builds) -> Container {
    let mut args = vec!["build".to_owned(), "--".to_owned(), "buildah".to_owned()];
    args.extend(buildah(&[
        "bud",
        "--isolation=chroot",
        "--pull-never",
        "--layers=false",
        "--format=oci",
        "--timestamp=0",
    ]));
    args.push(format!("--file={}", path::DOCKERFILE));
    args.push(format!("--tag=oci:{}/out:image", path::BUILD));
    args.push(format!("{}/context", path::BUILD));
    run(builds, args, None)
}

fn buildah(words: &[&str]) -> Vec<String> {
    let storage = format!("--root={}/storage", path::BUILD);
    let run = format!("--runroot={}/run", path::BUILD);
    // vfs needs no mount that a container may not make.
    let driver = "--storage-driver=vfs".to_owned();
    let words = words.iter().map(|word| (*word).to_owned());
    [storage, run, driver].into_iter().chain(words).collect()
}
