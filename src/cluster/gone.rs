//! A Bottle that is gone: its trail is closed, and with the last one the namespace is cleaned up.

use super::{Context, Error, apply, shared};
use crate::{
    api::Bottle,
    plan::{Action, surplus::removal},
    proposal::{lifetimes::Lifetimes, progress, surplus},
};
use jiff::Timestamp;
use kube::{Api, ResourceExt as _};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How often a failed clean-up is tried again, with growing pauses; the next start of the operator tries again too.
const TRIES: u32 = 6;

/// Pause before the same Bottle's trail is looked at again: a namespace that goes tells of each of its Proposals.
const AGAIN: Duration = Duration::from_secs(1);

/// Which clean-ups run, by namespace and Bottle, and whether something has happened since they began.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<(String, String), bool>>);

impl Running {
    /// Whether the caller is the one to do it; whoever does it already is told otherwise.
    fn begin(&self, key: &(String, String)) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get_mut(key) {
            Some(again) => {
                *again = true;
                false
            }
            None => running.insert(key.clone(), false).is_none(),
        }
    }

    /// Whether it has to be done once more.
    fn again(&self, key: &(String, String)) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(key) == Some(&true) {
            running.insert(key.clone(), false);
            return true;
        }
        running.remove(key);
        false
    }
}

/// Closes what the Bottle `name` left behind; one at a time for each.
pub async fn clean_up(context: &Context, namespace: &str, name: &str, now: impl Fn() -> Timestamp) {
    let key = (namespace.to_owned(), name.to_owned());
    if !context.cleaning.begin(&key) {
        return;
    }
    loop {
        try_to(context, namespace, name, &now).await;
        if !context.cleaning.again(&key) {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn try_to(context: &Context, namespace: &str, name: &str, now: &impl Fn() -> Timestamp) {
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
    let sorted = surplus::sort(proposals.iter().collect());
    for proposal in sorted.kept {
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
            let action = Action::DeleteProposal {
                name,
                uid,
                version: None,
            };
            apply::apply(context, &bottle, basis, action).await?;
        }
    }
    for action in sorted.surplus.into_iter().map(removal) {
        apply::apply(context, &bottle, basis, action).await?;
    }
    shared::remove_with_the_last_bottle(context, namespace).await
}

#[cfg(test)]
mod tests {
    use super::Running;

    #[test]
    fn one_works_and_does_it_once_more_for_all_who_came_meanwhile() {
        let running = Running::default();
        let (blue, red) = (
            ("garden".to_owned(), "blue".to_owned()),
            ("garden".to_owned(), "red".to_owned()),
        );
        assert!(running.begin(&blue) && running.begin(&red));
        assert!(!running.begin(&blue) && !running.begin(&blue));
        assert!(!running.again(&red));
        assert!(running.again(&blue));
        assert!(!running.again(&blue));
        assert!(running.begin(&blue));
    }
}
