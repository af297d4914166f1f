//! Dockerfiles that want out of their build.

use super::place::{approved, ask, becomes, bottle, container, log, message, registry, with};
use crate::support::{Bottle, Namespace, run, state};

/// Where a step would like to go: the name server first, the internet, the API server, the registry, a kubelet.
fn targets() -> Vec<String> {
    let registry = registry();
    let gateway = registry.split(':').next().unwrap();
    let node = std::fs::read_to_string(state().join("number")).unwrap();
    let node = format!("198.18.{}.2", node.trim());
    vec![
        format!("{gateway}:53"),
        "203.0.113.10:80".into(),
        "10.96.0.1:443".into(),
        format!("{node}:10250"),
        registry.clone(),
    ]
}

#[test]
fn a_hostile_step_gets_nowhere_whatever_uid_it_takes() {
    let namespace = Namespace::new();
    gets_nowhere(&bottle(&namespace));
}

/// Whoever builds.
pub fn gets_nowhere(bottle: &Bottle<'_>) {
    let namespace = bottle.namespace;
    let step = format!("RUN attempts {} && exit 9", targets().join(" "));
    let proposal = approved(bottle, &with(&step));
    becomes(bottle, &proposal, "Failed");
    let log = log(bottle, &proposal);
    // BuildKit has the step's number and the time before each line.
    let lines = |word: &str| {
        log.lines()
            .filter(|line| said(line).starts_with(word))
            .count()
    };
    assert_eq!(lines("open "), 0, "{log}");
    // Six uids by five targets, the marks, and the rest: all of it ran.
    assert!(lines("shut ") >= 45, "{log}");
    // It can take any uid: that is what does not help.
    assert!(!log.contains("is-not-to-be-had"), "{log}");
    // And its pod holds nothing that it could have found.
    let pod = namespace.field(&proposal, ".status.build.pod");
    let spec = namespace.kubectl(["get", "pod", &pod, "-o", "json"]).good();
    let pod: serde_json::Value = serde_json::from_str(&spec).unwrap();
    assert!(!spec.contains("serviceAccountToken"), "{spec}");
    let init = pod["spec"]["initContainers"].as_array().unwrap();
    let build = init.iter().find(|one| one["name"] == "build").unwrap();
    assert_eq!(build["securityContext"]["allowPrivilegeEscalation"], false);
    assert!(!build.to_string().contains("NET_"), "{build}");
    // Nobody but the operator makes or changes such a pod.
    let forged = spec.replace(
        pod["metadata"]["name"].as_str().unwrap(),
        "build-0123456789abcdef-bottle",
    );
    let edit = ["--as=eve", "--as-group=system:masters", "create", "-f", "-"];
    let said = run(
        "kubectl",
        [&["-n", namespace.name.as_str()][..], &edit].concat(),
        &forged,
    )
    .bad();
    assert!(
        said.contains("only the operator writes the objects of a bottle"),
        "{said}"
    );
    // What it tried is open from a pod without our wall.
    let control = [
        "run",
        "control",
        "--image=bot-bottle/hostile:dev",
        "--image-pull-policy=Never",
        "--restart=Never",
        "--command",
        "--",
        "attempts",
    ];
    let control: Vec<String> = control
        .iter()
        .map(|one| (*one).to_owned())
        .chain(targets())
        .collect();
    namespace.kubectl(control).good();
    namespace
        .kubectl([
            "wait",
            "--for=jsonpath={.status.phase}=Succeeded",
            "pod/control",
            "--timeout=60s",
        ])
        .good();
    let open = namespace.kubectl(["logs", "control"]).good();
    for target in targets() {
        assert!(open.contains(&format!("open uid-1000 {target}")), "{open}");
    }
}

/// A line of a step without what the builder puts before it.
fn said(line: &str) -> &str {
    match line.strip_prefix('#').map(|rest| rest.splitn(3, ' ')) {
        Some(mut words) => words.nth(2).unwrap_or_default(),
        None => line,
    }
}

#[test]
fn what_could_only_fail_is_refused_with_a_reason() {
    let namespace = Namespace::new();
    could_only_fail(&bottle(&namespace));
}

/// Whoever builds.
pub fn could_only_fail(bottle: &Bottle<'_>) {
    let before = container(bottle);
    let garbage = "garbage in a line of its own\n".repeat(2500);
    for (file, word) in [
        (
            "FROM evil.example.net/image\n".to_owned(),
            "may not be used",
        ),
        (garbage[..60_000].to_owned(), "there is no FROM"),
        (with("COPY . /"), "COPY takes a file"),
        (with("ADD http://10.96.0.1/ /x"), "Forbidden"),
        (with("ADD http://closed.example.com/ /x"), "Forbidden"),
    ] {
        let proposal = approved(bottle, &file);
        becomes(bottle, &proposal, "Failed");
        let said = message(bottle, &proposal);
        assert!(
            said.contains(word) || said.contains("403"),
            "{word}: {said}"
        );
    }
    assert_eq!(container(bottle), before);
    drop(ask(bottle, "FROM x\n"));
}

#[test]
#[ignore = "fills a gigabyte, makes thousands of processes and takes a minute"]
fn a_build_that_takes_too_much_is_ended_with_a_reason() {
    let namespace = Namespace::new();
    takes_too_much(&bottle(&namespace));
}

/// Whoever builds.
pub fn takes_too_much(bottle: &Bottle<'_>) {
    let namespace = bottle.namespace;
    let before = container(bottle);
    for (step, reasons) in [
        (
            "RUN busybox dd if=/dev/zero of=/big bs=1M count=3000 && busybox sleep 60",
            &["BuildEvicted", "BuildFailed"][..],
        ),
        (
            "RUN busybox tail /dev/zero",
            &["BuildOutOfMemory", "BuildFailed"],
        ),
        // More processes than the kubelet's podPidsLimit; each of them would stay.
        (
            "RUN i=0; while [ $i -lt 9000 ]; do busybox sleep 900 & i=$((i+1)); done; echo all of them run; exit 9",
            &["BuildFailed", "BuildOutOfMemory"],
        ),
    ] {
        let proposal = approved(bottle, &with(step));
        becomes(bottle, &proposal, "Failed");
        let reason = namespace.field(&proposal, ".status.reason");
        assert!(
            reasons.contains(&reason.as_str()),
            "{reason}: {}",
            message(bottle, &proposal)
        );
        let printed = log(bottle, &proposal);
        assert!(
            !printed.lines().any(|line| said(line) == "all of them run"),
            "{printed}"
        );
    }
    // Nobody else noticed.
    assert_eq!(container(bottle), before);
    bottle.shell("echo here").good();
}
