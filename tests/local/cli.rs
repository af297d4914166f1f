//! The verbs as a person or a script uses them.

use crate::world::{PATIENCE, Place as _, World, text, within};

fn code(world: &World, words: &[&str]) -> (i32, String) {
    let output = world.command(words).output().unwrap();
    (output.status.code().unwrap(), text(&output))
}

#[test]
fn exit_codes_and_messages_say_what_to_do() {
    let world = World::new();
    for (words, expected, says) in [
        (&["get", "nobody"][..], 3, "bottle get"),
        (&["diff", "nobody"][..], 3, "bottle proposals"),
        (&["approve"][..], 2, "Usage"),
        (&["approve", "x", "--for", "soon"][..], 2, "90m"),
        (&["get"][..], 0, "no bottles"),
        (&["delete", "nobody"][..], 3, "no bottle"),
        (&["apply", "-f", "/nowhere.yaml"][..], 1, "/nowhere.yaml"),
        (&["get", "../../etc"][..], 4, "lower-case"),
    ] {
        let (got, said) = code(&world, words);
        assert_eq!(got, expected, "{words:?}: {said}");
        assert!(said.contains(says), "{words:?}: {said}");
    }
}

#[test]
fn a_field_that_the_runtime_can_not_honour_is_refused_by_name() {
    let world = World::new();
    for (more, field) in [
        ("  runtimeClassName: gvisor\n", "spec.runtimeClassName"),
        ("  ttlAfterFinished: 1h\n", "spec.ttlAfterFinished"),
        ("  allowlists: [x]\n", "spec.allowlists"),
    ] {
        let output = world.try_apply(more, &[]);
        assert_eq!(output.status.code(), Some(4));
        assert!(text(&output).contains(field), "{}", text(&output));
    }
    assert!(!world.bottle().join("bottle.yaml").exists());
}

#[test]
fn objects_are_printed_as_kubectl_prints_them() {
    let world = World::running();
    assert_eq!(
        world.verb(&["get", "-o", "name"]),
        "bottle.bot-bottle.dev/blue\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&world.verb(&["get", "blue", "-o", "json"])).unwrap();
    assert_eq!(
        (&json["kind"], &json["metadata"]["namespace"]),
        (&"Bottle".into(), &"garden".into())
    );
    let list: serde_json::Value =
        serde_json::from_str(&world.verb(&["get", "-o", "json"])).unwrap();
    assert_eq!(list["kind"], "List");
    assert!(
        world
            .verb(&["get", "blue", "-o", "yaml"])
            .starts_with("apiVersion: bot-bottle.dev/v1alpha1")
    );
    // The agent works before its sidecars have reported what they enforce.
    let running = within(PATIENCE, || {
        let table = world.verb(&["get"]);
        let head = table.starts_with("NAME   PHASE     READY");
        (head && table.contains("Running")).then_some(())
    });
    assert!(running.is_some(), "{}", world.verb(&["get"]));
    assert!(world.verb(&["get", "-A"]).contains("garden"));
    let all = world.verb(&["describe", "blue"]);
    for word in ["sandbox", "EgressLocked", "Proposals:", "Events:"] {
        assert!(all.contains(word), "{all}");
    }
}

#[test]
fn a_diff_has_colours_only_where_they_can_be_seen_and_hidden_characters_never() {
    let world = World::running();
    let _call = world.ask(
        "pipelock-block",
        "api.example.com\nfiles.example.com\n",
        "because",
    );
    let name = world.proposal("because", "Pending");
    let plain = world.verb(&["diff", &name]);
    assert!(
        plain.contains("+files.example.com") && !plain.contains('\x1b'),
        "{plain}"
    );
    let hash = name.rsplit('-').next().unwrap();
    assert_eq!(world.verb(&["diff", &hash[..6]]), plain);
    let output = world
        .command(&["diff", &name])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\x1b[32m+files.example.com\x1b[0m"));
}

#[test]
fn an_illegal_decision_is_refused_and_changes_nothing() {
    let world = World::running();
    let call = world.ask(
        "pipelock-block",
        "api.example.com\nfiles.example.com\n",
        "because",
    );
    let name = world.proposal("because", "Pending");
    assert_eq!(code(&world, &["revoke", &name]).0, 4);
    let (got, said) = code(
        &world,
        &[
            "approve",
            &name,
            "--edit",
            "--editor",
            "sed -i s/^f.*/https:..x/",
        ],
    );
    assert!(got == 4 && said.contains("line 2"), "{said}");
    world.verb(&["reject", &name]);
    assert_eq!(code(&world, &["approve", &name]).0, 4);
    assert!(call().starts_with("status: rejected"));
}

#[test]
fn a_deleted_bottle_leaves_the_record_of_its_proposals_and_nothing_else() {
    let world = World::running();
    let _call = world.ask(
        "pipelock-block",
        "api.example.com\nfiles.example.com\n",
        "because",
    );
    let name = world.proposal("because", "Pending");
    world.verb(&["delete", "blue"]);
    assert_eq!(
        crate::world::processes(&world.state(), ""),
        Vec::<i32>::new()
    );
    assert!(world.verb(&["proposals"]).contains("Orphaned"));
    for gone in [
        "home",
        "workspace",
        "bottle.yaml",
        "pod.yaml",
        "config-map.yaml",
    ] {
        assert!(!world.bottle().join(gone).exists(), "{gone}");
    }
    // A Bottle of the same name inherits nothing.
    world.apply("");
    world.inside("true");
    assert_eq!(code(&world, &["approve", &name]).0, 0);
    assert_eq!(world.fetch("files.example.com"), "403");
}

#[test]
fn two_projects_with_the_same_bottle_never_touch_each_other() {
    let world = World::running();
    let mut other = std::process::Command::new(env!("CARGO_BIN_EXE_bottle"));
    let output = other
        .args(["get", "blue", "--local", "-n", "meadow", "--state"])
        .arg(world.state())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let here = world.place.path().join("checkout");
    std::fs::create_dir(&here).unwrap();
    let mut other = std::process::Command::new(env!("CARGO_BIN_EXE_bottle"));
    let output = other
        .args(["get", "--local", "--state"])
        .arg(world.state())
        .current_dir(&here)
        .output()
        .unwrap();
    assert!(
        text(&output).contains("no bottles in checkout-"),
        "{}",
        text(&output)
    );
}
