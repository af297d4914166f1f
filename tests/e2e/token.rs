//! What the sidecar's own token can do, taken from a running pod: its own bottle's business, and nothing else.

use crate::support::{Bottle, Namespace, Said, in_machine, kubeconfig_with, run};

/// The token as the kubelet mounts it into `supervise`.
pub fn token(bottle: &Bottle<'_>) -> String {
    let uid = bottle
        .namespace
        .field(&format!("pod/{}", bottle.pod()), ".metadata.uid");
    in_machine(&format!(
        "cat $(find / -path '*pods/{uid}/volumes/kubernetes.io~projected/token/token' 2>/dev/null | head -1)"
    ))
    .good()
}

struct Sidecar<'a> {
    namespace: &'a Namespace,
    kubeconfig: std::path::PathBuf,
}

impl<'a> Sidecar<'a> {
    fn of(bottle: &Bottle<'a>) -> Self {
        Self {
            namespace: bottle.namespace,
            kubeconfig: kubeconfig_with(&token(bottle)),
        }
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Said {
        let mut all = vec![
            "--kubeconfig",
            self.kubeconfig.to_str().unwrap(),
            "-n",
            &self.namespace.name,
        ];
        all.extend(arguments);
        run("kubectl", all, input)
    }

    fn create(&self, bottle: &str, name: &str, more: &str) -> Said {
        let object = format!(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: Proposal\nmetadata: {{name: {name}}}\nspec: {{bottle: {bottle}, bottleUID: x, tool: pipelock-block, proposedFile: a.example.com, justification: j{more}}}\n"
        );
        self.kubectl(&["create", "--validate=false", "-f", "-"], &object)
    }
}

impl Sidecar<'_> {
    /// A merge patch. kubectl reads before it patches, and a sidecar may not read.
    fn patch(&self, path: &str, body: &str) -> Said {
        let file = self.kubeconfig.to_str().unwrap();
        let value = |path: &str| {
            run(
                "kubectl",
                [
                    "--kubeconfig",
                    file,
                    "config",
                    "view",
                    "--raw",
                    "-o",
                    &format!("jsonpath={{{path}}}"),
                ],
                "",
            )
            .good()
        };
        let authority = self.kubeconfig.with_extension("ca");
        run(
            "sh",
            [
                "-c",
                &format!(
                    "echo '{}' | base64 -d > {}",
                    value(".clusters[0].cluster.certificate-authority-data"),
                    authority.display()
                ),
            ],
            "",
        )
        .good();
        let url = format!(
            "{}/apis/bot-bottle.dev/v1alpha1/namespaces/{}/{path}",
            value(".clusters[0].cluster.server"),
            self.namespace.name
        );
        let bearer = format!(
            "Authorization: Bearer {}",
            value(".users[?(@.name==\"bearer\")].user.token")
        );
        let said = run(
            "curl",
            [
                "-sS",
                "--fail-with-body",
                "--cacert",
                authority.to_str().unwrap(),
                "-H",
                &bearer,
                "-H",
                "Content-Type: application/merge-patch+json",
                "-X",
                "PATCH",
                "-d",
                body,
                &url,
            ],
            "",
        );
        std::fs::remove_file(authority).unwrap();
        said
    }
}

impl Drop for Sidecar<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

#[test]
fn a_sidecars_token_serves_its_own_bottle_and_nothing_else() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let other = namespace.bottle("other", &["api.example.com"]);
    let _call = other.ask_for("files.example.com");
    let theirs = bottle.pending();
    namespace
        .apply("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n")
        .good();
    let sidecar = Sidecar::of(&bottle);
    sidecar.create("demo", "demo-0123456789ab", "").good();
    let answered = "{\"status\":{\"sidecar\":{\"answered\":1}}}";
    sidecar
        .patch("proposals/demo-0123456789ab/status", answered)
        .good();
    let refused = [
        (
            "another bottle's proposal",
            sidecar.create("other", "other-0123456789ab", ""),
            "own bottle only",
        ),
        (
            "a decided proposal",
            sidecar.create("demo", "demo-0123456789ac", ", decision: Approved"),
            "created undecided",
        ),
        (
            "listing",
            sidecar.kubectl(&["get", "proposals"], ""),
            "cannot list",
        ),
        (
            "reading",
            sidecar.kubectl(&["get", "proposal", "demo-0123456789ab"], ""),
            "cannot get",
        ),
        (
            "secrets",
            sidecar.kubectl(&["get", "secret", "s"], ""),
            "cannot get",
        ),
        (
            "config maps",
            sidecar.kubectl(&["get", "configmap", "demo-bottle"], ""),
            "cannot get",
        ),
        (
            "another's status",
            sidecar.patch(
                &(theirs.replace("proposal/", "proposals/") + "/status"),
                "{\"status\":{\"sidecar\":{\"asked\":9}}}",
            ),
            "own bottle only",
        ),
        (
            "its own phase",
            sidecar.patch(
                "proposals/demo-0123456789ab/status",
                "{\"status\":{\"phase\":\"Enforced\"}}",
            ),
            "status.sidecar only",
        ),
        (
            "the decision",
            sidecar.patch(
                "proposals/demo-0123456789ab",
                "{\"spec\":{\"decision\":\"Approved\"}}",
            ),
            "cannot patch",
        ),
        (
            "its Bottle's spec",
            sidecar.patch("bottles/demo", "{\"spec\":{\"allowlist\":[]}}"),
            "cannot patch",
        ),
    ];
    for (what, said, fragment) in refused {
        let text = said.bad();
        assert!(text.contains(fragment), "{what}: {text}");
    }
}

#[test]
fn a_bottle_made_again_under_the_same_name_inherits_no_grant() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    call.answer();
    bottle.reaches("files.example.com");
    namespace.kubectl(["delete", "bottle", "demo"]).good();
    bottle.phase_is(&proposal, "Orphaned");
    let again = namespace.bottle("demo", &["api.example.com"]);
    again.does_not_reach("files.example.com");
    again.reaches("api.example.com");
    assert_eq!(namespace.field(&proposal, ".status.phase"), "Orphaned");
}

#[test]
fn nobody_decides_in_anothers_name() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let _call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    let forged = "{\"spec\":{\"decision\":\"Approved\",\"decidedBy\":\"somebody else\"}}";
    let said = namespace
        .kubectl(["patch", &proposal, "--type=merge", "-p", forged])
        .bad();
    assert!(
        said.contains("decidedBy and decidedAt are filled in"),
        "{said}"
    );
    bottle.does_not_reach("files.example.com");
}
