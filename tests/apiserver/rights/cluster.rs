//! What may be tried to get more rights: Secrets, tokens, other identities, roles, policies, the operator itself.

use super::deed::Deed;
use crate::{
    proposals::{question, with},
    support::{
        cluster::{OPERATOR, OPERATOR_NAMESPACE},
        rest::path::{ACCOUNTS, BOTTLES, PROPOSALS, ROLE_BINDINGS, ROLES, SECRETS},
    },
};
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// Gives `role` to a service account.
pub fn binding(name: &str, role: &str, account: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    })
}

fn wide(part: &str) -> String {
    format!("{OPERATOR}-{part}.{OPERATOR_NAMESPACE}")
}

/// `uid` is that of the pod of the bottle demo.
pub fn identities(namespace: &str, uid: &Value) -> Vec<Deed> {
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": "demo-bottle", "uid": uid});
    let for_pod = with(token.clone(), &[("/spec/boundObjectRef", bound)]);
    let elsewhere = "/apis/bot-bottle.dev/v1alpha1/namespaces/default/proposals";
    let by_secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "made", "annotations": {"kubernetes.io/service-account.name": "bottle-supervise"}},
    });
    let sidecar = (
        "impersonate-user",
        format!("system:serviceaccount:{namespace}:bottle-supervise"),
    );
    let pod = (
        "impersonate-extra-authentication.kubernetes.io%2fpod-name",
        "demo-bottle".to_owned(),
    );
    let operator = (
        "impersonate-user",
        format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}"),
    );
    let approver = ("impersonate-user", format!("approver@{namespace}"));
    let approvers = ("impersonate-group", format!("{namespace}:approver"));
    let authenticated = ("impersonate-group", "system:authenticated".to_owned());
    let ask = || question("demo", "demo-0123456789ab");
    let decide = json!({"spec": {"decision": "Approved"}});
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    vec![
        Deed::make("ask in another namespace", elsewhere, ask()),
        Deed::read("read a Secret", SECRETS, "credential"),
        Deed::make(
            "a token of an account",
            &format!("{ACCOUNTS}/default/token"),
            token.clone(),
        ),
        Deed::make(
            "  of the sidecars' account",
            &format!("{ACCOUNTS}/bottle-supervise/token"),
            token,
        ),
        Deed::make(
            "  the same, for the pod of demo",
            &format!("{ACCOUNTS}/bottle-supervise/token"),
            for_pod,
        ),
        Deed::make("a Secret for its token (column stray)", SECRETS, by_secret),
        Deed::make(
            "act as the sidecars' account",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            review,
        )
        .in_the_name_of(std::slice::from_ref(&sidecar)),
        Deed::make("  and ask", PROPOSALS, ask()).in_the_name_of(std::slice::from_ref(&sidecar)),
        Deed::make("  and ask, saying from which pod", PROPOSALS, ask())
            .in_the_name_of(&[sidecar, pod]),
        Deed::read("act as the operator", BOTTLES, "").in_the_name_of(&[operator]),
        Deed::change(
            "act as an approver, and approve",
            PROPOSALS,
            "demo-000000000001",
            decide,
        )
        .in_the_name_of(&[approver, approvers, authenticated]),
    ]
}

pub fn roles(namespace: &str) -> Vec<Deed> {
    let bind = |role: &str| binding("made", role, "default", namespace);
    let role = |group: &str, resource: &str, verb: &str| {
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "Role", "metadata": {"name": "made"},
            "rules": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}],
        })
    };
    let join = json!({"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]});
    let roles = format!("/apis/{RBAC}/v1/clusterroles");
    vec![
        Deed::make("hand out the role view", ROLE_BINDINGS, bind("view")),
        Deed::make("  the editor's", ROLE_BINDINGS, bind(&wide("editor"))),
        Deed::make("  the approver's", ROLE_BINDINGS, bind(&wide("approver"))),
        Deed::make("  the debugger's", ROLE_BINDINGS, bind(&wide("debugger"))),
        Deed::make("  the sidecars'", ROLE_BINDINGS, bind(&wide("supervise"))),
        Deed::make(
            "  the operator's",
            ROLE_BINDINGS,
            bind(&format!("{OPERATOR}.{OPERATOR_NAMESPACE}")),
        ),
        Deed::make("  cluster-admin", ROLE_BINDINGS, bind("cluster-admin")),
        Deed::change(
            "another subject for the sidecars' role",
            ROLE_BINDINGS,
            "bottle-supervise",
            join,
        ),
        Deed::make(
            "a role that decides",
            ROLES,
            role("bot-bottle.dev", "proposals", "update"),
        ),
        Deed::make(
            "a role that gets into bottles",
            ROLES,
            role("bot-bottle.dev", "bottles/debug", "create"),
        ),
        Deed::make(
            "a role that writes status",
            ROLES,
            role("bot-bottle.dev", "proposals/status", "patch"),
        ),
        Deed::make(
            "a role that reads Secrets",
            ROLES,
            role("", "secrets", "get"),
        ),
        Deed::change(
            "widen the sidecars' role",
            &roles,
            &wide("supervise"),
            json!({"rules": []}),
        ),
    ]
}

pub fn foundations(namespace: &str) -> Vec<Deed> {
    let policies = format!("{ADMISSION}/validatingadmissionpolicies");
    let bindings = format!("{ADMISSION}/validatingadmissionpolicybindings");
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let deployments = format!("/apis/apps/v1/namespaces/{OPERATOR_NAMESPACE}/deployments");
    let of_operator = |kind: &str| format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/{kind}");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "made"}});
    let pass = json!({"spec": {"failurePolicy": "Ignore"}});
    let audit = json!({"spec": {"validationActions": ["Audit"]}});
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "made"},
    });
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    vec![
        Deed::change(
            "a policy that lets through",
            &policies,
            &wide("objects"),
            pass,
        ),
        Deed::change(
            "a policy that only writes down",
            &bindings,
            &wide("objects"),
            audit,
        ),
        Deed::delete("delete a policy", &policies, &wide("decision")),
        Deed::delete("delete a policy's binding", &bindings, &wide("exec")),
        Deed::make(
            "a webhook of one's own",
            &format!("{ADMISSION}/mutatingwebhookconfigurations"),
            webhook,
        ),
        Deed::change(
            "write a kind's schema",
            definitions,
            "proposals.bot-bottle.dev",
            label.clone(),
        ),
        Deed::delete("delete a kind", definitions, "proposals.bot-bottle.dev"),
        Deed::change(
            "label the namespace",
            "/api/v1/namespaces",
            namespace,
            label.clone(),
        ),
        Deed::change(
            "write the operator's Deployment",
            &deployments,
            OPERATOR,
            label,
        ),
        Deed::read(
            "read Secrets of the operator's namespace",
            &of_operator("secrets"),
            "",
        ),
        Deed::make(
            "a token of the operator's account",
            &of_operator(&format!("serviceaccounts/{OPERATOR}/token")),
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}),
        ),
        Deed::make("a Lease beside the operator's", &leases, lease),
    ]
}
