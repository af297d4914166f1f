//! The containers of a build by BuildKit, where they differ. Its daemon would pull bases itself, from behind the lock and
//! with the credential beside whatever a step does; so a program of ours pulls them, and hands them over as directories.

use super::super::settings::{Builds, Settings};
use super::container::{access, ours, part, run, security};
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
    let secret = (volume::PULL_SECRET, &*builds.pull_secret);
    let (flags, files) = access(builds, builds.serves_insecurely(base), secret);
    args.extend(flags);
    mounts.extend(files);
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
    let bases = part("bases", &format!("{}/bases", path::BUILD), true);
    run(builds, args, Some(bases))
}
