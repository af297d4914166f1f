//! `bottle resume`: an agent that was suspended, or has ended, goes on.
//!
//! `seal` starts an agent with its kind's own command for that when its home holds a conversation.

use super::{Error, apply, backend::Backend, complete, output};
use crate::{
    api::{Bottle, BottlePhase, OperatingMode},
    local, names,
};
use clap_complete::ArgValueCandidates;

/// `bottle resume`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the Bottle.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    name: String,
}

/// What has to change for it.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// It runs.
    Nothing,
    /// The operating mode.
    Mode,
    /// The annotation that replaces its pod.
    Restart,
}

fn change(bottle: &Bottle) -> Change {
    let phase = bottle.status.as_ref().and_then(|status| status.phase);
    match (bottle.spec.operating_mode, phase) {
        (Some(OperatingMode::Suspended), _) => Change::Mode,
        (_, Some(BottlePhase::Finished | BottlePhase::Failed)) => Change::Restart,
        _ => Change::Nothing,
    }
}

/// Has the agent go on.
pub async fn resume(backend: &Backend, options: &Options) -> Result<(), Error> {
    let name = &options.name;
    let bottle = backend.bottle(name).await?;
    let change = change(&bottle);
    match backend {
        Backend::Cluster(cluster) if change != Change::Nothing => {
            cluster.patch(name, &patch(&change)).await?;
        }
        Backend::Cluster(_) => {}
        Backend::Machine(machine) => {
            let place = machine.place(name)?;
            if change != Change::Nothing {
                let locked = place.lock()?;
                let mut stored = place.existing()?;
                match change {
                    Change::Mode => {
                        stored.spec.operating_mode = Some(OperatingMode::Running);
                        stored.metadata.generation = stored.metadata.generation.map(|at| at + 1);
                    }
                    Change::Restart | Change::Nothing => {
                        let annotations = stored.metadata.annotations.get_or_insert_default();
                        let name = names::ANNOTATION_RESTARTED_AT.to_owned();
                        annotations.insert(name, local::now().to_string());
                    }
                }
                locked.put_bottle(stored)?;
            }
            let kept = place.kept();
            apply::start(&place)?;
            if !kept {
                return output::line(&format!("bottle.{}/{name} resumed", names::GROUP));
            }
        }
    }
    let word = if change == Change::Nothing {
        "runs"
    } else {
        "resumed"
    };
    output::line(&format!("bottle.{}/{name} {word}", names::GROUP))
}

fn patch(change: &Change) -> serde_json::Value {
    if *change == Change::Mode {
        return serde_json::json!({"spec": {"operatingMode": "Running"}});
    }
    let now = local::now().to_string();
    serde_json::json!({"metadata": {"annotations": {names::ANNOTATION_RESTARTED_AT: now}}})
}
