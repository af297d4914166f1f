//! What the agent's work lives in, and how a whole pod is replaced: on a claim with a volume of this node, and with a
//! private repository behind cred-proxy.

use crate::support::{
    Bottle, Namespace, PATIENCE, bottle_yaml, cluster_name, eventually, in_machine, run, state,
};

const APPROVE: &str = "s/decision: Pending/decision: Approved/";
/// As tests/cluster/git_server.py wants it.
const CREDENTIALS: &str = "rosa:real-token-4711";

/// One volume, a directory of the node, of a storage class of its own without a provisioner, or of none.
struct Volume(String);

impl Volume {
    fn new(namespace: &Namespace) -> Self {
        let name = &namespace.name;
        let yaml = format!(
            "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"
        );
        run("kubectl", ["apply", "-f", "-"], &yaml).good();
        Self::made(name, &format!("storageClassName: {name}"))
    }

    /// One of no class, for the claim of that name alone.
    fn without_class(namespace: &Namespace, name: &str, claim: &str) -> Self {
        let namespace = &namespace.name;
        Self::made(
            name,
            &format!("claimRef: {{namespace: {namespace}, name: {claim}}}"),
        )
    }

    fn made(name: &str, more: &str) -> Self {
        let path = state().join("volumes").join(name);
        let path = path.display();
        in_machine(&format!("mkdir -p {path}")).good();
        let node = cluster_name();
        let yaml = format!(
            "apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  {more}
  persistentVolumeReclaimPolicy: Retain
  local: {{path: {path}}}
  nodeAffinity:
    required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]}}]}}
"
        );
        run("kubectl", ["apply", "-f", "-"], &yaml).good();
        Self(name.to_owned())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let objects = format!("storageclass/{0} persistentvolume/{0}", self.0);
        let mut all = vec!["delete", "--wait=false", "--ignore-not-found"];
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

/// A bottle that asks for a claim and names no class; its claim.
fn classless<'a>(namespace: &'a Namespace, name: &str) -> (Bottle<'a>, String) {
    let yaml = bottle_yaml(name, &["api.example.com"])
        .replace("workspace: {acceptLoss: true}", "workspace: {size: 64Mi}");
    namespace.apply(&yaml).good();
    let bottle = Bottle {
        namespace,
        name: name.to_owned(),
    };
    (bottle, format!("persistentvolumeclaim/{name}-bottle"))
}

fn volumes(bottle: &Bottle<'_>) -> String {
    let pod = format!("pod/{}", bottle.pod());
    bottle.namespace.field(&pod, ".spec.volumes[*].name")
}

/// The one test with claims that name no class: it makes a class the default for as long as it needs it.
#[test]
fn without_a_storage_class_the_agent_works_in_its_pod_until_one_serves_the_next() {
    let namespace = Namespace::new();
    let (bottle, claim) = classless(&namespace, "demo");
    bottle.ready();
    says(
        &bottle,
        "WorkspaceKept",
        &["False", "NoStorageClass", "demo-bottle"],
    );
    let old = uid(&bottle);
    bottle.shell("echo work > /bottle/workspace/file").good();
    patch(&bottle, "bottle/demo", r#"{"agent":{"env":{"A":"b"}}}"#);
    says(
        &bottle,
        "WorkspaceKept",
        &["ReplacementWaits", "spec.workspace.acceptLoss"],
    );

    let volume = Volume::new(&namespace);
    let default = "storageclass.kubernetes.io/is-default-class";
    let class = format!("storageclass/{}", volume.0);
    namespace
        .kubectl(["annotate", &class, &format!("{default}=true")])
        .good();
    eventually("the claim has the class", PATIENCE * 2, || {
        let now = namespace.field(&claim, ".spec.storageClassName");
        if now == volume.0 { Ok(()) } else { Err(now) }
    });
    namespace
        .kubectl(["annotate", &class, &format!("{default}-")])
        .good();
    says(
        &bottle,
        "WorkspaceKept",
        &["ReplacementWaits", "can live on a claim now"],
    );
    assert_eq!(uid(&bottle), old);
    assert_eq!(bottle.shell("cat /bottle/workspace/file").good(), "work\n");
    let pod = format!("pod/{}", bottle.pod());
    namespace.kubectl(["delete", &pod]).good();
    replaced(&bottle, &old);
    says(&bottle, "WorkspaceKept", &["True", "demo-bottle"]);
    assert_eq!(bottle.shell("ls /bottle/workspace").good(), "");

    // A volume without a class, kept for this claim, is used by the first pod.
    let name = format!("{}-by-hand", namespace.name);
    let volume = Volume::without_class(&namespace, &name, "other-bottle");
    let (other, claim) = classless(&namespace, "other");
    other.ready();
    assert_eq!(namespace.field(&claim, ".spec.volumeName"), volume.0);
    assert!(volumes(&other).contains("kept"), "{}", volumes(&other));
    says(&other, "WorkspaceKept", &["True", "Claim"]);
}

#[test]
fn a_storage_class_that_is_not_there_is_named() {
    let namespace = Namespace::new();
    let nowhere = format!(
        "{{size: 64Mi, storageClassName: {}-nowhere}}",
        namespace.name
    );
    let bottle = made(&namespace, &with(&nowhere, ""));
    says(
        &bottle,
        "Ready",
        &["Unschedulable", &format!("{}-nowhere", namespace.name)],
    );
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
