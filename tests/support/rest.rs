//! Requests as they go over the wire, and what is expected of them.

use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// Where a kind is served; `{}` stands for the namespace.
pub mod path {
    /// Proposals.
    pub const PROPOSALS: &str = "/apis/bot-bottle.dev/v1alpha1/namespaces/{}/proposals";
    /// Bottles.
    pub const BOTTLES: &str = "/apis/bot-bottle.dev/v1alpha1/namespaces/{}/bottles";
    /// `BottleClass`es.
    pub const CLASSES: &str = "/apis/bot-bottle.dev/v1alpha1/bottleclasses";
    /// Pods.
    pub const PODS: &str = "/api/v1/namespaces/{}/pods";
    /// `ConfigMap`s.
    pub const CONFIG_MAPS: &str = "/api/v1/namespaces/{}/configmaps";
    /// Service accounts.
    pub const ACCOUNTS: &str = "/api/v1/namespaces/{}/serviceaccounts";
    /// Secrets.
    pub const SECRETS: &str = "/api/v1/namespaces/{}/secrets";
    /// Leases.
    pub const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{}/leases";
    /// Events.
    pub const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/{}/events";
    /// Role bindings.
    pub const ROLE_BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings";
    /// Roles.
    pub const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles";
}

/// The ways to change an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7386, what `kubectl edit` sends for our kinds.
    Merge,
    /// RFC 6902.
    Json,
    /// Server-side apply, forced.
    Apply,
    /// What `kubectl` sends for built-in kinds.
    Strategic,
}

impl Patch {
    fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Apply => "application/apply-patch+yaml",
            Self::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// What the API server said: the object, or why not.
pub type Answer = Result<Value, kube::core::Status>;

/// Somebody's requests in one namespace.
#[derive(Clone)]
pub struct Requests {
    client: Client,
    namespace: String,
    headers: Vec<(&'static str, String)>,
}

impl Requests {
    /// With `client`'s identity in `namespace`.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            headers: Vec::new(),
        }
    }

    /// The same identity in another namespace.
    pub fn elsewhere(&self, namespace: &str) -> Self {
        Self::new(self.client.clone(), namespace)
    }

    /// The same identity, with these headers in each request.
    pub fn with_headers(&self, headers: &[(&'static str, String)]) -> Self {
        Self {
            headers: headers.to_vec(),
            ..self.clone()
        }
    }

    /// Reads `name` of the kind at `path`; an empty name lists.
    pub async fn get(&self, path: &str, name: &str) -> Answer {
        self.send(Method::GET, path, name, "application/json", &Value::Null)
            .await
    }

    /// Creates `object`; `path` may name a subresource's parent (`serviceaccounts/x/token`) and a query.
    pub async fn create(&self, path: &str, object: &Value) -> Answer {
        self.send(Method::POST, path, "", "application/json", object)
            .await
    }

    /// Replaces `name`, which may go on with a subresource.
    pub async fn put(&self, path: &str, name: &str, object: &Value) -> Answer {
        self.send(Method::PUT, path, name, "application/json", object)
            .await
    }

    /// Changes `name`, which may go on with a subresource.
    pub async fn patch(&self, path: &str, name: &str, kind: Patch, body: &Value) -> Answer {
        let query = match kind {
            Patch::Apply => "?fieldManager=tests&force=true",
            _ => "",
        };
        self.send(
            Method::PATCH,
            path,
            &format!("{name}{query}"),
            kind.content_type(),
            body,
        )
        .await
    }

    /// A merge patch.
    pub async fn merge(&self, path: &str, name: &str, body: Value) -> Answer {
        self.patch(path, name, Patch::Merge, &body).await
    }

    /// Deletes `name`.
    pub async fn delete(&self, path: &str, name: &str) -> Answer {
        self.send(Method::DELETE, path, name, "application/json", &Value::Null)
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        name: &str,
        content_type: &str,
        body: &Value,
    ) -> Answer {
        let slash = if name.is_empty() { "" } else { "/" };
        let uri = format!("{}{slash}{name}", path.replace("{}", &self.namespace));
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&uri)
            .header("content-type", content_type);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).expect("a request of known parts");
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(*status),
            Err(error) => panic!("{uri}: no answer of the API server: {error:?}"),
        }
    }
}

/// The object, or a failure that says what was refused and why.
#[track_caller]
pub fn accepted(what: &str, answer: Answer) -> Value {
    match answer {
        Ok(value) => value,
        Err(status) => panic!(
            "{what}: should be accepted, but: {}",
            shortened(&status.message)
        ),
    }
}

/// The refusal must be ours: `fragment` is part of its message.
#[track_caller]
pub fn refused(what: &str, answer: Answer, fragment: &str) {
    match answer {
        Ok(_) => panic!("{what}: should be refused with `{fragment}`, but was accepted"),
        Err(status) => assert!(
            status.message.contains(fragment),
            "{what}: should be refused with `{fragment}`, but: {}",
            shortened(&status.message)
        ),
    }
}

/// Refused by role: this identity has no such verb at all.
#[track_caller]
pub fn forbidden(what: &str, answer: Answer) {
    match answer {
        Ok(_) => panic!("{what}: no role should allow this, but it was accepted"),
        Err(status) => assert!(
            status.code == 403 && status.message.contains("cannot"),
            "{what}: should be forbidden by role, but: {} {}",
            status.code,
            shortened(&status.message)
        ),
    }
}

/// Messages of the API server may quote a whole file.
fn shortened(message: &str) -> String {
    const SHOWN: usize = 1500;
    if message.chars().count() <= SHOWN {
        return message.to_owned();
    }
    let start: String = message.chars().take(SHOWN / 2).collect();
    let end: Vec<char> = message.chars().rev().take(SHOWN / 2).collect();
    format!("{start} … {}", end.iter().rev().collect::<String>())
}
