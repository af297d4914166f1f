//! The columns: people with client certificates that the cluster has signed, and accounts with tokens of their own.
//! Nobody here borrows an identity.

use crate::{
    proposals::question,
    support::{
        cluster::{OPERATOR, OPERATOR_NAMESPACE, Space, bottle_pod},
        eventually,
        person::kubectl,
        rest::{
            Requests, accepted,
            path::{ACCOUNTS, BOTTLES, CONFIG_MAPS, PODS, PROPOSALS, ROLE_BINDINGS, SECRETS},
        },
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use kube::{Client, Config, config::AuthInfo};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const NETWORK_POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies";

/// People, by the roles that their group is bound to in the namespace.
const PEOPLE: [(&str, &[&str]); 8] = [
    ("viewer", &["viewer"]),
    ("editor", &["editor"]),
    ("approver", &["approver"]),
    ("debugger", &["debugger"]),
    ("edit", &["edit"]),
    ("admin", &["admin"]),
    ("lead", &["admin", "editor", "approver"]),
    ("plain", &[]),
];

/// Everybody in the order of the table.
pub struct Everybody {
    pub people: Vec<(&'static str, Requests)>,
    _node: Node,
}

/// A node without a machine; it goes when this is dropped.
struct Node(String);

impl Drop for Node {
    fn drop(&mut self) {
        kubectl(&["delete", "node", &self.0, "--wait=false"], "");
    }
}

/// Everybody, and what they meet: two bottles with their objects, in one namespace.
pub async fn everybody(space: &Space) -> Everybody {
    let mut all = Vec::new();
    for (name, roles) in PEOPLE {
        for role in roles {
            bind(space, name, role).await;
        }
        let person = certificate(space, "kubernetes.io/kube-apiserver-client", name, name).await;
        all.push((name, person));
    }
    let system = space.admin.elsewhere(OPERATOR_NAMESPACE);
    let operator = with_token(space, &issued(&system, OPERATOR, Value::Null).await).await;
    let at = Node(node_name(space));
    let node = node(space).await;
    furnish(space, &operator).await;
    for (column, bottle) in [("sidecar", "demo"), ("other", "other")] {
        let pod = accepted(
            "a pod",
            space.admin.get(PODS, &format!("{bottle}-bottle")).await,
        );
        let (name, uid) = (&pod["metadata"]["name"], &pod["metadata"]["uid"]);
        let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid});
        let token = issued(&node, "bottle-supervise", bound).await;
        all.push((column, with_token(space, &token).await));
    }
    let edit = all.iter().find(|(name, _)| *name == "edit");
    let token = by_secret(&edit.expect("somebody with the role edit").1).await;
    all.push(("stray", with_token(space, &token).await));
    all.extend([
        ("operator", operator),
        ("node", node),
        ("root", space.admin.clone()),
    ]);
    Everybody {
        people: all,
        _node: at,
    }
}

/// The name of the one node, which no scheduler knows of.
fn node_name(space: &Space) -> String {
    format!("node-of-{}", space.namespace)
}

async fn bind(space: &Space, group: &str, role: &str) {
    let name = match role {
        "edit" | "admin" => role.to_owned(),
        ours => format!("{OPERATOR}-{ours}.{OPERATOR_NAMESPACE}"),
    };
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": format!("{group}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": format!("{}:{group}", space.namespace)}],
    });
    accepted(
        "a role binding",
        space.admin.create(ROLE_BINDINGS, &binding).await,
    );
}

/// A person who has asked the cluster for a certificate and got it.
async fn certificate(space: &Space, signer: &str, name: &str, group: &str) -> Requests {
    let (name, group) = if signer.ends_with("kubelet") {
        (format!("system:node:{name}"), group.to_owned())
    } else {
        // Certificates are good in all of the cluster, so each test's people have names of their own.
        (
            format!("{name}@{}", space.namespace),
            format!("{}:{group}", space.namespace),
        )
    };
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, &group);
    params.distinguished_name.push(DnType::CommonName, &name);
    let request = params.serialize_request(&key).expect("a request");
    let request = request.pem().expect("PEM");
    let object = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "rights-"},
        "spec": {
            "request": BASE64.encode(request),
            "signerName": signer,
            "expirationSeconds": 3600,
            "usages": ["digital signature", "client auth"],
        },
    });
    let stored = accepted("a request", space.admin.create(REQUESTS, &object).await);
    let at = stored["metadata"]["name"].as_str().unwrap_or_default();
    let approved = json!({"status": {"conditions": [
        {"type": "Approved", "status": "True", "reason": "Tests", "message": "a person of the tests"},
    ]}});
    let answer = space
        .admin
        .merge(REQUESTS, &format!("{at}/approval"), approved)
        .await;
    accepted("approved", answer);
    let issued = eventually("the certificate is issued", PATIENCE, async || {
        let stored = accepted("the request", space.admin.get(REQUESTS, at).await);
        stored["status"]["certificate"].as_str().map(str::to_owned)
    })
    .await;
    accepted("forgotten", space.admin.delete(REQUESTS, at).await);
    let identity = AuthInfo {
        client_certificate_data: Some(issued),
        client_key_data: Some(BASE64.encode(key.serialize_pem()).into()),
        ..AuthInfo::default()
    };
    with_identity(space, identity).await
}

async fn with_token(space: &Space, token: &str) -> Requests {
    let identity = AuthInfo {
        token: Some(token.to_owned().into()),
        ..AuthInfo::default()
    };
    with_identity(space, identity).await
}

async fn with_identity(space: &Space, identity: AuthInfo) -> Requests {
    let mut config = Config::infer().await.expect("KUBECONFIG can be read");
    config.auth_info = identity;
    Requests::new(
        Client::try_from(config).expect("a client"),
        &space.namespace,
    )
}

/// A token of `account`, which is bound to an object or to nothing.
async fn issued(by: &Requests, account: &str, bound: Value) -> String {
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [], "expirationSeconds": 3600, "boundObjectRef": bound},
    });
    let answer = by
        .create(&format!("{ACCOUNTS}/{account}/token"), &request)
        .await;
    let made = accepted("a token", answer);
    made["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// What the role `edit` can get of the sidecars' account: a token that lies in a Secret, bound to no pod.
async fn by_secret(edit: &Requests) -> String {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "stray", "annotations": {"kubernetes.io/service-account.name": "bottle-supervise"}},
    });
    accepted("a Secret for a token", edit.create(SECRETS, &secret).await);
    let token = eventually("the token is there", PATIENCE, async || {
        let stored = accepted("the Secret", edit.get(SECRETS, "stray").await);
        stored["data"]["token"].as_str().map(str::to_owned)
    })
    .await;
    let token = BASE64.decode(token).expect("Secrets hold base64");
    String::from_utf8(token).expect("a token is text")
}

/// The node, and its kubelet's certificate.
async fn node(space: &Space) -> Requests {
    let name = node_name(space);
    let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": true}});
    accepted("a node", space.admin.create("/api/v1/nodes", &object).await);
    certificate(
        space,
        "kubernetes.io/kube-apiserver-client-kubelet",
        &name,
        "system:nodes",
    )
    .await
}

/// Two bottles with all that belongs to them, made by whom such things are made by.
async fn furnish(space: &Space, operator: &Requests) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bottle-supervise"}});
    accepted(
        "the sidecars' account",
        operator.create(ACCOUNTS, &account).await,
    );
    let role = format!("{OPERATOR}-supervise.{OPERATOR_NAMESPACE}");
    let binding = super::cluster::binding(
        "bottle-supervise",
        &role,
        "bottle-supervise",
        &space.namespace,
    );
    accepted("their role", operator.create(ROLE_BINDINGS, &binding).await);
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "bottles"}, "spec": {"podSelector": {}}});
    accepted(
        "the second wall",
        operator.create(NETWORK_POLICIES, &policy).await,
    );
    for name in ["demo", "other"] {
        let bottle = super::ours::bottle(name);
        accepted("a Bottle", space.admin.create(BOTTLES, &bottle).await);
        let object = super::objects::config_map(&format!("{name}-bottle"), Some(name));
        accepted("its ConfigMap", operator.create(CONFIG_MAPS, &object).await);
        let mut pod = bottle_pod(&format!("{name}-bottle"), name);
        pod["spec"]["nodeName"] = json!(node_name(space));
        accepted("its pod", operator.create(PODS, &pod).await);
    }
    let ordinary = [
        (CONFIG_MAPS, super::objects::config_map("ordinary", None)),
        (PODS, super::objects::pod("ordinary")),
        (
            SECRETS,
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credential"}}),
        ),
        (PROPOSALS, question("demo", "demo-000000000001")),
        (PROPOSALS, question("demo", "demo-000000000002")),
    ];
    for (path, object) in ordinary {
        accepted("an object", space.admin.create(path, &object).await);
    }
    let approve = json!({"spec": {"decision": "Approved"}});
    let answer = space
        .admin
        .merge(PROPOSALS, "demo-000000000002", approve)
        .await;
    accepted("an approval", answer);
}
