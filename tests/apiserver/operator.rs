//! What the chart's role lets the operator do: each verb that it needs, and nothing that would open more.

use crate::support::{
    cluster::Space,
    rest::{Requests, accepted, forbidden, path::SECRETS},
};
use serde_json::json;

async fn may(
    operator: &Requests,
    namespace: &str,
    attributes: (&str, &str, &str, &str, &str),
) -> bool {
    let (verb, group, resource, subresource, name) = attributes;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
        }},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = accepted("a review", operator.create(path, &review).await);
    answer["status"]["allowed"] == true
}

const OURS: &str = "bot-bottle.dev";
const RBAC: &str = "rbac.authorization.k8s.io";

#[tokio::test]
async fn the_operator_has_each_verb_that_it_needs() {
    let space = Space::new().await;
    let operator = space.operator().await.requests;
    let needed: [(&str, &str, &str, &[&str]); 14] = [
        (OURS, "bottles", "", &["get", "list", "watch"]),
        (OURS, "proposals", "", &["list", "watch", "delete"]),
        (OURS, "bottleclasses", "", &["list", "watch"]),
        (OURS, "bottles", "status", &["patch"]),
        (OURS, "bottleclasses", "status", &["patch"]),
        (OURS, "proposals", "status", &["patch"]),
        (OURS, "bottles", "finalizers", &["update"]),
        (
            "",
            "configmaps",
            "",
            &["get", "list", "watch", "create", "patch"],
        ),
        (
            "",
            "pods",
            "",
            &["get", "list", "watch", "create", "patch", "delete"],
        ),
        ("", "pods", "resize", &["patch"]),
        (
            "",
            "serviceaccounts",
            "",
            &["list", "watch", "create", "patch", "delete"],
        ),
        (
            RBAC,
            "rolebindings",
            "",
            &["list", "watch", "create", "patch", "delete"],
        ),
        (
            "networking.k8s.io",
            "networkpolicies",
            "",
            &["list", "watch", "create", "patch", "delete"],
        ),
        ("events.k8s.io", "events", "", &["create", "patch"]),
    ];
    for (group, resource, subresource, verbs) in needed {
        for verb in verbs {
            assert!(
                may(
                    &operator,
                    &space.namespace,
                    (verb, group, resource, subresource, "")
                )
                .await,
                "the operator needs {verb} {resource}/{subresource}"
            );
        }
    }
    assert!(
        may(
            &operator,
            "",
            (
                "bind",
                RBAC,
                "clusterroles",
                "",
                "bottle-operator-supervise.bot-bottle-system"
            )
        )
        .await
    );
}

#[tokio::test]
async fn the_operator_has_nothing_that_opens_more() {
    let space = Space::new().await;
    let operator = space.operator().await.requests;
    let denied: [(&str, &str, &str, &[&str]); 16] = [
        ("*", "*", "", &["*", "get", "create", "patch"]),
        (
            "",
            "secrets",
            "",
            &[
                "get", "list", "watch", "create", "update", "patch", "delete", "*",
            ],
        ),
        ("", "pods", "exec", &["create", "get"]),
        ("", "pods", "attach", &["create", "get"]),
        ("", "pods", "portforward", &["create", "get"]),
        ("", "pods", "ephemeralcontainers", &["patch", "update"]),
        ("", "pods", "log", &["get"]),
        ("", "serviceaccounts", "token", &["create"]),
        ("", "serviceaccounts", "", &["impersonate"]),
        ("", "users", "", &["impersonate"]),
        ("", "nodes", "proxy", &["get", "create"]),
        (
            RBAC,
            "clusterroles",
            "",
            &["escalate", "bind", "create", "patch", "update"],
        ),
        (
            RBAC,
            "roles",
            "",
            &["escalate", "bind", "create", "patch", "update"],
        ),
        (RBAC, "clusterrolebindings", "", &["create", "patch"]),
        // A person's part: it never edits a spec and never decides. It deletes a Bottle that says so: ttlAfterFinished.
        (OURS, "bottles", "", &["create", "update", "patch"]),
        (OURS, "proposals", "", &["create", "update", "patch"]),
    ];
    for (group, resource, subresource, verbs) in denied {
        for verb in verbs {
            assert!(
                !may(
                    &operator,
                    &space.namespace,
                    (verb, group, resource, subresource, "")
                )
                .await,
                "the operator must not have {verb} {resource}/{subresource}"
            );
        }
    }
    for kind in [
        "validatingadmissionpolicies",
        "mutatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ] {
        for verb in ["create", "update", "patch", "delete"] {
            let asked = (verb, "admissionregistration.k8s.io", kind, "", "");
            assert!(
                !may(&operator, "", asked).await,
                "the operator must not have {verb} {kind}"
            );
        }
    }
    forbidden("read a Secret", operator.get(SECRETS, "any").await);
}
