//! Proposals and the Bottle's status as the sidecar writes them: the same fields as in a cluster, in YAML files.

use super::{Error, place::Place};
use crate::{
    api::{self, Decision, ProposalSidecar, ProposalSpec},
    config::text::readable,
    names::LABEL_BOTTLE,
    supervise::{
        report::BottleStatus,
        store::{Proposal, Put, Standing, Store, StoreError, Stored, kept},
        tools::Tool,
    },
};
use serde_json::Value;
use std::sync::Arc;

/// Lines about the agent's settings, and characters in one.
const REMARKS: usize = 20;
const REMARK: usize = 512;

/// The store of one bottle.
#[derive(Clone, Debug)]
pub struct LocalStore {
    place: Arc<Place>,
    bottle_uid: String,
}

impl LocalStore {
    /// Over the bottle's directory.
    pub fn new(place: Place, bottle_uid: String) -> Self {
        Self {
            place: Arc::new(place),
            bottle_uid,
        }
    }

    /// Files are written through to the disk: not on the thread that serves.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let own = self.clone();
        match tokio::task::spawn_blocking(move || work(&own)).await {
            Ok(result) => result.map_err(|error| StoreError::Failed {
                operation,
                source: Box::new(error),
            }),
            Err(error) => Err(StoreError::Failed {
                operation,
                source: Box::new(error),
            }),
        }
    }

    fn object(&self, proposal: &Proposal) -> api::Proposal {
        let question = &proposal.question;
        let spec = ProposalSpec {
            bottle: self.place.key().name.clone(),
            bottle_uid: self.bottle_uid.clone(),
            tool: tool(question.tool),
            justification: readable(&question.justification),
            proposed_file: kept(question.tool, &question.file),
            base_file: kept(question.tool, &proposal.base),
            decision: Decision::Pending,
            notes: String::new(),
            final_file: None,
            expires_at: None,
            decided_by: None,
            decided_at: None,
            revoked_by: None,
            revoked_at: None,
        };
        let mut object = api::Proposal::new(&proposal.name, spec);
        object.metadata.namespace = Some(self.place.key().project.clone());
        object.metadata.labels =
            Some([(LABEL_BOTTLE.to_owned(), self.place.key().name.clone())].into());
        object
    }

    fn put_now(&self, proposal: &Proposal, create: bool) -> Result<Put, Error> {
        let locked = self.place.lock()?;
        if let Some(object) = self.place.proposal(&proposal.name)? {
            return Ok(Put::Exists(standing(&object, proposal)));
        }
        if !create {
            return Ok(Put::Absent);
        }
        let made = locked.put_proposal(self.object(proposal))?;
        Ok(Put::New(made.metadata.uid.unwrap_or_default()))
    }

    fn sidecar(
        &self,
        name: &str,
        version: Option<&str>,
        change: impl FnOnce(&mut ProposalSidecar),
    ) -> Result<bool, Error> {
        let locked = self.place.lock()?;
        let Some(mut object) = self.place.proposal(name)? else {
            return Ok(false);
        };
        if version.is_some() && object.metadata.resource_version.as_deref() != version {
            return Ok(false);
        }
        let status = object.status.get_or_insert_default();
        change(status.sidecar.get_or_insert_default());
        locked.put_proposal(object)?;
        Ok(true)
    }
}

impl Store for LocalStore {
    async fn put(&self, proposal: &Proposal, create: bool) -> Result<Put, StoreError> {
        let proposal = proposal.clone();
        self.blocking("writing the proposal", move |store| {
            store.put_now(&proposal, create)
        })
        .await
    }

    async fn ask_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, StoreError> {
        let (name, version) = (proposal.name.clone(), standing.version.clone());
        let asked = standing.answered + 1;
        let written = self
            .blocking("asking again", move |store| {
                store.sidecar(&name, Some(&version), |sidecar| sidecar.asked = Some(asked))
            })
            .await?;
        Ok(written.then_some(asked))
    }

    async fn answered(&self, name: &str, asked: i64) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.blocking("noting the answer", move |store| {
            store.sidecar(&name, None, |sidecar| sidecar.answered = Some(asked))
        })
        .await
        .map(drop)
    }
}

impl BottleStatus for LocalStore {
    async fn merge(&self, sidecar: &Value) -> Result<(), StoreError> {
        let fields = sidecar.clone();
        self.blocking("updating the Bottle's status", move |store| {
            let locked = store.place.lock()?;
            let Some(mut bottle) = store.place.bottle()? else {
                return Ok(());
            };
            let status = bottle.status.get_or_insert_default();
            let own = status.sidecar.get_or_insert_default();
            if let Some(hash) = fields.get("enforcedHash") {
                own.enforced_hash = hash.as_str().map(str::to_owned);
            }
            if let Some(lagging) = fields.get("lagging") {
                own.lagging = lagging.as_str().map(str::to_owned);
            }
            if let Some(denials) = fields.get("denials") {
                own.denials = serde_json::from_value(denials.clone()).unwrap_or_default();
            }
            if let Some(settings) = fields.get("settings") {
                own.settings = remarks(settings);
            }
            locked.put_bottle(bottle).map(drop)
        })
        .await
    }
}

/// The agent's own words, within the bounds that an API server holds them to.
fn remarks(settings: &Value) -> Vec<String> {
    let lines: Vec<String> = serde_json::from_value(settings.clone()).unwrap_or_default();
    let lines = lines.into_iter().take(REMARKS);
    lines
        .map(|line| line.chars().take(REMARK).collect())
        .collect()
}

fn tool(tool: Tool) -> api::Tool {
    match tool {
        Tool::PipelockBlock => api::Tool::PipelockBlock,
        Tool::CredProxyBlock => api::Tool::CredProxyBlock,
        Tool::CapabilityBlock => api::Tool::CapabilityBlock,
    }
}

fn standing(object: &api::Proposal, proposal: &Proposal) -> Standing {
    let status = object.status.clone().unwrap_or_default();
    let sidecar = status.sidecar.unwrap_or_default();
    let phase = status.phase.map(|phase| format!("{phase:?}"));
    let stored = Stored {
        uid: object.metadata.uid.as_deref(),
        version: object.metadata.resource_version.as_deref(),
        base: &object.spec.base_file,
        phase: phase.as_deref().unwrap_or_default(),
        asked: sidecar.asked,
        answered: sidecar.answered,
    };
    stored.standing(proposal)
}
