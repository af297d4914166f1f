//! Bad input: each a refusal by the API or a condition whose sentence says what to do.

use crate::support::{Namespace, PATIENCE, bottle_yaml, eventually, run};

/// Applies a Bottle and waits for the Ready condition with this reason; its message.
#[track_caller]
fn not_ready(namespace: &Namespace, yaml: &str, reason: &str) -> String {
    namespace.apply(yaml).good();
    eventually(&format!("Ready is False with {reason}"), PATIENCE, || {
        let path = ".status.conditions[?(@.type==\"Ready\")]";
        let ready = namespace.field("bottle/demo", path);
        if ready.contains(&format!("\"reason\":\"{reason}\"")) {
            Ok(ready)
        } else {
            Err(ready)
        }
    })
}

#[test]
fn what_the_schema_knows_is_refused_at_once() {
    let namespace = Namespace::new();
    let good = bottle_yaml("demo", &["api.example.com"]);
    let long = "x".repeat(49);
    let rows = [
        (
            good.replace("kind: claude", "kind: nobody"),
            "spec.agent.kind",
        ),
        (
            good.replace("kind: claude", "kind: custom")
                .replace("    command: [sleep, infinity]\n", ""),
            "must name its command",
        ),
        (
            good.replace("allowlist: [api.example.com]", "allowlist: api.example.com"),
            "spec.allowlist",
        ),
        (
            good.replace("kind: claude", "kind: claude\n    user: 61002"),
            "belong to the sidecars",
        ),
        (
            good.replace("kind: claude", "kind: claude\n    user: 0"),
            "spec.agent.user",
        ),
        (
            good.replace("name: demo", &format!("name: {long}")),
            "at most 48 characters",
        ),
        (
            good.replace("  agent:", "  nothing: 1\n  agent:"),
            "unknown field",
        ),
    ];
    for (yaml, fragment) in rows {
        let said = namespace.apply(&yaml).bad();
        assert!(said.contains(fragment), "{fragment}: {said}");
    }
}

#[test]
fn what_only_the_operator_knows_is_a_condition() {
    let namespace = Namespace::new();
    let good = bottle_yaml("demo", &["api.example.com"]);
    let message = not_ready(
        &namespace,
        &good.replace("spec:", "spec:\n  class: nowhere"),
        "UnknownClass",
    );
    assert!(
        message.contains("there is no BottleClass nowhere; create it"),
        "{message}"
    );
    let message = not_ready(
        &namespace,
        &good.replace("api.example.com", "\"https://api.example.com\""),
        "InvalidAllowlist",
    );
    assert!(message.contains("scheme"), "{message}");
    let message = not_ready(
        &namespace,
        &good.replace("kind: claude", "kind: claude\n    injection: flag"),
        "SettingsFailed",
    );
    assert!(message.contains("agent.command"), "{message}");
    let described = namespace.kubectl(["describe", "bottle", "demo"]).good();
    assert!(
        described.contains("UnknownClass") && described.contains("NotReady"),
        "{described}"
    );
}

#[test]
fn a_revocation_closes_its_hole_while_the_bottle_is_invalid() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let call = bottle.ask_for("files.example.com");
    let proposal = bottle.pending();
    namespace
        .edit(&proposal, "s/decision: Pending/decision: Approved/")
        .good();
    call.answer();
    bottle.reaches("files.example.com");
    not_ready(
        &namespace,
        &bottle_yaml("demo", &["\"https://api.example.com\""]),
        "InvalidAllowlist",
    );
    namespace
        .edit(&proposal, "s/decision: Approved/decision: Revoked/")
        .good();
    bottle.phase_is(&proposal, "Revoked");
    bottle.closes("files.example.com");
    bottle.reaches("api.example.com");
}

#[test]
fn an_image_that_is_not_there_is_named() {
    let namespace = Namespace::new();
    let yaml = bottle_yaml("demo", &["api.example.com"])
        .replace("bot-bottle/agent-example:dev", "bot-bottle/nowhere:1");
    let message = not_ready(&namespace, &yaml, "ImageNotPulled");
    assert!(
        message.contains("bot-bottle/nowhere:1") && message.contains("spec.agent.image"),
        "{message}"
    );
    // Corrected in place, it goes on.
    namespace
        .apply(&bottle_yaml("demo", &["api.example.com"]))
        .good();
    crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    }
    .ready();
}

#[test]
fn a_missing_secret_is_named_and_the_bottle_goes_on_when_it_appears() {
    let namespace = Namespace::new();
    let yaml = bottle_yaml("demo", &["api.example.com"])
        + "  mcpServers: {files: {command: files, env: {KEY: \"${SECRET:FILES}\"}}}\n  secrets: {FILES: {secretName: s, key: k}}\n";
    let message = not_ready(&namespace, &yaml, "MissingSecret");
    assert!(
        message.contains("FILES") && message.contains("mcpServers"),
        "{message}"
    );
    namespace
        .apply("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hidden-value}\n")
        .good();
    let bottle = crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    };
    // The kubelet refreshes an optional Secret in about a minute; a restart of the pod is at once.
    namespace.kubectl(["delete", "pod", "demo-bottle"]).good();
    bottle.ready();
    assert!(
        bottle
            .shell("cat ~/.claude.json")
            .good()
            .contains("hidden-value")
    );
    let stored = namespace
        .kubectl(["get", "configmap,pod,bottle", "-o", "yaml"])
        .good();
    assert!(
        !stored.contains("hidden-value"),
        "the value stands in the agent's home only"
    );
}

#[test]
fn a_file_that_is_too_large_or_hides_something_is_refused_at_the_door() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let script = |file: &str| {
        format!(
            "import json,urllib.request\nbody=json.dumps({{'jsonrpc':'2.0','id':1,'method':'tools/call','params':{{'name':'pipelock-block','arguments':{{'allowlist':{file},'justification':'j'}}}}}}).encode()\nrequest=urllib.request.Request('http://supervise:9100/',body,{{'Content-Type':'application/json'}})\ntry:\n  print(urllib.request.urlopen(request,timeout=10).read().decode())\nexcept urllib.error.HTTPError as error:\n  print(error.code,error.read().decode())\n"
        )
    };
    let rows = [
        ("'x'*1048576", "413"),
        ("'a.example.com\\n'*20000", "-32602"),
        ("'https://a.example.com'", "-32602"),
        ("'a.example.com\\u202e'", "-32602"),
        ("'localhost'", "-32602"),
    ];
    for (file, fragment) in rows {
        let said = bottle.python(&script(file), &[]).all();
        assert!(said.contains(fragment), "{file}: {said}");
    }
    let none = namespace.kubectl(["get", "proposals", "-o", "name"]).good();
    assert_eq!(none, "");
}

#[test]
fn a_proposal_for_a_bottle_that_is_not_there_is_orphaned() {
    let namespace = Namespace::new();
    namespace
        .apply("apiVersion: bot-bottle.dev/v1alpha1\nkind: Proposal\nmetadata: {name: ghost-0123456789ab}\nspec: {bottle: ghost, bottleUID: x, tool: pipelock-block, proposedFile: a.example.com, justification: j}\n")
        .good();
    eventually("it is Orphaned", PATIENCE, || {
        let message = namespace.field("proposal/ghost-0123456789ab", ".status.message");
        if message.contains("there is no Bottle ghost") {
            Ok(())
        } else {
            Err(message)
        }
    });
}

#[test]
fn bottles_of_one_name_in_two_namespaces_know_nothing_of_each_other() {
    let (one, two) = (Namespace::new(), Namespace::new());
    let first = one.bottle("demo", &["api.example.com"]);
    let second = two.bottle("demo", &["second.example.com"]);
    first.reaches("api.example.com");
    first.does_not_reach("second.example.com");
    second.reaches("second.example.com");
    second.does_not_reach("api.example.com");
}

#[test]
fn an_object_of_somebody_else_with_our_name_is_left_alone() {
    let namespace = Namespace::new();
    namespace
        .apply(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: demo-bottle}\ndata: {mine: kept}\n",
        )
        .good();
    let message = not_ready(
        &namespace,
        &bottle_yaml("demo", &["api.example.com"]),
        "NameTaken",
    );
    assert!(
        message.contains("ConfigMap demo-bottle exists and is not this bottle's"),
        "{message}"
    );
    assert_eq!(
        namespace.field("configmap/demo-bottle", ".data"),
        "{\"mine\":\"kept\"}"
    );
    namespace
        .kubectl(["delete", "configmap", "demo-bottle"])
        .good();
    // Nothing tells the operator of that deletion; the next change of the Bottle does.
    namespace
        .kubectl(["annotate", "bottle", "demo", "look=again"])
        .good();
    crate::support::Bottle {
        namespace: &namespace,
        name: "demo".into(),
    }
    .ready();
}

#[test]
fn a_namespace_can_be_deleted_with_bottles_in_it() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    let _call = bottle.ask_for("files.example.com");
    let _ = bottle.pending();
    run(
        "kubectl",
        ["delete", "namespace", &namespace.name, "--timeout=90s"],
        "",
    )
    .good();
}

/// The CRD as it was before, put back whatever happens.
struct LooseSchema;

impl LooseSchema {
    fn new() -> Self {
        let schema = "/spec/versions/0/schema/openAPIV3Schema";
        let patch = format!(
            r#"[{{"op":"replace","path":"{schema}/properties/spec","value":{{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}},{{"op":"remove","path":"{schema}/x-kubernetes-validations"}}]"#
        );
        run(
            "kubectl",
            [
                "patch",
                "crd",
                "bottles.bot-bottle.dev",
                "--type=json",
                "-p",
                &patch,
            ],
            "",
        )
        .good();
        Self
    }
}

impl Drop for LooseSchema {
    fn drop(&mut self) {
        let file = crate::support::repository().join("crds/bottles.yaml");
        let file = file.to_str().unwrap();
        run(
            "kubectl",
            ["apply", "--server-side", "--force-conflicts", "-f", file],
            "",
        )
        .good();
    }
}

#[test]
fn a_bottle_that_can_not_be_decoded_hurts_itself_only() {
    let namespace = Namespace::new();
    // As an older version of the schema might have let it in.
    let loose = LooseSchema::new();
    eventually("the broken Bottle is stored", PATIENCE, || {
        let said = namespace.apply(
            "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {name: broken}\nspec: {agent: [1, 2]}\n",
        );
        if said.ok { Ok(()) } else { Err(said.all()) }
    });
    drop(loose);
    eventually("its Event says so", PATIENCE, || {
        let events = namespace.kubectl(["get", "events"]).out;
        if events.contains("Undecodable") {
            Ok(())
        } else {
            Err(events)
        }
    });
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    bottle.reaches("api.example.com");
}
