//! The bottles of a cluster, by the current kubeconfig and the person's own rights.

mod objects;

use super::{
    Error, Where,
    kind::Kind,
    manifest::{Manifest, Object},
};
use crate::{
    api::{Bottle, BottleClass, Proposal},
    local::{admit::Verdict, shelf::Outcome},
    names,
};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{ListParams, LogParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use objects::{apply, delete};
use serde_json::json;
use std::time::Duration;

/// Field manager of what a person applies with this program.
const FIELD_MANAGER: &str = "bottle";
/// Between two looks of a watch: gentle to an API server, and a person does not notice it.
const LOOK: Duration = Duration::from_secs(1);

/// A client and a namespace.
pub struct Cluster {
    client: Client,
    namespace: String,
    context: Option<String>,
}

fn failed(operation: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let operation = operation.into();
    move |source| Error::Cluster {
        operation,
        source: Box::new(source),
    }
}

impl Cluster {
    /// None when no cluster is configured; an error when the configured one can't be used.
    pub async fn connect(place: &Where) -> Result<Option<Self>, Error> {
        let unusable = |error| Error::Kubeconfig(Box::new(error));
        let configured = Kubeconfig::read()
            .is_ok_and(|config| config.current_context.is_some() || place.context.is_some());
        let config = if configured || place.context.is_some() {
            let options = KubeConfigOptions {
                context: place.context.clone(),
                ..KubeConfigOptions::default()
            };
            Config::from_kubeconfig(&options).await.map_err(unusable)?
        } else if let Ok(config) = Config::incluster() {
            config
        } else {
            return Ok(None);
        };
        let namespace = place
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        // The ring provider is the only one that is linked; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_from(config).map_err(failed("reach the cluster"))?;
        Ok(Some(Self {
            client,
            namespace,
            context: place.context.clone(),
        }))
    }

    /// What the kubelets of a few nodes were told, by the node's name; an administrator may ask for it.
    pub async fn kubelets(&self) -> Result<Vec<(String, serde_json::Value)>, Error> {
        const NODES: u32 = 5;
        let operation = || failed("ask nodes for their kubelets' configuration");
        let nodes = Api::<Node>::all(self.client.clone());
        let listed = nodes.list(&ListParams::default().limit(NODES)).await;
        let mut all = Vec::new();
        for node in listed.map_err(operation())? {
            let name = node.name_any();
            let path = format!("/api/v1/nodes/{name}/proxy/configz");
            let request = http::Request::get(path).body(Vec::new());
            let request = request.map_err(|error| operation()(kube::Error::HttpError(error)))?;
            let mut answer: serde_json::Value =
                self.client.request(request).await.map_err(operation())?;
            all.push((name, answer["kubeletconfig"].take()));
        }
        Ok(all)
    }

    /// Whether the person may do this with objects of ours in the namespace.
    pub async fn may(&self, verb: &str, resource: &str) -> Result<bool, Error> {
        objects::may(self.client.clone(), &self.namespace, verb, resource).await
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Flags with which kubectl means the same.
    pub fn kubectl(&self) -> Vec<String> {
        let mut words = vec!["-n".to_owned(), self.namespace.clone()];
        if let Some(context) = &self.context {
            words.extend(["--context".to_owned(), context.clone()]);
        }
        words
    }

    fn own<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn api<K>(&self, all: bool) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        if all {
            Api::all(self.client.clone())
        } else {
            self.own()
        }
    }

    /// The Bottles.
    pub async fn bottles(&self, all: bool) -> Result<Vec<Bottle>, Error> {
        let list = self.api::<Bottle>(all).list(&ListParams::default()).await;
        Ok(list.map_err(failed("list Bottles"))?.items)
    }

    /// One Bottle.
    pub async fn bottle(&self, name: &str) -> Result<Option<Bottle>, Error> {
        let found = self.own::<Bottle>().get_opt(name).await;
        found.map_err(failed(format!("read Bottle {name}")))
    }

    /// The Proposals.
    pub async fn proposals(&self, all: bool) -> Result<Vec<Proposal>, Error> {
        let list = self.api::<Proposal>(all).list(&ListParams::default()).await;
        let mut items = list.map_err(failed("list Proposals"))?.items;
        items.sort_by_key(|one| one.creation_timestamp().map(|time| time.0));
        Ok(items)
    }

    /// Writes a decision; admission fills in who and when, and refuses what is not legal.
    pub async fn decide(&self, proposal: &Proposal, verdict: Verdict) -> Result<Proposal, Error> {
        let name = proposal.name_any();
        let mut spec = json!({"decision": verdict.decision});
        let fields = [
            ("finalFile", verdict.final_file.map(Into::into)),
            ("notes", verdict.notes.map(Into::into)),
            (
                "expiresAt",
                verdict.expires_at.map(|at| at.to_string().into()),
            ),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                let value: serde_json::Value = value;
                spec[field] = value;
            }
        }
        // The uid makes it this very question: one that was deleted and asked anew is another.
        let patch = Patch::Merge(json!({"metadata": {"uid": proposal.metadata.uid}, "spec": spec}));
        let api: Api<Proposal> = match &proposal.metadata.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => self.own(),
        };
        let patched = api.patch(&name, &PatchParams::default(), &patch).await;
        patched.map_err(failed(format!("decide about {name}")))
    }

    /// The classes.
    pub async fn classes(&self) -> Result<Vec<BottleClass>, Error> {
        let api = Api::<BottleClass>::all(self.client.clone());
        let list = api.list(&ListParams::default()).await;
        Ok(list.map_err(failed("list BottleClasses"))?.items)
    }

    /// One class.
    pub async fn class(&self, name: &str) -> Result<Option<BottleClass>, Error> {
        let api = Api::<BottleClass>::all(self.client.clone());
        let found = api.get_opt(name).await;
        found.map_err(failed(format!("read BottleClass {name}")))
    }

    /// The ConfigMaps.
    pub async fn config_maps(&self, all: bool) -> Result<Vec<ConfigMap>, Error> {
        let api = self.api::<ConfigMap>(all);
        let list = api.list(&ListParams::default()).await;
        Ok(list.map_err(failed("list ConfigMaps"))?.items)
    }

    /// One ConfigMap.
    pub async fn config_map(&self, name: &str) -> Result<Option<ConfigMap>, Error> {
        let found = self.own::<ConfigMap>().get_opt(name).await;
        found.map_err(failed(format!("read ConfigMap {name}")))
    }

    /// Applies a manifest; whether it is new, or changed.
    pub async fn apply(&self, manifest: &Manifest) -> Result<Outcome, Error> {
        match &manifest.object {
            Object::Bottle(_) => apply(self.own::<Bottle>(), manifest).await,
            Object::Class(_) => apply(Api::<BottleClass>::all(self.client.clone()), manifest).await,
            Object::ConfigMap(_) => apply(self.own::<ConfigMap>(), manifest).await,
        }
    }

    /// Changes a part of a Bottle.
    pub async fn patch(&self, name: &str, patch: &serde_json::Value) -> Result<(), Error> {
        let api = self.own::<Bottle>();
        let patched = api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched
            .map(drop)
            .map_err(failed(format!("change Bottle {name}")))
    }

    /// Deletes an object.
    pub async fn delete(&self, kind: Kind, name: &str) -> Result<(), Error> {
        match kind {
            Kind::Bottle => delete(self.own::<Bottle>(), name).await,
            Kind::Class => delete(Api::<BottleClass>::all(self.client.clone()), name).await,
            Kind::ConfigMap => delete(self.own::<ConfigMap>(), name).await,
        }
    }

    /// The newest pod that built an image for the bottle.
    pub async fn last_build(&self, bottle: &str) -> Result<Option<String>, Error> {
        let labels = format!(
            "{}={bottle},{}={}",
            names::LABEL_BOTTLE,
            names::LABEL_ROLE,
            names::ROLE_BUILD
        );
        let params = ListParams::default().labels(&labels);
        let list = self.own::<Pod>().list(&params).await;
        let list = list.map_err(failed("list the pods that build"))?;
        let newest = list
            .items
            .into_iter()
            .max_by_key(|pod| pod.metadata.creation_timestamp.clone());
        Ok(newest.and_then(|pod| pod.metadata.name))
    }

    /// The log of one container of a pod.
    pub async fn log(
        &self,
        pod: &str,
        container: &str,
        follow: bool,
        tail: Option<i64>,
    ) -> Result<impl futures::AsyncBufRead + use<>, Error> {
        let params = LogParams {
            container: Some(container.to_owned()),
            follow,
            tail_lines: tail,
            ..LogParams::default()
        };
        let stream = self.own::<Pod>().log_stream(pod, &params).await;
        stream.map_err(failed(format!("read the log of {container}")))
    }

    /// The Events about an object, oldest first: reason and sentence.
    pub async fn events(&self, name: &str) -> Result<Vec<String>, Error> {
        let params = ListParams::default().fields(&format!("involvedObject.name={name}"));
        let list = self
            .own::<Event>()
            .list(&params)
            .await
            .map_err(failed("list Events"))?;
        let line = |event: &Event| {
            let part = |text: &Option<String>| text.clone().unwrap_or_default();
            format!(
                "{} {} {}",
                part(&event.type_),
                part(&event.reason),
                part(&event.message)
            )
        };
        Ok(list.items.iter().map(line).collect())
    }

    /// When it may be time to look again.
    pub async fn changed(&self) -> Result<(), Error> {
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}
