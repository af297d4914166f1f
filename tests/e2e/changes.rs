//! A Bottle that its owner edits: what changes in place, and what does not change at all.

use crate::support::{Namespace, PATIENCE, bottle_yaml, eventually};

const APPROVE: &str = "s/decision: Pending/decision: Approved/";

#[test]
fn applying_the_same_bottle_again_changes_nothing_and_a_declared_host_can_be_taken_away() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com", "second.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace.edit(&proposal, APPROVE).good();
    call.answer();
    let said = namespace
        .apply(&bottle_yaml(
            "demo",
            &["api.example.com", "second.example.com"],
        ))
        .good();
    assert!(said.contains("unchanged"), "{said}");
    bottle.reaches("files.example.com");
    namespace
        .apply(&bottle_yaml("demo", &["api.example.com"]))
        .good();
    bottle.closes("second.example.com");
    bottle.reaches("files.example.com");
}

#[test]
fn image_and_command_change_as_the_design_says() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let uid = namespace.field("pod/demo-bottle", ".metadata.uid");
    let yaml = bottle_yaml("demo", &["api.example.com"]);
    namespace
        .apply(&yaml.replace("command: [sleep, infinity]", "command: [sleep, \"100000\"]"))
        .good();
    eventually("the pod is replaced", PATIENCE, || {
        let now = namespace.field("pod/demo-bottle", ".metadata.uid");
        if !now.is_empty() && now != uid {
            Ok(())
        } else {
            Err(now)
        }
    });
    bottle.ready();
    assert!(
        bottle
            .shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
            .all()
            .contains("sleep 100000")
    );
}

#[test]
fn an_image_and_resources_change_in_place_while_the_sidecars_stay() {
    let namespace = Namespace::new();
    // A command that both images have.
    let yaml = bottle_yaml("demo", &["api.example.com"]).replace(
        "[sleep, infinity]",
        "[sh, -c, \"busybox sleep 100000 || sleep 100000\"]",
    );
    namespace.apply(&yaml).good();
    let bottle = crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    };
    bottle.ready();
    let uid = namespace.field("pod/demo-bottle", ".metadata.uid");
    bottle
        .shell("echo kept > /bottle/home/note; echo kept > /bottle/workspace/note")
        .good();
    let changed = yaml.replace("agent-example:dev", "tiny:dev").replace(
        "kind: claude",
        "kind: claude\n    resources: {requests: {cpu: 20m}, limits: {memory: 256Mi}}",
    );
    namespace.apply(&changed).good();
    eventually("the agent runs in the new image", PATIENCE, || {
        let said = bottle.shell(
            "busybox cat /bottle/home/note /bottle/workspace/note; busybox test ! -e /usr/bin/python3 && echo tiny",
        );
        if said.out == "kept\nkept\ntiny\n" {
            Ok(())
        } else {
            Err(said.all())
        }
    });
    eventually("the bottle is Ready again", PATIENCE, || {
        let ready = namespace.field(
            "bottle/demo",
            ".status.conditions[?(@.type==\"Ready\")].status",
        );
        if ready == "True" { Ok(()) } else { Err(ready) }
    });
    assert_eq!(namespace.field("pod/demo-bottle", ".metadata.uid"), uid);
    let statuses = ".status.containerStatuses[?(@.name==\"supervise\")].restartCount";
    assert_eq!(namespace.field("pod/demo-bottle", statuses), "0");
    eventually("the memory limit is in force", PATIENCE, || {
        let path = ".status.containerStatuses[?(@.name==\"agent\")].resources.limits";
        let limits = namespace.field("pod/demo-bottle", path);
        if limits.contains("256Mi") {
            Ok(())
        } else {
            Err(limits)
        }
    });
    let path = ".spec.containers[?(@.name==\"agent\")].resources.requests.cpu";
    assert_eq!(namespace.field("pod/demo-bottle", path), "20m");
}

#[test]
fn a_bottle_that_may_not_ask_has_no_server_and_no_settings_entry() {
    let namespace = Namespace::new();
    let yaml =
        bottle_yaml("demo", &["api.example.com"]).replace("spec:", "spec:\n  supervise: false");
    namespace.apply(&yaml).good();
    let bottle = crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    };
    bottle.ready();
    bottle.reaches("api.example.com");
    bottle.does_not_reach("files.example.com");
    let asked = bottle.shell("curl -s -m 3 http://supervise:9100/health");
    assert!(!asked.ok, "{}", asked.all());
    let settings = bottle.shell("cat ~/.claude.json 2>/dev/null; true").good();
    assert!(!settings.contains("supervise:9100"), "{settings}");
}
