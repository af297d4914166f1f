//! What `bottle apply` does on this machine with objects that bottles share.

use super::{Error, on_machine::Machine, output};
use crate::{
    api::BottleClass,
    local::{self, class, config_map, honour, place::Place, shelf::Outcome},
    plan::overlay,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use std::collections::BTreeSet;

/// Says what a bottle waits for, when all files are read: what it names may have come after it.
pub(super) fn awaits(place: &Place) -> Result<(), Error> {
    let Some(bottle) = place.bottle()? else {
        return Ok(());
    };
    let (state, key) = (place.state(), place.key());
    let missing = |what: &str| {
        let name = &key.name;
        output::note(&format!(
            "bottle {name} names {what}, which is not there yet: `bottle apply` it"
        ));
    };
    let class = class::of(state, &bottle)?;
    if let (Some(class), None) = (&bottle.spec.class, &class) {
        missing(&format!("BottleClass {class}"));
    }
    let spec = overlay::together(&bottle.spec, class.as_ref());
    let skills = spec.agent.skills.into_iter().map(|skill| skill.config_map);
    let named: BTreeSet<String> = skills.chain(spec.egress.ca_bundle).collect();
    let config_maps = state.config_maps(&key.project)?;
    for name in named {
        if config_maps.get(&name)?.is_none() {
            missing(&format!("ConfigMap {name}"));
        }
    }
    Ok(())
}

/// A namespace in the file is the project, as kubectl has it.
pub(super) fn project<'a>(machine: &'a Machine, metadata: &'a ObjectMeta) -> &'a str {
    metadata.namespace.as_deref().unwrap_or(machine.project())
}

/// Writes a ConfigMap, held to an API server's rules.
pub(super) fn store_config_map(machine: &Machine, map: &ConfigMap) -> Result<Outcome, Error> {
    let project = project(machine, &map.metadata);
    let shelf = machine.state().config_maps(project)?;
    let mut new = map.clone();
    new.metadata.namespace = Some(project.to_owned());
    let check = |old: Option<&ConfigMap>| config_map::check(map, old).map_err(local::Error::from);
    Ok(shelf.apply(new, check)?)
}

/// Writes a class, when the runtimes of all its bottles can honour it: those would end otherwise.
pub(super) fn store_class(machine: &Machine, class: &BottleClass) -> Result<Outcome, Error> {
    let state = machine.state();
    let name = class.metadata.name.as_deref().unwrap_or_default();
    for (place, bottle) in class::bottles(state, name)? {
        honour::bottle(&bottle, Some(class), &place.record()?).map_err(|error| {
            let key = place.key();
            Error::Refused(format!("{error} (bottle {key} is of this class)"))
        })?;
    }
    let written = state.classes().apply(class.clone(), |_| Ok(()));
    written.map_err(|error: local::Error| error.into())
}
