//! `seal`'s instructions.

use super::scope::Spec;
use crate::{config::seal, names};

/// Where the seal looks whether the wall stands: an address that is nobody's, with a route by any default gateway.
/// `prepare` adds those of the API server, which would answer without the lock.
const WALL: [&str; 1] = ["192.0.2.1:443"];

/// What `seal` has to do.
pub fn render(spec: &Spec) -> seal::Instructions {
    let rendered = &spec.rendered;
    let sidecar = |name: &str, port| seal::Sidecar {
        name: name.into(),
        port,
    };
    let mut sidecars = vec![
        sidecar(names::container::EGRESS, names::port::EGRESS),
        sidecar(names::container::CRED_PROXY, names::port::CRED_PROXY),
    ];
    if spec.supervise {
        sidecars.push(sidecar(names::container::SUPERVISE, names::port::SUPERVISE));
    }
    seal::Instructions {
        start: rendered.start.clone(),
        resume: rendered.resume.clone(),
        prompt: rendered.prompt.clone(),
        conversation: rendered.conversation.clone(),
        home: names::path::HOME.into(),
        image_home: spec.image_home.clone(),
        sidecars,
        wall: WALL.map(str::to_owned).to_vec(),
        fragments: rendered.fragments.clone(),
        exec: rendered.exec.clone(),
        git: spec.work.git.as_ref().map(|git| seal::Repository {
            url: git.url.clone(),
            reference: git.reference.clone(),
            branch: git.branch.clone(),
            directory: spec.workspace_path.clone(),
        }),
        project: rendered.project.clone(),
        skills: skills(spec),
        authorities: spec.ca_bundle.as_ref().map(|_| seal::Authorities {
            extra: names::path::CA_BUNDLE.into(),
            bundle: names::file::AUTHORITIES.into(),
        }),
        max_restarts: spec.max_restarts,
    }
}

/// A kind without a place for skills can't have any: `agents::render` refuses them.
fn skills(spec: &Spec) -> Vec<seal::Skill> {
    let place = spec.rendered.skills.as_deref().unwrap_or_default();
    let skill = |skill: &crate::api::Skill| seal::Skill {
        from: format!("{}/{}", names::path::SKILLS, skill.name),
        to: format!("{place}/{}", skill.name),
    };
    spec.skills.iter().map(skill).collect()
}
