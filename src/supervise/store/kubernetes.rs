//! Proposals as objects of the Kubernetes API, with the sidecar's own token: it may create them and write
//! `status.sidecar`, and can read, list and decide nothing.

use super::{Proposal, Put, Standing, Store, StoreError};
use crate::{
    api::{self, Decision, ProposalPhase, ProposalSpec},
    config::text::readable,
    names::{FIELD_MANAGER_SIDECAR, LABEL_BOTTLE},
    supervise::tools::Tool,
};
use kube::{
    Api, Client, Error,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// The store of one bottle.
pub struct Kubernetes {
    proposals: Api<api::Proposal>,
    bottle: String,
    bottle_uid: String,
}

impl Kubernetes {
    /// Proposals of the Bottle `bottle` with the uid `bottle_uid`, in `namespace`.
    pub fn new(client: Client, namespace: &str, bottle: String, bottle_uid: String) -> Self {
        Self {
            proposals: Api::namespaced(client, namespace),
            bottle,
            bottle_uid,
        }
    }

    fn object(&self, proposal: &Proposal) -> api::Proposal {
        let Proposal {
            name,
            question,
            base,
        } = proposal;
        let tool = match question.tool {
            Tool::PipelockBlock => api::Tool::PipelockBlock,
            Tool::CredProxyBlock => api::Tool::CredProxyBlock,
            Tool::CapabilityBlock => api::Tool::CapabilityBlock,
        };
        // White space means nothing in an allowlist, and may mean something in the other files.
        let shown = |text: &str| match tool {
            api::Tool::PipelockBlock => readable(text),
            api::Tool::CredProxyBlock | api::Tool::CapabilityBlock => text.to_owned(),
        };
        let mut object = api::Proposal::new(
            name,
            ProposalSpec {
                bottle: self.bottle.clone(),
                bottle_uid: self.bottle_uid.clone(),
                tool,
                justification: readable(&question.justification),
                proposed_file: shown(&question.file),
                base_file: shown(base),
                decision: Decision::Pending,
                notes: String::new(),
                final_file: None,
                expires_at: None,
                decided_by: None,
                decided_at: None,
                revoked_by: None,
                revoked_at: None,
            },
        );
        object.metadata.labels = Some([(LABEL_BOTTLE.to_owned(), self.bottle.clone())].into());
        object
    }

    /// The object as it stands. We may not read; but a patch that changes nothing answers with the object.
    async fn look(&self, name: &str) -> Result<Option<Standing>, StoreError> {
        match self.patch_status(name, &json!({})).await {
            Ok(object) => Ok(Some(standing(object))),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(store_error("looking at the proposal", error)),
        }
    }

    async fn patch_status(&self, name: &str, body: &Value) -> Result<api::Proposal, Error> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER_SIDECAR.into()),
            ..PatchParams::default()
        };
        self.proposals
            .patch_status(name, &params, &Patch::Merge(body))
            .await
    }
}

impl Store for Kubernetes {
    async fn put(&self, proposal: &Proposal, create: bool) -> Result<Put, StoreError> {
        if create {
            let params = PostParams {
                field_manager: Some(FIELD_MANAGER_SIDECAR.into()),
                ..PostParams::default()
            };
            match self.proposals.create(&params, &self.object(proposal)).await {
                Ok(_) => return Ok(Put::New),
                Err(Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(store_error("recording the proposal", error)),
            }
        }
        match self.look(&proposal.name).await? {
            Some(standing) => Ok(Put::Exists(standing)),
            None if create => Err(StoreError::Failed {
                operation: "recording the proposal",
                source: "it was there and is gone; once more".into(),
            }),
            None => Ok(Put::Absent),
        }
    }

    async fn ask_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, StoreError> {
        let number = standing.answered.max(standing.asked) + 1;
        let body = json!({
            "metadata": {"resourceVersion": standing.version},
            "status": {"sidecar": {"asked": number, "answered": standing.answered}},
        });
        match self.patch_status(&proposal.name, &body).await {
            Ok(_) => Ok(Some(number)),
            // Another state by now, or gone: look again.
            Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(store_error("asking the proposal again", error)),
        }
    }

    async fn answered(&self, name: &str, asked: i64) -> Result<(), StoreError> {
        let body = json!({"status": {"sidecar": {"answered": asked}}});
        match self.patch_status(name, &body).await {
            Ok(_) => Ok(()),
            // A deleted proposal waits for nothing.
            Err(Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(store_error("noting the answer", error)),
        }
    }
}

fn standing(object: api::Proposal) -> Standing {
    let status = object.status.unwrap_or_default();
    let sidecar = status.sidecar.unwrap_or_default();
    Standing {
        // A Proposal begins with its first question.
        asked: sidecar.asked.unwrap_or(1),
        answered: sidecar.answered.unwrap_or(0),
        ended: matches!(
            status.phase,
            Some(ProposalPhase::Conflicted | ProposalPhase::Expired | ProposalPhase::Failed)
        ),
        base: object.spec.base_file,
        version: object.metadata.resource_version.unwrap_or_default(),
        decision: None,
    }
}

/// What the API server refuses for good is told to the agent; everything else is tried again.
fn store_error(operation: &'static str, error: Error) -> StoreError {
    match error {
        Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422) => StoreError::Refused {
            operation,
            reason: status.message.clone(),
        },
        error => StoreError::Failed {
            operation,
            source: Box::new(error),
        },
    }
}
