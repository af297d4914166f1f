//! Our CRDs and the chart's policies, put into the cluster once.

use super::{
    cluster::{OPERATOR, OPERATOR_NAMESPACE},
    person::{kubectl, run},
};
use std::{
    process::{Command, Output},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// How long a policy may take until the API server heeds it.
const ACTIVE: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "bot-bottle-probe";

/// Installs everything but the operator itself, the first time that a test of this run asks for it.
pub fn installed() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        install();
        wait_for_policies();
    });
}

/// Who fills in the author of a decision: `policy`, or `webhook` in a cluster without MutatingAdmissionPolicy.
#[expect(
    clippy::disallowed_methods,
    reason = "tests/run says which cluster this is"
)]
pub fn decisions() -> String {
    std::env::var("BOT_BOTTLE_DECISIONS").unwrap_or_else(|_| "policy".to_owned())
}

fn install() {
    kubectl(&["create", "namespace", OPERATOR_NAMESPACE], "");
    let mut helm = Command::new("helm");
    helm.args(["template", OPERATOR])
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/charts/bottle-operator"
        ))
        .args(["--namespace", OPERATOR_NAMESPACE, "--include-crds"])
        .args(["--kube-version", "1.34.4", "--set"])
        .arg(format!("replicas=0,admission.decisions={}", decisions()));
    let rendered = succeeded("helm template", &run(helm, ""));
    let apply = || {
        kubectl(
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            &rendered,
        )
    };
    // An object of a kind that the same manifest defines is refused until that kind is served.
    if !apply().status.success() {
        succeeded(
            "kubectl wait",
            &kubectl(
                &[
                    "wait",
                    "--for=condition=Established",
                    "crd",
                    "--all",
                    "--timeout=30s",
                ],
                "",
            ),
        );
        succeeded("kubectl apply", &apply());
    }
}

/// A policy is heeded some time after it is stored, each by itself: so one known answer of each is waited for.
///
/// Where the cluster had other versions of them before, an answer can still come from those: hence the pause, longer
/// than the second in which the API server reads its policies anew.
fn wait_for_policies() {
    std::thread::sleep(Duration::from_secs(2));
    let sidecar = format!("--as=system:serviceaccount:{NAMESPACE}:bottle-supervise");
    kubectl(&["create", "namespace", NAMESPACE], "");
    kubectl(
        &[
            "-n",
            NAMESPACE,
            "create",
            "serviceaccount",
            "bottle-supervise",
        ],
        "",
    );
    succeeded(
        "the probe",
        &kubectl(
            &["-n", NAMESPACE, "apply", "--server-side", "-f", "-"],
            PROBE,
        ),
    );
    let approve = r#"{"spec":{"decision":"Approved"}}"#;
    let name = r#"{"spec":{"decidedBy":"somebody"}}"#;
    let status = r#"{"status":{"phase":"Enforced"}}"#;
    let patch = [
        "patch",
        "proposal",
        "probe",
        "--type=merge",
        "--dry-run=server",
        "-o=yaml",
        "-p",
    ];
    // The webhook is served by the operator, and that comes later.
    let decided = if decisions() == "policy" {
        "decidedBy: "
    } else {
        "failed calling webhook"
    };
    expect(decided, &[&patch[..], &[approve]].concat(), "");
    expect("never by hand", &[&patch[..], &[name]].concat(), "");
    expect(
        "write status",
        &[&patch[..], &[status, "--subresource=status"]].concat(),
        "",
    );
    expect(
        "for its own bottle only",
        &[
            "create",
            "--dry-run=server",
            "-f",
            "-",
            &*sidecar,
            "--as-group=system:masters",
        ],
        &PROBE.replace("name: probe", "name: other"),
    );
    expect(
        "only the operator",
        &["create", "--dry-run=server", "-f", "-"],
        LABELLED,
    );
    expect(
        "only a kubelet",
        &["create", "token", "bottle-supervise"],
        "",
    );
    succeeded(
        "the probe's end",
        &kubectl(&["delete", "namespace", NAMESPACE], ""),
    );
}

fn expect(fragment: &str, arguments: &[&str], stdin: &str) {
    let arguments = [&["-n", NAMESPACE], arguments].concat();
    let since = Instant::now();
    loop {
        let output = kubectl(&arguments, stdin);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if text.contains(fragment) {
            return;
        }
        assert!(
            since.elapsed() < ACTIVE,
            "{arguments:?} never said `{fragment}`: {text}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn succeeded(what: &str, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const PROBE: &str = "
apiVersion: bot-bottle.dev/v1alpha1
kind: Proposal
metadata: {name: probe}
spec: {bottle: probe, bottleUID: u, tool: pipelock-block, justification: probe, proposedFile: probe}
";

const LABELLED: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: probe, labels: {bot-bottle.dev/bottle: probe}}
";
