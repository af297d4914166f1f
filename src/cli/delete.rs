//! `bottle delete`.

use super::{
    Error,
    backend::Backend,
    complete,
    kind::{self, Kind, Meant},
    output,
};
use crate::local::{keeper, place::Place};
use clap_complete::ArgValueCandidates;
use std::time::Duration;

/// `bottle delete`.
#[derive(Clone, Debug, clap::Args)]
pub struct Delete {
    /// Names of Bottles; or a kind and names, as kubectl has it: bottleclass NAME…
    #[arg(required = true, value_name = "NAME", add = ArgValueCandidates::new(complete::objects))]
    words: Vec<String>,
}

/// How long a keeper may take to end its agent.
const ENDING: Duration = Duration::from_secs(20);

/// Removes the objects that are named.
pub async fn delete(backend: &Backend, options: &Delete) -> Result<(), Error> {
    let Meant { kind, names } = kind::meant(&options.words)?;
    if names.is_empty() {
        let kind = kind.as_str();
        return Err(Error::Usage(format!("which {kind}? Name what shall go")));
    }
    for name in &names {
        match kind {
            Kind::Bottle => drop(backend.bottle(name).await?),
            Kind::Class => drop(backend.class(name).await?),
            Kind::ConfigMap => drop(backend.config_map(name).await?),
        }
        match (backend, kind) {
            (Backend::Cluster(cluster), kind) => cluster.delete(kind, name).await?,
            (Backend::Machine(machine), Kind::Bottle) => remove(&machine.place(name)?).await?,
            (Backend::Machine(machine), Kind::Class) => {
                machine.state().classes().remove(name)?;
            }
            (Backend::Machine(machine), Kind::ConfigMap) => {
                machine.config_maps()?.remove(name)?;
            }
        }
        output::line(&format!("{} deleted", kind.shown(name)))?;
    }
    Ok(())
}

/// Removes a Bottle of this machine, and waits until its processes are gone.
pub async fn remove(place: &Place) -> Result<(), Error> {
    place.lock()?.remove_bottle()?;
    let gone = async {
        while place.kept() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(ENDING, gone).await.is_err() {
        return Err(Error::Refused(format!(
            "bottle {} did not end; see its log: {}",
            place.key(),
            place.path("log/keeper").display()
        )));
    }
    // Whoever kept it did this already, unless nobody did.
    Ok(keeper::end(place).await?)
}
