//! Proposals as Kubernetes objects, with the sidecar's own token: it creates them and patches `status.sidecar`, and
//! may read and decide nothing.
//!
//! Dynamic JSON and not the API types: of a whole object this uses six fields.

use super::{Proposal, Put, Standing, Store, StoreError, Stored, kept};
use crate::config::text::readable;
use crate::names::{self, GROUP, LABEL_BOTTLE, VERSION};
use crate::supervise::report::BottleStatus;
use http::{HeaderValue, header::USER_AGENT};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, Status};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use std::time::Duration;
use thiserror::Error;

/// The API server is near: what takes longer is tried again.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a proposal that is deleted and created under our hands is tried before that counts as a failure.
const MAX_RACES: u32 = 3;
/// Characters of the API server's words that an agent is told.
const MAX_REASON: usize = 500;

/// There is no way to the API server.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// We are in no pod, or its token isn't mounted.
    #[error("the pod's own access to the API server is missing")]
    InCluster(#[source] kube::config::InClusterError),
    /// The client can't be built.
    #[error("can't build the API server's client")]
    Client(#[source] kube::Error),
}

/// The objects of one bottle.
pub struct Kubernetes {
    proposals: Api<DynamicObject>,
    bottles: Api<DynamicObject>,
    kind: ApiResource,
    bottle: String,
    bottle_uid: String,
}

impl Kubernetes {
    /// With the pod's own service account. Connects by the address in the environment: the name would need DNS.
    pub fn in_cluster(
        namespace: &str,
        bottle: &str,
        bottle_uid: &str,
    ) -> Result<Self, ConnectError> {
        let mut config = Config::incluster_env().map_err(ConnectError::InCluster)?;
        config.connect_timeout = Some(TIMEOUT);
        config.read_timeout = Some(TIMEOUT);
        config.write_timeout = Some(TIMEOUT);
        let agent = HeaderValue::from_static(names::USER_AGENT_SIDECAR);
        config.headers.push((USER_AGENT, agent));
        let client = Client::try_from(config).map_err(ConnectError::Client)?;
        Ok(Self::new(client, namespace, bottle, bottle_uid))
    }

    /// Over any client.
    pub fn new(client: Client, namespace: &str, bottle: &str, bottle_uid: &str) -> Self {
        let resource = |kind: &str, plural: &str| {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, kind), plural)
        };
        let (proposal, bottle_kind) = (
            resource("Proposal", "proposals"),
            resource("Bottle", "bottles"),
        );
        Self {
            proposals: Api::namespaced_with(client.clone(), namespace, &proposal),
            bottles: Api::namespaced_with(client, namespace, &bottle_kind),
            kind: proposal,
            bottle: bottle.to_owned(),
            bottle_uid: bottle_uid.to_owned(),
        }
    }

    fn object(&self, proposal: &Proposal) -> DynamicObject {
        let question = &proposal.question;
        let mut object = DynamicObject::new(&proposal.name, &self.kind).data(json!({
            "spec": {
                "bottle": self.bottle,
                "bottleUID": self.bottle_uid,
                "tool": question.tool.name(),
                "proposedFile": kept(question.tool, &question.file),
                "baseFile": kept(question.tool, &proposal.base),
                "justification": readable(&question.justification),
            },
        }));
        object.metadata.labels = Some([(LABEL_BOTTLE.to_owned(), self.bottle.clone())].into());
        object
    }

    /// Patches a proposal's `status`; none when there is no such proposal, or it is another version by now.
    async fn patch(&self, name: &str, patch: Value) -> Result<Option<DynamicObject>, StoreError> {
        let patched = self
            .proposals
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        match patched {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(classify("updating the proposal's status", error)),
        }
    }

    /// How a proposal stands. We may not get it, but the answer to a patch that changes nothing shows it.
    async fn standing(&self, proposal: &Proposal) -> Result<Option<Standing>, StoreError> {
        let patched = self.patch(&proposal.name, json!({})).await?;
        Ok(patched.map(|object| standing(&object, proposal)))
    }
}

impl Store for Kubernetes {
    async fn put(&self, proposal: &Proposal, create: bool) -> Result<Put, StoreError> {
        for _ in 0..MAX_RACES {
            if create {
                match self
                    .proposals
                    .create(&PostParams::default(), &self.object(proposal))
                    .await
                {
                    Ok(made) => return Ok(Put::New(made.metadata.uid.unwrap_or_default())),
                    Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                    Err(error) => return Err(classify("creating the proposal", error)),
                }
            }
            match self.standing(proposal).await? {
                Some(standing) => return Ok(Put::Exists(standing)),
                None if !create => return Ok(Put::Absent),
                None => {}
            }
        }
        Err(StoreError::Failed {
            operation: "creating the proposal",
            source: "it is created and deleted at the same time".into(),
        })
    }

    async fn ask_again(
        &self,
        proposal: &Proposal,
        standing: &Standing,
    ) -> Result<Option<i64>, StoreError> {
        let asked = standing.answered + 1;
        let patch = json!({
            "metadata": {"resourceVersion": standing.version},
            "status": {"sidecar": {"asked": asked}},
        });
        Ok(self.patch(&proposal.name, patch).await?.map(|_| asked))
    }

    async fn answered(&self, name: &str, asked: i64) -> Result<(), StoreError> {
        // One that is deleted needs no answer.
        self.patch(name, json!({"status": {"sidecar": {"answered": asked}}}))
            .await
            .map(|_| ())
    }
}

impl BottleStatus for Kubernetes {
    async fn merge(&self, sidecar: &Value) -> Result<(), StoreError> {
        let patch = Patch::Merge(json!({"status": {"sidecar": sidecar}}));
        let patched = self
            .bottles
            .patch_status(&self.bottle, &PatchParams::default(), &patch)
            .await;
        patched
            .map(|_| ())
            .map_err(|error| classify("updating the Bottle's status", error))
    }
}

fn standing(object: &DynamicObject, proposal: &Proposal) -> Standing {
    let (spec, status) = (&object.data["spec"], &object.data["status"]);
    let sidecar = &status["sidecar"];
    let stored = Stored {
        uid: object.metadata.uid.as_deref(),
        version: object.metadata.resource_version.as_deref(),
        base: spec["baseFile"].as_str().unwrap_or_default(),
        phase: status["phase"].as_str().unwrap_or_default(),
        asked: sidecar["asked"].as_i64(),
        answered: sidecar["answered"].as_i64(),
    };
    stored.standing(proposal)
}

/// Which errors another try may cure, and which the agent has to know.
fn classify(operation: &'static str, error: kube::Error) -> StoreError {
    match &error {
        kube::Error::Api(status) if is_final(status) => {
            let reason = shortened(&status.message);
            if is_about_the_object(status) {
                return StoreError::Unfit { operation, reason };
            }
            if status.code == 403 && reason.contains("exceeded quota") {
                return StoreError::Limit(format!(
                    "{operation} was refused: {reason}. Wait for a decision first"
                ));
            }
            StoreError::Refused { operation, reason }
        }
        _ => StoreError::Failed {
            operation,
            source: Box::new(error),
        },
    }
}

/// 401 isn't: the token is renewed while we run.
fn is_final(status: &Status) -> bool {
    is_about_the_object(status) || matches!(status.code, 403 | 404 | 405 | 409 | 415)
}

/// A field that is too large or against a rule (422, 400), an object that is too large for the API server (413) or for
/// etcd, which has no code of its own.
fn is_about_the_object(status: &Status) -> bool {
    matches!(status.code, 400 | 413 | 422) || status.message.contains("request is too large")
}

/// A refusal may repeat the whole value that it refuses.
fn shortened(message: &str) -> String {
    match message.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
