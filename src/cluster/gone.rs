//! A Bottle that is gone: its trail is closed, and with the last one the namespace is cleaned up.

use super::{Context, Error, apply, shared};
use crate::{
    api::Bottle,
    plan::Action,
    proposal::{lifetimes::Lifetimes, progress},
};
use jiff::Timestamp;
use kube::{Api, ResourceExt as _};
use std::time::Duration;

/// How often a failed clean-up is tried again, with growing pauses; the next start of the operator tries again too.
const TRIES: u32 = 6;

/// Closes what the Bottle `name` left behind.
pub async fn clean_up(context: &Context, namespace: &str, name: &str, now: impl Fn() -> Timestamp) {
    for attempt in 0..TRIES {
        match once(context, namespace, name, now()).await {
            Ok(()) => return,
            Err(error) if error.is_gone() => return,
            Err(error) => {
                tracing::warn!(namespace, bottle = name, error = %crate::telemetry::chain(&error), "clean-up after a Bottle failed");
            }
        }
        tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(attempt)).await;
    }
}

async fn once(context: &Context, namespace: &str, name: &str, now: Timestamp) -> Result<(), Error> {
    let bottles = Api::<Bottle>::namespaced(context.client.clone(), namespace);
    let found = bottles
        .get_metadata_opt(name)
        .await
        .map_err(Error::api("read Bottle", name))?;
    if found.is_some() {
        return Ok(());
    }
    let proposals = context.caches.proposals_of(namespace, name);
    let basis = apply::Basis {
        proposals: &proposals,
        ..apply::Basis::default()
    };
    // Only its name and namespace are used to store a Proposal's status.
    let mut bottle = Bottle::new(name, crate::api::BottleSpec::default());
    bottle.metadata.namespace = Some(namespace.to_owned());
    for proposal in &proposals {
        if let Some(status) = progress::orphan(proposal, now) {
            let name = proposal.metadata.name.clone().unwrap_or_default();
            let action = Action::ApplyProposalStatus {
                name,
                status: Box::new(status),
            };
            apply::apply(context, &bottle, basis, action).await?;
        }
        // Nobody says any more how long its trail is kept: the default holds.
        let kept_until = Lifetimes::default().kept_until(&progress::stored(proposal));
        if let (true, Some(uid)) = (kept_until.is_some_and(|at| at <= now), proposal.uid()) {
            let name = proposal.name_any();
            let action = Action::DeleteProposal { name, uid };
            apply::apply(context, &bottle, basis, action).await?;
        }
    }
    shared::remove_with_the_last_bottle(context, namespace).await
}
