//! Registries with a login, with an authority of the company's own, and such that take nothing.

use super::place::{
    agent_runs, approved, ask, at, base, becomes, bottle_of, container, image, message, on,
};
use crate::kill::{Operator, Stopped, operators_kubeconfig};
use crate::support::{Namespace, state};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::path::PathBuf;
use tempfile::NamedTempFile;

/// The operator with another registry to push to, and this builder.
fn operator(
    kubeconfig: &PathBuf,
    registry: &str,
    insecure: bool,
    (builder, image): (&str, &str),
) -> (Operator, NamedTempFile) {
    let builds = NamedTempFile::new().unwrap();
    let text = serde_json::json!({
        "builder": builder,
        "registry": format!("{registry}/bottles"),
        "insecure": insecure,
        "image": image,
        "pushSecret": "push",
        "pullSecret": "pull",
        "caBundle": "authority",
        "bases": [format!("{}/base", at("registry-tls"))],
        "timeoutSeconds": 120,
        "memory": "512Mi",
        "storage": "1Gi",
    });
    std::fs::write(builds.path(), text.to_string()).unwrap();
    let flag = format!("--builds={}", builds.path().display());
    (Operator::start_with(kubeconfig, "", &[&flag]), builds)
}

/// A Secret as `kubectl create secret docker-registry` makes it.
fn login(namespace: &Namespace, name: &str, password: &str) {
    let registry = at("registry-tls");
    let auth = STANDARD.encode(format!("bottle:{password}"));
    let login = serde_json::json!({"username": "bottle", "password": password, "auth": auth});
    let config = serde_json::json!({"auths": {registry: login}});
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name},
        "stringData": {".dockerconfigjson": config.to_string()},
    });
    namespace.apply(&secret.to_string()).good();
}

#[test]
fn a_registry_with_a_login_and_a_certificate_takes_an_image_and_one_that_refuses_says_why() {
    logs_in(("Buildah", "bot-bottle/builder:dev"));
}

#[test]
#[ignore = "takes half a minute"]
fn the_same_with_bases_that_are_pulled_for_buildkit() {
    logs_in(("BuildKit", super::kit::image()));
}

fn logs_in(builder: (&str, &str)) {
    let namespace = Namespace::new();
    let kubeconfig = operators_kubeconfig();
    base();
    let registry = at("registry-tls");
    let base = format!("{registry}/base/hostile:1");
    let authority = std::fs::read_to_string(state().join("registry-pki/ca.crt")).unwrap();
    let config_map = serde_json::json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "authority"},
        "data": {"ca.crt": authority},
    });
    namespace.apply(&config_map.to_string()).good();
    for name in ["push", "pull"] {
        login(&namespace, name, "bottle");
    }
    let _stopped = Stopped::new();
    let working = operator(&kubeconfig, &registry, false, builder);
    // Pulled by the node, too, with the same login.
    let bottle = bottle_of(&namespace, &base);
    let taken = on(&base, "RUN busybox touch /taken");
    let proposal = approved(&bottle, &taken);
    // What the agent had in front of it when it asked.
    assert_eq!(
        namespace.field(&proposal, ".spec.baseFile").trim_end(),
        format!("FROM {base}")
    );
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    bottle.shell("busybox ls /taken").good();
    assert!(image(&bottle).starts_with(&format!("{registry}/bottles/")));
    let before = container(&bottle);
    login(&namespace, "push", "wrong");
    let refused = |word: &str, line: &str| {
        let file = taken.replace("RUN", &format!("RUN busybox touch /{line}\nRUN"));
        let proposal = approved(&bottle, &file);
        becomes(&bottle, &proposal, "Failed");
        let reason = namespace.field(&proposal, ".status.reason");
        assert_eq!(reason, "PushRefused", "{}", message(&bottle, &proposal));
        let answer = ask(&bottle, &file).answer();
        assert!(
            answer.contains("status: rejected") && answer.contains(word),
            "{word}: {answer}"
        );
        assert_eq!(container(&bottle), before);
    };
    refused("401", "one");
    drop(working);
    let _read_only = operator(&kubeconfig, &at("registry-readonly"), true, builder);
    refused("405", "two");
    std::fs::remove_file(kubeconfig).unwrap();
}
