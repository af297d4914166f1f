//! `seal`'s instructions.

use super::scope::Spec;
use crate::{config::seal, names};

/// Where the seal looks whether the wall stands: an address that is nobody's, with a route by any default gateway.
/// `prepare` adds those of the API server, which would answer without the lock.
const WALL: [&str; 1] = ["192.0.2.1:443"];

/// What `seal` has to do.
pub fn render(spec: &Spec) -> seal::Instructions {
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
        start: spec.start.clone(),
        resume: spec.resume.clone(),
        conversation: spec.conversation.clone(),
        home: names::path::HOME.into(),
        image_home: spec.image_home.clone(),
        sidecars,
        wall: WALL.map(str::to_owned).to_vec(),
        fragments: spec.fragments.clone(),
        max_restarts: spec.max_restarts,
    }
}
