//! People and programs with identities of their own.

use super::rest::{Requests, accepted, path};
use kube::{Client, Config, config::Kubeconfig};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

/// Somebody who talks to the API server by a token of a real service account.
pub struct Person {
    /// As admission sees it.
    pub username: String,
    /// Requests in this identity.
    pub requests: Requests,
    kubeconfig: tempfile::NamedTempFile,
    namespace: String,
}

impl Person {
    /// The identity of `token`.
    pub async fn with_token(username: String, token: &str, namespace: &str) -> Self {
        let admin = Kubeconfig::read().expect("KUBECONFIG names the test cluster's file");
        let mut config = Config::infer().await.expect("KUBECONFIG can be read");
        config.auth_info = kube::config::AuthInfo {
            token: Some(token.to_owned().into()),
            ..kube::config::AuthInfo::default()
        };
        let cluster = admin.clusters[0].cluster.as_ref().expect("a cluster");
        let mut kubeconfig = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {
                "server": cluster.server,
                "certificate-authority-data": cluster.certificate_authority_data,
            }}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
            "current-context": "c",
        });
        kubeconfig
            .write_all(text.to_string().as_bytes())
            .expect("the kubeconfig can be written");
        Self {
            username,
            requests: Requests::new(Client::try_from(config).expect("a client"), namespace),
            kubeconfig,
            namespace: namespace.to_owned(),
        }
    }

    /// A kubeconfig of this person; the file goes with the person.
    pub fn kubeconfig(&self) -> &std::path::Path {
        self.kubeconfig.path()
    }

    /// Runs `kubectl` as this person, in the person's namespace.
    pub fn kubectl(&self, arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> Output {
        let mut command = Command::new("kubectl");
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig.path())
            .args(["--namespace", &self.namespace])
            .args(arguments)
            .envs(environment.iter().copied());
        run(command, stdin)
    }
}

/// Runs `kubectl` as the cluster's administrator.
pub fn kubectl(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new("kubectl");
    command.args(arguments);
    run(command, stdin)
}

/// Runs `command` to its end with `stdin`.
pub fn run(mut command: Command, stdin: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
    let mut input = child.stdin.take().expect("stdin is a pipe");
    let text = stdin.to_owned();
    // Some commands never read it.
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("a child can be waited for");
    drop(writer.join());
    output
}

/// Asks for a token of `account`; `bound` names the pod that it is bound to.
///
/// Only kubelets may ask for a sidecar's token. A kubelet's own certificate can't do it without a node, so `admin`
/// borrows the group of all nodes for this one request; the token is a real one, and its claims the API server's.
pub async fn token(
    admin: &Config,
    namespace: &str,
    account: &str,
    bound: Option<(&str, &str)>,
) -> String {
    let mut config = admin.clone();
    config.auth_info.impersonate = Some("a-kubelet-of-the-tests".into());
    config.auth_info.impersonate_groups =
        Some(vec!["system:nodes".into(), "system:masters".into()]);
    let kubelet = Requests::new(Client::try_from(config).expect("a client"), namespace);
    let reference = bound
        .map(|(name, uid)| json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid}));
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [], "expirationSeconds": 3600, "boundObjectRef": reference},
    });
    let answer = kubelet
        .create(&format!("{}/{account}/token", path::ACCOUNTS), &request)
        .await;
    let made: Value = accepted("a token", answer);
    made["status"]["token"]
        .as_str()
        .expect("a TokenRequest is answered with a token")
        .to_owned()
}
