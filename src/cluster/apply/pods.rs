//! Writes of the pod.

use super::{Target, only, params, post, uid};
use crate::{api::Resources, cluster::Error, names, plan::interrupt::refused};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::Patch};
use serde_json::json;

impl Target<'_> {
    fn pod_name(&self) -> String {
        names::object_name(&self.bottle.name_any())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.context.client.clone(), &self.namespace)
    }

    pub(super) async fn create_pod(&self, pod: Pod) -> Result<(), Error> {
        let written = self
            .pods()
            .create(&post(), &pod)
            .await
            .map_err(Error::api("create Pod", pod.name_any()))?;
        self.wrote("Pod", &written);
        Ok(())
    }

    pub(super) async fn delete_pod(&self, name: &str, uid: String, why: &str) -> Result<(), Error> {
        tracing::info!(pod = name, why, "ending the pod");
        self.context.visible.forget("Pod", &self.namespace, name);
        self.remove_pod(name, uid).await
    }

    /// A pod that is gone, or another one by now, is no longer ours to end.
    async fn remove_pod(&self, name: &str, uid: String) -> Result<(), Error> {
        match self
            .pods()
            .delete(name, &only(uid))
            .await
            .map_err(Error::api("delete Pod", name))
        {
            Err(error) if error.is_gone() || error.is_conflict() => Ok(()),
            other => other.map(drop),
        }
    }

    /// A pod that builds or tries an image; one that is there already is looked at next time.
    pub(super) async fn create_helper(&self, pod: Pod) -> Result<(), Error> {
        let name = pod.name_any();
        tracing::info!(pod = name, "making a pod for an image");
        match self
            .pods()
            .create(&post(), &pod)
            .await
            .map_err(Error::api("create Pod", &name))
        {
            Err(error) if error.is_conflict() => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) async fn delete_helper(&self, name: &str, uid: String) -> Result<(), Error> {
        self.remove_pod(name, uid).await
    }

    pub(super) async fn patch_image(&self, image: &str) -> Result<(), Error> {
        let body = json!({"metadata": {"uid": uid(self.basis.pod)}, "spec": {"containers": [{"name": names::container::AGENT, "image": image}]}});
        self.patch_pod("change the image of Pod", &Patch::Strategic(body))
            .await
    }

    pub(super) async fn resize(&self, resources: Resources, hash: &str) -> Result<(), Error> {
        let name = self.pod_name();
        let body = json!({"spec": {"containers": [{"name": names::container::AGENT, "resources": resources}]}});
        let resized = self
            .pods()
            .patch_subresource("resize", &name, &params(), &Patch::Strategic(body))
            .await;
        let noted = match resized {
            Ok(_) => hash.to_owned(),
            // An older cluster, or a change that no running pod can take: what then is the next plan's to say.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404 | 405 | 422) => {
                refused(hash)
            }
            Err(error) => return Err(Error::api("resize Pod", &name)(error)),
        };
        self.annotate(names::ANNOTATION_RESOURCES_HASH, &noted)
            .await
    }

    pub(super) async fn annotate(&self, annotation: &str, value: &str) -> Result<(), Error> {
        let body =
            json!({"metadata": {"uid": uid(self.basis.pod), "annotations": {annotation: value}}});
        self.patch_pod("touch Pod", &Patch::Merge(body)).await
    }

    async fn patch_pod(
        &self,
        operation: &'static str,
        patch: &Patch<serde_json::Value>,
    ) -> Result<(), Error> {
        let name = self.pod_name();
        let written = self
            .pods()
            .patch(&name, &params(), patch)
            .await
            .map_err(Error::api(operation, &name))?;
        self.wrote("Pod", &written);
        Ok(())
    }
}
