//! The operator killed at every step of a build: nothing is lost, nothing happens twice.

use super::place::{agent_runs, becomes, bottle, decide, installed_builds, with};
use crate::kill::{Operator, Stopped, operators_kubeconfig};
use crate::support::{Namespace, PATIENCE, eventually};

#[test]
#[ignore = "takes two minutes"]
fn an_operator_killed_at_every_step_of_a_build_builds_once_and_replaces_once() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let builds = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(builds.path(), installed_builds()).unwrap();
    let flag = format!("--builds={}", builds.path().display());
    let _stopped = Stopped::new();
    let kubeconfig = operators_kubeconfig();
    let start = |point: &str| Operator::start_with(&kubeconfig, point, &[&flag]);
    let mut lines = String::new();
    for (number, point) in (1..).zip([
        "before-create-helper",
        "after-create-helper",
        "before-patch-image",
        "after-patch-image",
        "before-delete-helper",
        "after-apply-config-map",
    ]) {
        let asking = start("");
        lines = format!("{lines}RUN busybox touch /step-{number}\n");
        let file = with(lines.trim_end());
        let call = super::place::ask(&bottle, &file);
        let proposal = bottle.pending();
        drop(asking);
        let killed = start(&format!("{point}=return"));
        decide(&bottle, &proposal, r#"{"decision":"Approved"}"#);
        killed.dies_within(point, super::place::BUILT);
        let again = start("");
        becomes(&bottle, &proposal, "Enforced");
        drop(call);
        agent_runs(&bottle);
        bottle.shell(&format!("busybox ls /step-{number}")).good();
        let sequence = namespace.field(&proposal, ".status.appliedSequence");
        assert_eq!(sequence, number.to_string(), "{point}");
        eventually("nothing is left of the trial", PATIENCE, || {
            let pods = namespace
                .kubectl([
                    "get",
                    "pods",
                    "-l",
                    "bot-bottle.dev/role=probe",
                    "-o",
                    "name",
                ])
                .out;
            if pods.is_empty() { Ok(()) } else { Err(pods) }
        });
        drop(again);
    }
    std::fs::remove_file(kubeconfig).unwrap();
}
