//! Which program keeps the allowlist, and whether it can keep this Bottle's.

use super::{problem::Problem, settings::Settings};
use crate::{
    api::{Egress, Engine},
    config::{address, allowlist::Allowlist, egress, pipelock},
    names::port,
};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the engine listens, on the pod's loopback.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port::EGRESS);

/// The engine that is asked for, when all that the Bottle and the operator say of it can be kept.
pub(super) fn engine(declared: &Egress, settings: &Settings) -> Result<Engine, Problem> {
    let engine = declared.engine.unwrap_or(Engine::Builtin);
    if engine == Engine::Builtin {
        return Ok(engine);
    }
    if settings.pipelock.is_none() {
        return Err(Problem::NoPipelock);
    }
    for (is_set, field) in [
        (
            !declared.allow_internal.is_empty(),
            "spec.egress.allowInternal",
        ),
        (declared.parent_proxy.is_some(), "spec.egress.parentProxy"),
    ] {
        if is_set {
            return Err(Problem::Pipelock(field.to_owned()));
        }
    }
    // pipelock refuses internal addresses by its own list, and can't be given another.
    match settings.deny.iter().find(|range| !is_internal(range)) {
        Some(range) => Err(Problem::Pipelock(format!(
            "{range} of the operator's clusterRanges"
        ))),
        None => Ok(engine),
    }
}

/// Whether the engine can keep this list, which grants may have changed.
pub(super) fn check(engine: Engine, list: &Allowlist) -> Result<(), Problem> {
    if engine == Engine::Pipelock {
        pipelock::render(list, "", LISTEN)
            .map_err(|unfit| Problem::Pipelock(format!("{} of spec.allowlist", unfit.0)))?;
    }
    Ok(())
}

/// Both ends of it are in ranges that are nobody's on the internet.
fn is_internal(range: &IpNet) -> bool {
    let none = egress::Egress::default();
    [range.network(), range.broadcast()]
        .iter()
        .all(|ip| address::refused(*ip, &none).is_some())
}
