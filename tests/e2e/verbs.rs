//! The verbs of `bottle` on a cluster, and with them the scenarios that every place shares.

use crate::scenarios::{
    self, FIRST, Later, OPEN, PATIENCE, Place, attempts, manifest, same, within,
};
use crate::support::{Namespace, Said, number, run};
use std::process::{Command, Output, Stdio};

/// A namespace with the bottle `blue`, reached by `bottle` alone.
pub struct Cluster {
    namespace: Namespace,
}

impl Cluster {
    fn with(more: &str) -> Self {
        Self::from(&manifest(more))
    }

    fn from(text: &str) -> Self {
        let cluster = Self {
            namespace: Namespace::new(),
        };
        cluster.apply(text);
        let ready = within(PATIENCE, || {
            let said = cluster.try_verb(&["exec", "blue", "--", "cat", "/proc/1/comm"]);
            let there = cluster.try_verb(&["get", "blue"]);
            let there = String::from_utf8_lossy(&there.stdout).contains("Running");
            (said.status.success() && there && cluster.hand_is_there()).then_some(())
        });
        assert!(ready.is_some(), "{}", cluster.verb(&["describe", "blue"]));
        cluster
    }

    fn hand_is_there(&self) -> bool {
        let said = self.try_verb(&["exec", "blue", "--", "sh", "-c", "cat /proc/[0-9]*/comm"]);
        String::from_utf8_lossy(&said.stdout)
            .lines()
            .any(|name| name == "bash")
    }

    fn apply(&self, text: &str) -> String {
        let file = std::env::temp_dir().join(format!("{}.yaml", self.namespace.name));
        std::fs::write(&file, text).unwrap();
        let said = self.verb(&["apply", "-f", file.to_str().unwrap()]);
        std::fs::remove_file(file).unwrap();
        said
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bottle"));
        // Before the words of a program, which come last.
        command.args(["-n", &self.namespace.name]).args(words);
        command.stdin(Stdio::null());
        command
    }

    fn try_verb(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }
}

impl Place for Cluster {
    fn new() -> Self {
        Self::with("")
    }

    fn verb(&self, words: &[&str]) -> String {
        let output = self.try_verb(words);
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{words:?}: {said:?}");
        said[0].clone().into_owned()
    }

    /// By the agent's own hand: what is run by exec stands outside of the agent's filter.
    fn begin(&self, script: &str) -> Later {
        let name = format!("/bottle/workspace/{}", number());
        let put =
            format!("cat > {name}.draft <<'SCRIPT'\n{script}\nSCRIPT\nmv {name}.draft {name}.job");
        self.verb(&["exec", "blue", "--", "bash", "-c", &put]);
        let get = format!("until [ -e {name}.out ]; do sleep 0.02; done; cat {name}.out");
        let mut command = self.command(&["exec", "blue", "--", "bash", "-c", &get]);
        Box::new(move || String::from_utf8(command.output().unwrap().stdout).unwrap())
    }
}

#[test]
fn what_a_person_decides_is_in_force_when_the_agent_has_its_answer() {
    scenarios::what_a_person_decides_is_in_force_when_the_agent_has_its_answer::<Cluster>();
}

#[test]
fn a_revoked_grant_and_one_whose_time_is_over_are_closed() {
    scenarios::a_revoked_grant_and_one_whose_time_is_over_are_closed::<Cluster>();
}

#[test]
fn the_same_question_asked_again_has_the_same_answer_at_once() {
    scenarios::the_same_question_asked_again_has_the_same_answer_at_once::<Cluster>();
}

#[test]
fn a_route_is_there_as_long_as_its_grant() {
    scenarios::a_route_is_there_as_long_as_its_grant::<Cluster>();
}

#[test]
fn a_dockerfile_that_can_not_be_built_is_answered_with_the_reason() {
    let (file, word) = (
        "FROM elsewhere.example.net/image\nRUN get jq\n",
        "elsewhere.example.net/image, which may not be used",
    );
    scenarios::a_dockerfile_that_can_not_be_built_is_answered_with_the_reason::<Cluster>(
        file, word,
    );
}

#[test]
fn no_way_out_is_open() {
    let cluster = Cluster::new();
    let out = attempts::got_out(&cluster, &attempts::everywhere());
    assert!(out.is_empty(), "these got out: {out:?}");
}

#[test]
fn config_settings_and_answers_are_those_of_every_place() {
    let cluster = Cluster::from(&same::file());
    let text = cluster.namespace.field("configmap/blue-bottle", ".data");
    let data: serde_json::Value = serde_json::from_str(&text).unwrap();
    same::compare(&cluster, data.as_object().unwrap());
    assert!(
        cluster
            .apply(&same::file())
            .contains("configmap/fly unchanged")
    );
    let table = cluster.verb(&["get", "bottleclasses"]);
    assert!(table.contains(same::CLASS), "{table}");
    let names = cluster.verb(&["get", "cm", "-o", "name"]);
    assert!(names.contains("configmap/company\n"), "{names}");
    for words in [["bottleclass", same::CLASS], ["configmap", "fly"]] {
        assert!(
            cluster
                .verb(&["describe", words[0], words[1]])
                .contains(words[1])
        );
        cluster.verb(&["delete", words[0], words[1]]);
        let missing = cluster.try_verb(&["get", words[0], words[1]]);
        assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    }
}

#[test]
fn doctor_says_what_a_person_may_do() {
    let cluster = Cluster {
        namespace: Namespace::new(),
    };
    let said = |kubeconfig: Option<&std::path::Path>| {
        let mut command = cluster.command(&["doctor"]);
        command.envs(kubeconfig.map(|path| ("KUBECONFIG", path)));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains(" cluster "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let admin = said(None);
    assert!(
        admin.starts_with("ok") && admin.ends_with("you may decide; you may make bottles"),
        "{admin}"
    );
    // As somebody who may look.
    let namespace = &cluster.namespace.name;
    for words in [
        &[
            "create",
            "role",
            "look",
            "--verb=list",
            "--resource=proposals.bot-bottle.dev",
        ][..],
        &[
            "create",
            "rolebinding",
            "look",
            "--role=look",
            "--user=vera",
        ],
    ] {
        cluster.namespace.kubectl(words.iter().copied()).good();
    }
    let text = std::fs::read_to_string(std::env::var_os("KUBECONFIG").unwrap()).unwrap();
    let mut config: serde_json::Value = bot_bottle::yaml::from_str(&text).unwrap();
    config["users"][0]["user"]["as"] = "vera".into();
    let file = std::env::temp_dir().join(format!("{namespace}.kubeconfig"));
    std::fs::write(&file, config.to_string()).unwrap();
    let vera = said(Some(&file));
    std::fs::remove_file(file).unwrap();
    let expected = [
        format!("proposals of namespace {namespace} can be read"),
        "you may not decide (patch proposals".to_owned(),
        "you may not make bottles (create bottles".to_owned(),
    ];
    for part in expected {
        assert!(vera.starts_with("ok") && vera.contains(&part), "{vera}");
    }
}

#[test]
fn each_verb_does_on_a_cluster_what_it_says() {
    let cluster = Cluster::new();
    assert!(cluster.apply(&manifest("")).contains("blue unchanged"));
    assert!(cluster.verb(&["get"]).contains("blue"));
    assert_eq!(
        cluster.verb(&["get", "-o", "name"]),
        "bottle.bot-bottle.dev/blue\n"
    );
    let call = cluster.ask("pipelock-block", &format!("{OPEN}\n{FIRST}\n"), "verbs");
    let name = cluster.proposal("verbs", "Pending");
    // Its last part is enough, as with a commit.
    let short = &name.rsplit('-').next().unwrap()[..6];
    assert!(
        cluster
            .verb(&["diff", short])
            .contains(&format!("+{FIRST}"))
    );
    assert!(
        cluster
            .verb(&["approve", short, "-m", "yes"])
            .contains(&name)
    );
    assert!(call().starts_with("status: approved"));
    let all = cluster.verb(&["describe", "blue"]);
    for part in [name.as_str(), "Enforced", "Ready"] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let again = cluster.try_verb(&["reject", &name]);
    assert_eq!(again.status.code(), Some(4), "{again:?}");
    assert!(
        cluster
            .verb(&["logs", "blue", "-c", "egress"])
            .contains('{')
    );
    let exit = cluster.try_verb(&["exec", "blue", "--", "sh", "-c", "exit 9"]);
    assert_eq!(exit.status.code(), Some(9));
    let attach = cluster.try_verb(&["attach", "blue"]);
    assert!(String::from_utf8_lossy(&attach.stderr).contains("spec.agent.tty"));
    assert!(cluster.verb(&["resume", "blue"]).contains("blue runs"));
    cluster.verb(&["revoke", &name]);
    cluster.closes(FIRST);
    let missing = cluster.try_verb(&["get", "green"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    cluster.verb(&["delete", "blue"]);
    let gone = within(PATIENCE, || {
        let said: Said = run(
            "kubectl",
            ["-n", &cluster.namespace.name, "get", "pods", "-o", "name"],
            "",
        );
        said.out.is_empty().then_some(())
    });
    assert!(gone.is_some());
    // What was allowed, and taken back, stays on record.
    cluster.proposal("verbs", "Revoked");
}
