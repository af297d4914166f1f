//! What the agent's work lives in, and how a whole pod is replaced: on a claim with a volume of this node, and with a
//! private repository behind cred-proxy.

use crate::support::{
    Bottle, Namespace, PATIENCE, bottle_yaml, cluster_name, eventually, in_machine, run, state,
};

const APPROVE: &str = "s/decision: Pending/decision: Approved/";
/// As tests/cluster/git_server.py wants it.
const CREDENTIALS: &str = "rosa:real-token-4711";

/// A storage class without a provisioner, and one volume of it: a directory of the node.
struct Volume(String);

impl Volume {
    fn new(namespace: &Namespace) -> Self {
        let name = &namespace.name;
        let path = state().join("volumes").join(name);
        let path = path.display();
        in_machine(&format!("mkdir -p {path}")).good();
        let node = cluster_name();
        let yaml = format!(
            "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: {name}
  persistentVolumeReclaimPolicy: Retain
  local: {{path: {path}}}
  nodeAffinity:
    required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]}}]}}
"
        );
        run("kubectl", ["apply", "-f", "-"], &yaml).good();
        Self(name.clone())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let objects = format!("storageclass/{0} persistentvolume/{0}", self.0);
        let mut all = vec!["delete", "--wait=false"];
        all.extend(objects.split(' '));
        run("kubectl", all, "");
    }
}

/// A namespace with the repository's credentials and the outside world's authority.
fn namespace() -> Namespace {
    Namespace::with_secret("credentials", &format!("git={CREDENTIALS}"))
}

/// A Bottle whose workspace is this, with the repository's route.
fn with(workspace: &str, more: &str) -> String {
    bottle_yaml("demo", &["api.example.com"]).replace("  workspace: {acceptLoss: true}\n", "")
        + &format!(
            "  workspace: {workspace}
  secrets: {{GIT: {{secretName: credentials, key: git, hosts: [git.example.com]}}}}
  routes: [{{path: /git/, upstream: \"https://git.example.com\", auth: {{scheme: Basic, secret: GIT}}}}]
  egress: {{caBundle: outside}}
{more}"
        )
}

fn made<'a>(namespace: &'a Namespace, yaml: &str) -> Bottle<'a> {
    namespace.apply(yaml).good();
    Bottle {
        namespace,
        name: "demo".into(),
    }
}

fn uid(bottle: &Bottle<'_>) -> String {
    bottle
        .namespace
        .field(&format!("pod/{}", bottle.pod()), ".metadata.uid")
}

fn condition(bottle: &Bottle<'_>, kind: &str) -> String {
    let path = format!(".status.conditions[?(@.type==\"{kind}\")]");
    bottle.namespace.field(&bottle.object(), &path)
}

#[track_caller]
fn says(bottle: &Bottle<'_>, kind: &str, words: &[&str]) -> String {
    eventually(&format!("{kind} says {words:?}"), PATIENCE, || {
        let said = condition(bottle, kind);
        if words.iter().all(|word| said.contains(word)) {
            Ok(said)
        } else {
            Err(said)
        }
    })
}

/// Waits for another pod than `old`, and for its agent.
#[track_caller]
fn replaced(bottle: &Bottle<'_>, old: &str) {
    eventually("another pod is there", PATIENCE * 2, || {
        let now = uid(bottle);
        if now.is_empty() || now == old {
            Err(now)
        } else {
            Ok(())
        }
    });
    bottle.ready();
}

fn patch(bottle: &Bottle<'_>, object: &str, spec: &str) {
    let spec = format!("{{\"spec\":{spec}}}");
    bottle
        .namespace
        .kubectl(["patch", object, "--type=merge", "-p", &spec])
        .good();
}

#[test]
fn a_private_repository_is_cloned_once_and_all_work_outlives_rolls_and_a_pause() {
    let namespace = namespace();
    let volume = Volume::new(&namespace);
    let workspace = format!(
        "{{size: 64Mi, storageClassName: {}, git: {{url: \"http://cred-proxy:9099/git/private.git\", ref: v1, branch: agent/work}}}}",
        volume.0
    );
    let bottle = made(&namespace, &with(&workspace, "  rollout: Roll\n"));
    bottle.ready();
    says(&bottle, "WorkspaceKept", &["True", "demo-bottle"]);
    let git = |words: &str| bottle.shell(&format!("cd /bottle/workspace && {words}"));
    assert_eq!(
        git("git status --porcelain --branch && cat file").good(),
        "## agent/work\none\n"
    );
    // The agent's own, to the last directory, and nothing in it knows the credentials.
    assert_eq!(
        git("id -u; stat -c %u .git file").good(),
        "1000\n1000\n1000\n"
    );
    let found = bottle.shell("grep -rls real-token /bottle /proc/[0-9]*/environ; git -C /bottle/workspace remote get-url origin").all();
    assert_eq!(found, "http://cred-proxy:9099/git/private.git\n");
    git("git config user.name a && git config user.email a@example.com && echo three > file && git commit -qam three").good();
    git(&format!(
        "git push -q origin agent/work:refs/heads/{}",
        namespace.name
    ))
    .good();
    git("echo uncommitted > file && echo new > untracked && echo talk > /bottle/home/talk").good();
    let work = || {
        let said =
            git("git status --porcelain --branch; cat file untracked ~/talk; git log --format=%s")
                .good();
        assert_eq!(
            said,
            "## agent/work\n M file\n?? untracked\nuncommitted\nnew\ntalk\nthree\none\n"
        );
    };
    work();

    // An approval replaces the pod; the call went with it, and is answered when it is made again.
    let old = uid(&bottle);
    let mut call = bottle.ask_for("second.example.com");
    let asked = bottle.allowlist() + "second.example.com\n";
    let proposal = bottle.pending();
    assert!(call.waits());
    namespace.edit(&proposal, APPROVE).good();
    replaced(&bottle, &old);
    drop(call);
    bottle.phase_is(&proposal, "Enforced");
    bottle.reaches("second.example.com");
    let answer = bottle
        .call("pipelock-block", &asked, "second.example.com is needed")
        .answer();
    assert!(answer.contains("status: approved"), "{answer}");
    work();

    // Revoked while there is no pod: closed at the next start.
    patch(&bottle, "bottle/demo", r#"{"operatingMode":"Suspended"}"#);
    eventually("the pod is gone", PATIENCE * 2, || {
        let now = uid(&bottle);
        if now.is_empty() { Ok(()) } else { Err(now) }
    });
    assert_eq!(namespace.field("bottle/demo", ".status.phase"), "Suspended");
    patch(&bottle, &proposal, r#"{"decision":"Revoked"}"#);
    patch(&bottle, "bottle/demo", r#"{"operatingMode":"Running"}"#);
    bottle.ready();
    bottle.does_not_reach("second.example.com");
    work();

    // With the Bottle its claim goes, and nothing else takes it.
    namespace
        .kubectl(["get", "persistentvolumeclaim", "demo-bottle"])
        .good();
    namespace
        .kubectl(["delete", "bottle", "demo", "--wait=true"])
        .good();
    eventually("the claim is gone", PATIENCE * 2, || {
        let said = namespace
            .kubectl(["get", "persistentvolumeclaim", "demo-bottle"])
            .all();
        if said.contains("NotFound") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

#[test]
fn a_clone_that_fails_says_why_without_the_token_and_can_be_corrected() {
    let namespace = namespace();
    let git = |name: &str| format!("{{git: {{url: \"http://cred-proxy:9099/git/{name}.git\"}}}}");
    let bottle = made(&namespace, &with(&git("nowhere"), ""));
    let said = says(
        &bottle,
        "Ready",
        &["CloneFailed", "fatal: repository", "nowhere.git"],
    );
    assert!(!said.contains("real-token"), "{said}");
    // No agent has run, so that nothing is lost by another pod.
    namespace.apply(&with(&git("private"), "")).good();
    bottle.ready();
    let said = bottle
        .shell("cd /bottle/workspace && git status --porcelain --branch && cat file")
        .good();
    assert_eq!(said, "## main...origin/main\ntwo\n");
}

#[test]
fn a_pod_with_work_in_it_stays_until_the_bottle_accepts_the_loss() {
    let namespace = namespace();
    let yaml = with("{}", "");
    let bottle = made(&namespace, &yaml);
    bottle.ready();
    says(
        &bottle,
        "WorkspaceKept",
        &["False", "EndsWithPod", "spec.workspace.size"],
    );
    let old = uid(&bottle);
    bottle.shell("echo work > /bottle/workspace/file").good();
    patch(&bottle, "bottle/demo", r#"{"agent":{"env":{"A":"b"}}}"#);
    says(
        &bottle,
        "WorkspaceKept",
        &["ReplacementWaits", "spec.workspace.acceptLoss"],
    );
    assert_eq!(uid(&bottle), old);
    assert_eq!(bottle.shell("cat /bottle/workspace/file").good(), "work\n");
    // What needs no new pod goes on.
    let call = bottle.ask_for("second.example.com");
    let proposal = bottle.pending();
    namespace.edit(&proposal, APPROVE).good();
    assert!(call.answer().contains("status: approved"));
    patch(
        &bottle,
        "bottle/demo",
        r#"{"workspace":{"acceptLoss":true}}"#,
    );
    replaced(&bottle, &old);
    assert_eq!(bottle.shell("echo $A; ls /bottle/workspace").good(), "b\n");
}

#[test]
fn an_agent_that_ends_is_finished_or_failed_with_its_own_code_and_removed_in_time() {
    let namespace = Namespace::new();
    let ends = |name: &str, code: u8, more: &str| {
        let yaml = bottle_yaml(name, &["api.example.com"]).replace(
            "[sleep, infinity]",
            &format!("[sh, -c, \"exit {code}\"]\n    maxRestarts: 1"),
        ) + more;
        namespace.apply(&yaml).good();
        Bottle {
            namespace: &namespace,
            name: name.to_owned(),
        }
    };
    let (good, bad) = (ends("good", 0, ""), ends("bad", 7, ""));
    let timed = ends("timed", 0, "  ttlAfterFinished: 3s\n");
    says(&good, "AgentFinished", &["True", "Succeeded"]);
    says(&bad, "AgentFinished", &["True", "Failed", "exit code 7"]);
    assert_eq!(namespace.field(&bad.object(), ".status.phase"), "Failed");
    assert_eq!(namespace.field(&good.object(), ".status.phase"), "Finished");
    eventually("the Bottle is gone", PATIENCE, || {
        let said = namespace.kubectl(["get", &timed.object()]).all();
        if said.contains("NotFound") {
            Ok(())
        } else {
            Err(said)
        }
    });
    eventually("its pod is gone", PATIENCE * 2, || {
        let now = uid(&timed);
        if now.is_empty() { Ok(()) } else { Err(now) }
    });
    namespace.kubectl(["get", &good.object()]).good();
}
