//! A Bottle with a Dockerfile and no image: built before its agent starts, and again when it is edited.

use super::place::{BUILT, agent_runs, image, with};
use super::road::{GREET, greets};
use crate::support::{Bottle, Namespace, PATIENCE, eventually};

fn yaml(name: &str, file: &str) -> String {
    let spec = serde_json::json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": name},
        "spec": {
            "agent": {"kind": "custom", "command": ["/bin/busybox", "sleep", "infinity"]},
            "allowlist": ["files.example.com"],
            "dockerfile": file,
        },
    });
    spec.to_string()
}

fn made<'a>(namespace: &'a Namespace, name: &str, file: &str) -> Bottle<'a> {
    namespace.apply(&yaml(name, file)).good();
    Bottle {
        namespace,
        name: name.into(),
    }
}

fn condition(bottle: &Bottle<'_>, kind: &str) -> String {
    let path = format!(".status.conditions[?(@.type==\"{kind}\")]");
    bottle.namespace.field(&bottle.object(), &path)
}

#[track_caller]
fn says(bottle: &Bottle<'_>, kind: &str, words: &[&str]) {
    eventually(&format!("{kind} says {words:?}"), BUILT, || {
        let now = condition(bottle, kind);
        if words.iter().all(|word| now.contains(word)) {
            Ok(())
        } else {
            Err(now)
        }
    });
}

fn build_pods(namespace: &Namespace) -> String {
    let words = [
        "get",
        "pods",
        "-l",
        "bot-bottle.dev/role=build",
        "-o",
        "name",
    ];
    namespace.kubectl(words).good()
}

#[test]
fn an_agent_starts_in_the_image_of_its_own_dockerfile_and_goes_on_in_an_edited_one() {
    let namespace = Namespace::new();
    let file = with(GREET);
    let bottle = made(&namespace, "demo", &file);
    eventually("the phase is Building", PATIENCE, || {
        let now = namespace.field("bottle/demo", ".status.phase");
        if now == "Building" { Ok(()) } else { Err(now) }
    });
    let said = namespace.kubectl(["get", "pod", "demo-bottle"]).all();
    assert!(said.contains("NotFound"), "{said}");
    says(
        &bottle,
        "ImageBuilt",
        &["True", "spec.dockerfile", "@sha256:"],
    );
    agent_runs(&bottle);
    assert!(greets(&bottle));
    let first = image(&bottle);
    let shown = bottle
        .shell("busybox cat /etc/claude-bottle/current-config/Dockerfile")
        .good();
    assert_eq!(shown, file);

    // Another Bottle with the same file: nothing more is built.
    let pods = build_pods(&namespace);
    let other = made(&namespace, "other", &file);
    agent_runs(&other);
    assert_eq!(image(&other), first);
    assert_eq!(build_pods(&namespace), pods);

    // Edited: in the same pod, with what is in it.
    bottle.shell("echo work > /bottle/workspace/file").good();
    let uid =
        |bottle: &Bottle<'_>| namespace.field("pod/demo-bottle", ".metadata.uid") + &bottle.name;
    let pod = uid(&bottle);
    let edited = file.replace(
        "USER 1000:1000",
        "RUN busybox touch /edited\nUSER 1000:1000",
    );
    namespace.apply(&yaml("demo", &edited)).good();
    eventually("the agent runs in the edited image", BUILT, || {
        let said = bottle.shell("busybox ls /edited");
        if said.ok { Ok(()) } else { Err(said.all()) }
    });
    assert_eq!(uid(&bottle), pod);
    assert_eq!(
        bottle.shell("busybox cat /bottle/workspace/file").good(),
        "work\n"
    );
    says(&bottle, "ImageBuilt", &["True", "Built"]);

    // An edit that can't be built leaves the agent where it is.
    let before = image(&bottle);
    let broken = with("RUN echo the package is not there; exit 7");
    namespace.apply(&yaml("demo", &broken)).good();
    says(
        &bottle,
        "ImageBuilt",
        &[
            "False",
            "BuildFailed",
            "the package is not there",
            "works on",
        ],
    );
    assert_eq!(image(&bottle), before);
    bottle.shell("busybox ls /edited").good();
}

#[test]
fn a_declared_dockerfile_that_fails_starts_no_agent_until_it_is_corrected() {
    let namespace = Namespace::new();
    let bottle = made(
        &namespace,
        "demo",
        &with("RUN echo the package is not there; exit 7"),
    );
    says(
        &bottle,
        "Ready",
        &[
            "False",
            "BuildFailed",
            "no agent starts",
            "the package is not there",
        ],
    );
    let said = namespace.kubectl(["get", "pod", "demo-bottle"]).all();
    assert!(said.contains("NotFound"), "{said}");
    namespace
        .apply(&yaml("demo", &with("RUN busybox touch /corrected")))
        .good();
    agent_runs_after_a_build(&bottle);
    bottle.shell("busybox ls /corrected").good();
}

#[track_caller]
fn agent_runs_after_a_build(bottle: &Bottle<'_>) {
    says(bottle, "ImageBuilt", &["True"]);
    agent_runs(bottle);
}
