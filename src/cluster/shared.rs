//! What a namespace with bottles has once: made with its first bottle, removed with its last.

use super::{Context, Error};
use crate::{api::Bottle, names, plan::namespace};
use k8s_openapi::api::{
    core::v1::ServiceAccount, networking::v1::NetworkPolicy, rbac::v1::RoleBinding,
};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::reflector::{ObjectRef, Store},
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// Makes what is missing in `namespace`.
pub async fn ensure(context: &Context, namespace: &str) -> Result<(), Error> {
    let namespace::Shared {
        service_account,
        mut role_binding,
        network_policy,
    } = namespace::shared(namespace);
    role_binding.role_ref.name.clone_from(&context.sidecar_role);
    let caches = &context.caches;
    ensure_one(
        context,
        &caches.service_accounts,
        service_account,
        "apply ServiceAccount",
    )
    .await?;
    ensure_one(
        context,
        &caches.role_bindings,
        role_binding,
        "apply RoleBinding",
    )
    .await?;
    ensure_one(
        context,
        &caches.network_policies,
        network_policy,
        "apply NetworkPolicy",
    )
    .await
}

/// Removes it all, when `namespace` has no bottle any more.
pub async fn remove_with_the_last_bottle(context: &Context, namespace: &str) -> Result<(), Error> {
    let bottles = Api::<Bottle>::namespaced(context.client.clone(), namespace);
    // The API server's word, not the cache's: a bottle may have been made a moment ago.
    let list = bottles
        .list_metadata(&ListParams::default().limit(1))
        .await
        .map_err(Error::api("list Bottles of", namespace))?;
    if !list.items.is_empty() {
        return Ok(());
    }
    remove::<NetworkPolicy>(
        context,
        namespace,
        names::NETWORK_POLICY,
        "delete NetworkPolicy",
    )
    .await?;
    remove::<RoleBinding>(
        context,
        namespace,
        names::SERVICE_ACCOUNT,
        "delete RoleBinding",
    )
    .await?;
    remove::<ServiceAccount>(
        context,
        namespace,
        names::SERVICE_ACCOUNT,
        "delete ServiceAccount",
    )
    .await
}

async fn ensure_one<K>(
    context: &Context,
    cache: &Store<K>,
    wanted: K,
    operation: &'static str,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let namespace = wanted.namespace().unwrap_or_default();
    if cache.get(&ObjectRef::from_obj(&wanted)).is_some() {
        return Ok(());
    }
    let api = Api::<K>::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    api.patch(&wanted.name_any(), &params, &Patch::Apply(&wanted))
        .await
        .map_err(Error::api(operation, wanted.name_any()))?;
    Ok(())
}

async fn remove<K>(
    context: &Context,
    namespace: &str,
    name: &str,
    operation: &'static str,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api = Api::<K>::namespaced(context.client.clone(), namespace);
    match api
        .delete(name, &DeleteParams::default())
        .await
        .map_err(Error::api(operation, name))
    {
        Err(error) if error.is_gone() => Ok(()),
        other => other.map(drop),
    }
}
