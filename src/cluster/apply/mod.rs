//! Carries out a plan's actions, one by one, in their order.

mod pods;

use super::{Context, Error};
use crate::{
    api::{Bottle, BottleStatus, Proposal, ProposalStatus},
    failpoint::stop_at,
    names::{self, FIELD_MANAGER},
    plan::{Action, Observed},
    proposal::notice::Notice,
};
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, PersistentVolumeClaim, Pod};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
};
use serde_json::json;

/// What a plan was made on, as far as its writes name it: the API server refuses those that come too late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basis<'a> {
    /// The Bottle's Proposals.
    pub proposals: &'a [Proposal],
    /// Its ConfigMap.
    pub config_map: Option<&'a ConfigMap>,
    /// Its pod.
    pub pod: Option<&'a Pod>,
}

impl<'a> From<Observed<'a>> for Basis<'a> {
    fn from(seen: Observed<'a>) -> Self {
        Self {
            proposals: seen.proposals,
            config_map: seen.config_map,
            pod: seen.pod,
        }
    }
}

/// Applies `action` for `bottle`.
pub async fn apply(
    context: &Context,
    bottle: &Bottle,
    basis: Basis<'_>,
    action: Action,
) -> Result<(), Error> {
    let proposals = basis.proposals;
    let target = Target {
        context,
        bottle,
        basis,
        namespace: bottle.namespace().unwrap_or_default(),
    };
    let point = failpoint(&action);
    stop_at(&format!("before-{point}"));
    match action {
        Action::ApplyProposalStatus { name, status } => {
            target.proposal_status(proposals, &name, *status).await?;
        }
        Action::DeleteProposal { name, uid, version } => {
            target.delete_proposal(&name, uid, version).await?;
        }
        Action::CreateConfigMap(config_map) => target.create_config_map(*config_map).await?,
        Action::ApplyConfigMap(config_map) => target.apply_config_map(*config_map).await?,
        Action::CreateClaim(claim) => target.create_claim(*claim).await?,
        Action::DeleteBottle { uid } => target.delete_bottle(uid).await?,
        Action::CreatePod(pod) => target.create_pod(*pod).await?,
        Action::DeletePod { name, uid, why } => target.delete_pod(&name, uid, why).await?,
        Action::CreateHelper(pod) => target.create_helper(*pod).await?,
        Action::DeleteHelper { name, uid } => target.delete_helper(&name, uid).await?,
        Action::PatchPodImage { image } => target.patch_image(&image).await?,
        Action::ResizePod { resources, hash } => target.resize(resources, &hash).await?,
        Action::TouchPod { value } => {
            target
                .annotate(names::ANNOTATION_CONFIG_TOUCH, &value)
                .await?;
        }
        Action::ApplyBottleStatus(status) => target.bottle_status(*status).await?,
        Action::Notify { proposal, notice } => target.notify(proposals, proposal, &notice).await,
    }
    stop_at(&format!("after-{point}"));
    Ok(())
}

/// Where the kill tests stop the operator.
fn failpoint(action: &Action) -> &'static str {
    match action {
        Action::ApplyProposalStatus { .. } => "proposal-status",
        Action::DeleteProposal { .. } => "delete-proposal",
        Action::CreateConfigMap(_) => "create-config-map",
        Action::ApplyConfigMap(_) => "apply-config-map",
        Action::CreateClaim(_) => "create-claim",
        Action::DeleteBottle { .. } => "delete-bottle",
        Action::CreatePod(_) => "create-pod",
        Action::DeletePod { .. } => "delete-pod",
        Action::CreateHelper(_) => "create-helper",
        Action::DeleteHelper { .. } => "delete-helper",
        Action::PatchPodImage { .. } => "patch-image",
        Action::ResizePod { .. } => "resize",
        Action::TouchPod { .. } => "touch",
        Action::ApplyBottleStatus(_) => "bottle-status",
        Action::Notify { .. } => "notify",
    }
}

struct Target<'a> {
    context: &'a Context,
    bottle: &'a Bottle,
    basis: Basis<'a>,
    namespace: String,
}

impl Target<'_> {
    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.context.client.clone(), &self.namespace)
    }

    fn wrote<K: kube::Resource>(&self, kind: &'static str, object: &K) {
        let meta = object.meta();
        let name = meta.name.as_deref().unwrap_or_default();
        self.context.visible.wrote(
            kind,
            &self.namespace,
            name,
            meta.resource_version.as_deref(),
        );
    }

    async fn proposal_status(
        &self,
        proposals: &[Proposal],
        name: &str,
        status: ProposalStatus,
    ) -> Result<(), Error> {
        let api = Api::<Proposal>::namespaced(self.context.client.clone(), &self.namespace);
        // A precondition: the plan was made on this version, and a sequence is given once.
        let seen = proposals
            .iter()
            .find(|proposal| proposal.name_any() == name);
        let version = seen.and_then(|proposal| proposal.metadata.resource_version.clone());
        let body = json!({
            "apiVersion": Proposal::api_version(&()),
            "kind": Proposal::kind(&()),
            "metadata": {"name": name, "resourceVersion": version},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = api
            .patch_status(name, &params, &Patch::Apply(body))
            .await
            .map_err(Error::api("store the status of Proposal", name))?;
        self.wrote("Proposal", &written);
        if let Some(seen) = seen {
            self.context.metrics.stored(seen, &status);
        }
        Ok(())
    }

    async fn delete_proposal(
        &self,
        name: &str,
        uid: String,
        version: Option<String>,
    ) -> Result<(), Error> {
        tracing::debug!(proposal = name, "removing a proposal");
        let api = Api::<Proposal>::namespaced(self.context.client.clone(), &self.namespace);
        self.context
            .visible
            .forget("Proposal", &self.namespace, name);
        match api
            .delete(name, &only_at(uid, version))
            .await
            .map_err(Error::api("delete Proposal", name))
        {
            Err(error) if error.is_gone() || error.is_conflict() => Ok(()),
            other => other.map(drop),
        }
    }

    async fn bottle_status(&self, status: BottleStatus) -> Result<(), Error> {
        let api = Api::<Bottle>::namespaced(self.context.client.clone(), &self.namespace);
        let name = self.bottle.name_any();
        let body = json!({
            "apiVersion": Bottle::api_version(&()),
            "kind": Bottle::kind(&()),
            "metadata": {"name": name, "uid": self.bottle.uid()},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = api
            .patch_status(&name, &params, &Patch::Apply(body))
            .await
            .map_err(Error::api("store the status of Bottle", &name))?;
        self.wrote("Bottle", &written);
        Ok(())
    }

    async fn create_config_map(&self, config_map: ConfigMap) -> Result<(), Error> {
        // Made, not applied: an object of our name that somebody else made must be a conflict.
        let written = self
            .config_maps()
            .create(&post(), &config_map)
            .await
            .map_err(Error::api("create ConfigMap", config_map.name_any()))?;
        self.wrote("ConfigMap", &written);
        Ok(())
    }

    async fn create_claim(&self, claim: PersistentVolumeClaim) -> Result<(), Error> {
        let api =
            Api::<PersistentVolumeClaim>::namespaced(self.context.client.clone(), &self.namespace);
        let written = api
            .create(&post(), &claim)
            .await
            .map_err(Error::api("create PersistentVolumeClaim", claim.name_any()))?;
        self.wrote("PersistentVolumeClaim", &written);
        Ok(())
    }

    async fn delete_bottle(&self, uid: String) -> Result<(), Error> {
        let api = Api::<Bottle>::namespaced(self.context.client.clone(), &self.namespace);
        let name = self.bottle.name_any();
        tracing::info!(bottle = name, "removing a finished bottle");
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..only(uid)
        };
        match api
            .delete(&name, &params)
            .await
            .map_err(Error::api("delete Bottle", &name))
        {
            Err(error) if error.is_gone() || error.is_conflict() => Ok(()),
            other => other.map(drop),
        }
    }

    async fn apply_config_map(&self, mut config_map: ConfigMap) -> Result<(), Error> {
        // What was planned on another ConfigMap could open what was revoked meanwhile.
        config_map.metadata.resource_version = version(self.basis.config_map);
        let name = config_map.name_any();
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = self
            .config_maps()
            .patch(&name, &params, &Patch::Apply(config_map))
            .await
            .map_err(Error::api("apply ConfigMap", &name))?;
        self.wrote("ConfigMap", &written);
        Ok(())
    }

    async fn notify(&self, proposals: &[Proposal], about: Option<String>, notice: &Notice) {
        let bottle = reference(self.bottle);
        let proposal = about
            .as_deref()
            .and_then(|name| {
                proposals
                    .iter()
                    .find(|proposal| proposal.name_any() == name)
            })
            .map(reference);
        match proposal {
            None => self.context.notifier.publish(&bottle, None, notice).await,
            Some(proposal) => {
                if let Some(teller) = &self.context.teller
                    && notice.reason == names::NOTICE_PENDING
                {
                    let (namespace, bottle) = (&self.namespace, self.bottle.name_any());
                    teller.tell(&format!("{namespace}/{bottle} {}", notice.note));
                }
                self.context
                    .notifier
                    .publish(&proposal, Some(&bottle), notice)
                    .await;
                let note = format!(
                    "{}: {}",
                    proposal.name.as_deref().unwrap_or_default(),
                    notice.note
                );
                let notice = Notice {
                    note,
                    ..notice.clone()
                };
                self.context
                    .notifier
                    .publish(&bottle, Some(&proposal), &notice)
                    .await;
            }
        }
    }
}

fn version<K: kube::Resource>(object: Option<&K>) -> Option<String> {
    object?.meta().resource_version.clone()
}

/// In a patch: this very object, never a successor of the same name; null, when it is not known, names none.
fn uid<K: kube::Resource>(object: Option<&K>) -> Option<String> {
    object?.meta().uid.clone()
}

fn reference<K: kube::Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    object.object_ref(&())
}

/// This very object, never a successor of the same name.
fn only(uid: String) -> DeleteParams {
    only_at(uid, None)
}

/// And, where one is named, in this version only.
fn only_at(uid: String, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid),
            resource_version,
        }),
        ..DeleteParams::default()
    }
}

fn params() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    }
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}
