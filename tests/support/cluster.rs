//! The cluster of `KUBECONFIG`, and a namespace of its own for each test.

use super::{
    install::installed,
    person::{Person, kubectl, token},
    rest::{Requests, accepted, path},
};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The namespace that the chart is installed into.
pub const OPERATOR_NAMESPACE: &str = "bot-bottle-system";
/// The chart's release, and so the operator's account.
pub const OPERATOR: &str = "bottle-operator";

/// A namespace of one test; it goes when this is dropped.
pub struct Space {
    /// Its name.
    pub namespace: String,
    /// Requests of the cluster's administrator in it.
    pub admin: Requests,
    config: Config,
}

impl Space {
    /// A new namespace, in a cluster that has our CRDs and policies.
    pub async fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        installed();
        let config = Config::infer().await.expect("KUBECONFIG can be read");
        let namespace = format!(
            "test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let client = Client::try_from(config.clone()).expect("a client");
        let admin = Requests::new(client, &namespace);
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        accepted(
            "a namespace",
            admin.create("/api/v1/namespaces", &object).await,
        );
        Self {
            namespace,
            admin,
            config,
        }
    }

    /// A service account of this namespace with `rules`, and a client with a token of it.
    pub async fn person(&self, name: &str, rules: &[Value]) -> Person {
        self.account(name).await;
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name},
            "rules": rules,
        });
        accepted("a role", self.admin.create(path::ROLES, &role).await);
        self.bind(name, "Role", name, &format!("{name}-own")).await;
        self.log_in(name).await
    }

    /// Somebody with the role of the chart for people: viewer, editor, approver, debugger; or one of Kubernetes' own.
    pub async fn with_role(&self, name: &str, role: &str) -> Person {
        self.account(name).await;
        let role = match role {
            "viewer" | "editor" | "approver" | "debugger" => {
                format!("{OPERATOR}-{role}.{OPERATOR_NAMESPACE}")
            }
            other => other.to_owned(),
        };
        self.bind(name, "ClusterRole", &role, &format!("{name}-role"))
            .await;
        self.log_in(name).await
    }

    /// Gives the operator the rights of a Role here, for what the chart gives it in its own namespace only.
    pub async fn let_operator(&self, rules: &[Value]) {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "operator"},
            "rules": rules,
        });
        accepted("a role", self.admin.create(path::ROLES, &role).await);
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
            "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": OPERATOR_NAMESPACE}],
        });
        accepted(
            "a role binding",
            self.admin.create(path::ROLE_BINDINGS, &binding).await,
        );
    }

    /// Somebody who may do all with our kinds.
    pub async fn reviewer(&self, name: &str) -> Person {
        let all = json!({"apiGroups": ["bot-bottle.dev"], "resources": ["*"], "verbs": ["*"]});
        self.person(name, &[all]).await
    }

    /// Somebody with Kubernetes' own role `edit`, and the same for our kinds.
    pub async fn editor(&self, name: &str) -> Person {
        let person = self.reviewer(name).await;
        self.bind(name, "ClusterRole", "edit", &format!("{name}-edit"))
            .await;
        person
    }

    /// The operator itself, with the role that the chart gives it.
    pub async fn operator(&self) -> Person {
        let token = token(&self.config, OPERATOR_NAMESPACE, OPERATOR, None).await;
        let username = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}");
        Person::with_token(username, &token, &self.namespace).await
    }

    /// The sidecar of `bottle`: makes its account and pod as the operator does, and takes a token bound to that pod.
    pub async fn sidecar(&self, bottle: &str) -> Person {
        let pod = format!("{bottle}-bottle");
        self.sidecars_account().await;
        let operator = self.operator().await.requests;
        let made = accepted(
            "a bottle's pod, by the operator",
            operator.create(path::PODS, &bottle_pod(&pod, bottle)).await,
        );
        let uid = made["metadata"]["uid"].as_str().unwrap_or_default();
        self.sidecar_with(Some((&pod, uid))).await
    }

    /// The sidecars' account with a token that is bound to a pod, or to nothing.
    pub async fn sidecar_with(&self, bound: Option<(&str, &str)>) -> Person {
        self.sidecars_account().await;
        let token = token(&self.config, &self.namespace, "bottle-supervise", bound).await;
        let username = self.username("bottle-supervise");
        Person::with_token(username, &token, &self.namespace).await
    }

    /// As admission sees an account of this namespace.
    pub fn username(&self, account: &str) -> String {
        format!("system:serviceaccount:{}:{account}", self.namespace)
    }

    async fn log_in(&self, account: &str) -> Person {
        let token = token(&self.config, &self.namespace, account, None).await;
        Person::with_token(self.username(account), &token, &self.namespace).await
    }

    async fn sidecars_account(&self) {
        if self
            .admin
            .get(path::ACCOUNTS, "bottle-supervise")
            .await
            .is_err()
        {
            self.account("bottle-supervise").await;
            self.bind(
                "bottle-supervise",
                "ClusterRole",
                "bottle-operator-supervise.bot-bottle-system",
                "bottle-supervise",
            )
            .await;
        }
    }

    async fn account(&self, name: &str) {
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        accepted(
            "an account",
            self.admin.create(path::ACCOUNTS, &account).await,
        );
    }

    async fn bind(&self, account: &str, kind: &str, role: &str, name: &str) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}],
        });
        accepted(
            "a role binding",
            self.admin.create(path::ROLE_BINDINGS, &binding).await,
        );
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        kubectl(
            &["delete", "namespace", &self.namespace, "--wait=false"],
            "",
        );
    }
}

/// A pod of `bottle` that no scheduler will ever place.
pub fn bottle_pod(name: &str, bottle: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"bot-bottle.dev/bottle": bottle}},
        "spec": {
            "serviceAccountName": "bottle-supervise",
            "schedulerName": "nobody",
            "containers": [{"name": "agent", "image": "none.invalid/none", "resources": {"requests": {"cpu": "100m"}}}],
        },
    })
}
