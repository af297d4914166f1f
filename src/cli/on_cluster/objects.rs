//! Objects of any kind, applied and deleted as kubectl does it.

use super::{FIELD_MANAGER, failed};
use crate::{
    cli::{Error, manifest::Manifest},
    local::shelf::Outcome,
    names::GROUP,
};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;

/// Applies a manifest; whether it is new, or changed.
pub(super) async fn apply<K>(api: Api<K>, manifest: &Manifest) -> Result<Outcome, Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let name = &manifest.name;
    let what = format!("apply {} {name}", K::kind(&()));
    let before = api.get_opt(name).await.map_err(failed(&*what))?;
    let params = PatchParams::apply(FIELD_MANAGER);
    let written = api
        .patch(name, &params, &Patch::Apply(&manifest.written))
        .await
        .map_err(failed(what))?;
    let written = written.meta();
    Ok(match before.as_ref().map(Resource::meta) {
        None => Outcome::Created,
        // Of an object that has a status, too, only its spec counts; of one without, all that is written.
        Some(before)
            if before.generation == written.generation
                && (written.generation.is_some()
                    || before.resource_version == written.resource_version) =>
        {
            Outcome::Unchanged
        }
        Some(_) => Outcome::Configured,
    })
}

/// Whether the person may do this in the namespace, by the API server's own word.
pub(super) async fn may(
    client: Client,
    namespace: &str,
    verb: &str,
    resource: &str,
) -> Result<bool, Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                namespace: Some(namespace.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api = Api::<SelfSubjectAccessReview>::all(client);
    let reviewed = api.create(&PostParams::default(), &review).await;
    let reviewed = reviewed.map_err(failed("ask what you may do"))?;
    Ok(reviewed.status.is_some_and(|status| status.allowed))
}

/// Deletes one.
pub(super) async fn delete<K>(api: Api<K>, name: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let deleted = api.delete(name, &DeleteParams::default()).await;
    let what = format!("delete {} {name}", K::kind(&()));
    deleted.map(drop).map_err(failed(what))
}
