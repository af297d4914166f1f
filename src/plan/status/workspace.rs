//! What a Bottle says of its workspace.

use super::{HELD, facts::Fact};
use crate::{
    plan::workspace::Kept,
    proposal::condition::{FALSE, TRUE, UNKNOWN},
};

/// What becomes of workspace and HOME when the pod goes.
pub(super) fn workspace_kept(kept: &Kept) -> Fact {
    match kept {
        Kept::Claim {
            name,
            bound: false,
            class,
            ..
        } => Fact::new(
            UNKNOWN,
            "ClaimPending",
            format!(
                "the claim {name} has no volume{} yet; see kubectl describe persistentvolumeclaim {name}",
                of_class(class.as_deref())
            ),
        ),
        Kept::Claim { name, differs, .. } => {
            let mut text =
                format!("workspace and home are on the claim {name} and outlive the pod");
            if *differs {
                text.push_str("; it stays as it was made, other than spec.workspace says now");
            }
            Fact::new(TRUE, "Claim", text)
        }
        Kept::NoStorageClass { name, accepted } => Fact::new(
            FALSE,
            "NoStorageClass",
            format!(
                "nobody gives the claim {name} a volume: spec.workspace.storageClassName names no class and none is the \
                 cluster's default; workspace and home end with the pod, {}",
                if *accepted {
                    "which spec.workspace.acceptLoss allows"
                } else {
                    "so nothing but a person replaces it; make a class the default for the bottle's next pod, or set \
                     spec.workspace.acceptLoss"
                }
            ),
        ),
        Kept::ByRuntime => Fact::new(TRUE, "ByRuntime", "workspace and home outlive the pod here"),
        Kept::LossAccepted => Fact::new(
            FALSE,
            "LossAccepted",
            "workspace and home end with the pod, which spec.workspace.acceptLoss allows",
        ),
        Kept::EndsWithPod => Fact::new(
            FALSE,
            "EndsWithPod",
            "workspace and home end with the pod, so nothing but a person replaces it; set spec.workspace.size for a \
             claim, or spec.workspace.acceptLoss",
        ),
        Kept::Waits(why) => Fact::new(
            FALSE,
            HELD,
            format!(
                "the pod should go ({why}) and stays, for workspace and home would end with it; set \
                 spec.workspace.acceptLoss: true, or save what is in them and delete the pod"
            ),
        ),
    }
}

fn of_class(class: Option<&str>) -> String {
    class.map_or_else(String::new, |class| {
        format!(" of the storage class {class}")
    })
}

/// What the scheduler does not say of a pod whose claim waits: which class has to serve it.
pub(super) fn waits_for_class(ready: Fact, kept: Option<&Kept>) -> Fact {
    let Some(Kept::Claim {
        name,
        bound: false,
        class: Some(class),
        ..
    }) = kept
    else {
        return ready;
    };
    if ready.reason != "Unschedulable" {
        return ready;
    }
    let message = format!(
        "{}; the claim {name} has no volume{} yet, which spec.workspace.storageClassName names",
        ready.message,
        of_class(Some(class))
    );
    Fact { message, ..ready }
}
