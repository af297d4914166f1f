//! Where the agent's image comes from: a name, or the Bottle's own Dockerfile.

use super::{
    problem::Problem,
    settings::{Builds, Settings},
};
use crate::{
    api::{Agent, AgentKind, Bottle, BottleSpec},
    config::dockerfile,
    proposal::{change::ImageChange, images::Bases},
};
use kube::ResourceExt as _;

/// The image that the scopes name, or the chart for all agents of this kind.
pub(super) fn named_by(agent: &Agent, kind: AgentKind, settings: &Settings) -> Option<String> {
    let named = agent.image.clone().filter(|image| self::named(image));
    named.or_else(|| settings.images.get(&kind).cloned())
}

/// Where the images of a Dockerfile may come from.
pub(super) fn bases(bottle: &Bottle, builds: &Builds, image: &str, in_force: &str) -> Bases {
    let repository =
        (!builds.daemon).then(|| builds.repository(&bottle.namespace().unwrap_or_default()));
    // What the Bottle's own Dockerfile is built on, its author has chosen.
    let declared = dockerfile::read(in_force).unwrap_or_default().bases;
    Bases {
        own: std::iter::once(image.to_owned())
            .filter(|image| named(image))
            .chain(repository)
            .chain(declared)
            .collect(),
        listed: builds.bases.clone(),
        daemon: builds.daemon,
    }
}

fn named(image: &str) -> bool {
    !image.trim().is_empty()
}

/// The Bottle's own Dockerfile, unless the Bottle itself names the image that was made from it. What a class or the chart
/// names is for Bottles without one.
pub(super) fn to_build(
    spec: &BottleSpec,
    settings: &Settings,
) -> Result<Option<ImageChange>, Problem> {
    let Some(text) = &spec.dockerfile else {
        return Ok(None);
    };
    if spec.agent.image.as_deref().is_some_and(named) {
        return Ok(None);
    }
    let Some(builds) = &settings.builds else {
        let how = match settings.runtime {
            Some(_) => " by this runtime",
            None => ": the chart's value builds.registry says where they would go",
        };
        return Err(Problem::NoBuilds(how));
    };
    let wrong = |error: dockerfile::DockerfileError| Problem::Dockerfile(error.to_string());
    let bases = dockerfile::read(text).map_err(wrong)?.bases;
    if builds.daemon {
        dockerfile::daemon::plain(text).map_err(wrong)?;
    }
    Ok(Some(ImageChange {
        base: text.clone(),
        dockerfile: text.clone(),
        bases,
    }))
}
