//! Classes of this machine: what they give, what their change does to the bottles that run, and how they are shown.

use crate::world::{PATIENCE, Place as _, World, text, within};
use std::fs::{self, File};
use std::process::Output;

/// Agents that do nothing, of one class.
const THREE: [&str; 3] = ["b0", "b1", "b2"];

fn class(spec: &str) -> String {
    format!(
        "apiVersion: bot-bottle.dev/v1alpha1\nkind: BottleClass\nmetadata: {{name: small}}\nspec: {spec}\n"
    )
}

fn idle(name: &str) -> String {
    format!(
        "apiVersion: bot-bottle.dev/v1alpha1\nkind: Bottle\nmetadata: {{name: {name}}}\nspec: {{class: small, agent: {{kind: claude, command: [sleep, infinity]}}}}\n"
    )
}

fn apply(world: &World, documents: &[String]) -> Output {
    let file = world.place.path().join("several.yaml");
    fs::write(&file, documents.join("---\n")).unwrap();
    let mut command = world.command(&["apply"]);
    command.arg("-f").arg(file).output().unwrap()
}

fn applied(world: &World, documents: &[String]) -> String {
    let output = apply(world, documents);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn object(world: &World, words: &[&str]) -> serde_json::Value {
    let all = [&["get"], words, &["-o", "json"]].concat();
    serde_json::from_str(&world.verb(&all)).unwrap()
}

/// Waits until the class says that this generation is in all of its bottles.
fn is_done(world: &World, generation: i64, bottles: usize) {
    let done = within(PATIENCE, || {
        let status = &object(world, &["bottleclass", "small"])["status"];
        let counts = (&status["bottles"], &status["updated"], &status["waiting"]);
        (status["observedGeneration"] == generation
            && counts == (&bottles.into(), &bottles.into(), &0.into()))
            .then_some(())
    });
    let shown = || object(world, &["bottleclass", "small"]);
    assert!(done.is_some(), "{}", shown());
}

/// Of each bottle whose agent runs, its pod's uid, at one and the same moment.
fn running(world: &World) -> Vec<String> {
    let lock = File::open(world.state().join("lock")).unwrap();
    lock.lock().unwrap();
    let uid = |name: &&str| {
        let path = world.state().join("garden").join(name).join("pod.yaml");
        let text = fs::read_to_string(path).ok()?;
        let pod: serde_json::Value = bot_bottle::yaml::from_str(&text).unwrap();
        let statuses = pod["status"]["containerStatuses"].as_array()?.clone();
        let agent = statuses.iter().find(|one| one["name"] == "agent")?;
        agent["state"].get("running")?;
        Some(pod["metadata"]["uid"].as_str()?.to_owned())
    };
    THREE.iter().filter_map(uid).collect()
}

#[test]
fn a_class_change_reaches_every_bottle_and_interrupts_one_agent_at_a_time() {
    let world = World::new();
    let mut documents = vec![class("{allowlist: [second.example.com]}")];
    documents.extend(THREE.map(idle));
    let said = applied(&world, &documents);
    assert!(said.contains("bottleclass.bot-bottle.dev/small created"));
    is_done(&world, 1, THREE.len());
    let before = within(PATIENCE, || {
        Some(running(&world)).filter(|all| all.len() == THREE.len())
    });
    let before = before.unwrap();

    // What needs no restart: all at once, in the same pods.
    let hosts = "allowlist: [second.example.com, files.example.com]";
    applied(&world, &[class(&format!("{{{hosts}}}"))]);
    is_done(&world, 2, THREE.len());
    for name in THREE {
        let path = world.state().join("garden").join(name);
        let list = fs::read_to_string(path.join("run/current-config/allowlist")).unwrap();
        assert_eq!(list, "second.example.com\nfiles.example.com\n", "{name}");
    }
    assert_eq!(running(&world), before);

    // What does: of three bottles one at a time.
    let server = "mcpServers: {tracker: {url: 'https://second.example.com/mcp'}}";
    applied(&world, &[class(&format!("{{{hosts}, {server}}}"))]);
    let mut fewest = THREE.len();
    let anew = within(PATIENCE, || {
        let now = running(&world);
        fewest = fewest.min(now.len());
        let new = |uid: &String| !before.contains(uid);
        (now.len() == THREE.len() && now.iter().all(new)).then_some(())
    });
    assert!(anew.is_some(), "{}", world.verb(&["get", "-o", "wide"]));
    assert_eq!(fewest, THREE.len() - 1, "more or less than one was away");
    is_done(&world, 3, THREE.len());
    let settings = world.state().join("garden/b0/home/.claude.json");
    let there = within(PATIENCE, || {
        let text = fs::read_to_string(&settings).ok()?;
        text.contains("second.example.com/mcp").then_some(())
    });
    assert!(there.is_some());
    for name in THREE {
        world.verb(&["delete", name]);
    }
}

#[test]
fn a_bottle_waits_for_its_class_and_runs_on_without_it() {
    let world = World::new();
    let said = text(&world.try_apply("  class: small\n", &[]));
    assert!(said.contains("names BottleClass small"), "{said}");
    let ready = || {
        let bottle = object(&world, &["blue"]);
        let conditions = bottle["status"]["conditions"].as_array()?.clone();
        let ready = conditions.into_iter().find(|one| one["type"] == "Ready")?;
        Some((ready["reason"].clone(), ready["message"].to_string()))
    };
    let is = |reason: &str| {
        let found = within(PATIENCE, || ready().filter(|ready| ready.0 == reason));
        found
            .unwrap_or_else(|| panic!("not {reason}: {:?}", ready()))
            .1
    };
    assert!(is("UnknownClass").contains("there is no BottleClass small"));
    let said = applied(&world, &[class("{allowlist: [files.example.com]}")]);
    assert!(!said.contains("not there yet"), "{said}");
    is("Running");
    assert_eq!(world.fetch("files.example.com"), "200");
    assert_eq!(world.fetch("second.example.com"), "403");

    let pod = fs::read_to_string(world.bottle().join("pod.yaml")).unwrap();
    let said = world.verb(&["delete", "bottleclass", "small"]);
    assert_eq!(said, "bottleclass.bot-bottle.dev/small deleted\n");
    assert!(is("UnknownClass").contains("stays in force"));
    assert_eq!(world.fetch("files.example.com"), "200");
    let after = fs::read_to_string(world.bottle().join("pod.yaml")).unwrap();
    assert_eq!(pod, after, "the pod stays as it is");
    // One that is no class, by a slip of a person who edits it, is as good as none.
    let file = world.state().join(".classes/small.yaml");
    fs::write(&file, "spec: {allowlist: 7}\n").unwrap();
    assert!(is("UnknownClass").contains("small"));
    fs::remove_file(file).unwrap();
    applied(&world, &[class("{allowlist: [second.example.com]}")]);
    is("Running");
    assert_eq!(world.fetch("second.example.com"), "200");
    world.closes("files.example.com");
}

#[test]
fn a_class_that_a_bottle_s_runtime_can_not_honour_is_refused_before_it_ends_an_agent() {
    let world = World::new();
    applied(&world, &[class("{}"), idle("b0")]);
    let output = apply(&world, &[class("{runtimeClassName: gvisor}")]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let expected = "spec.runtimeClassName of class small can't be honoured by the runtime sandbox";
    assert!(
        said.contains(expected) && said.contains("garden/b0"),
        "{said}"
    );
    let stored = object(&world, &["bottleclass", "small"]);
    assert_eq!(stored["metadata"]["generation"], 1);
    // A new bottle of a class that it can't honour.
    world.verb(&["delete", "b0"]);
    applied(&world, &[class("{runtimeClassName: gvisor}")]);
    let output = apply(&world, &[idle("b0")]);
    assert!(text(&output).contains(expected), "{}", text(&output));
    let output = apply(&world, &[class("{allowlists: [x]}")]);
    assert!(text(&output).contains("spec.allowlists, which no BottleClass has"));
}

#[test]
fn classes_are_shown_as_bottles_are_and_belong_to_all_projects() {
    let world = World::new();
    let code = |words: &[&str]| world.command(words).output().unwrap().status.code();
    assert_eq!(code(&["get", "bottleclasses"]), Some(0));
    assert_eq!(code(&["get", "bottleclass", "small"]), Some(3));
    assert_eq!(code(&["delete", "bottleclass", "small"]), Some(3));
    assert_eq!(code(&["describe", "bottleclass"]), Some(2));
    applied(&world, &[class("{agent: {kind: codex}}")]);
    let name = "bottleclass.bot-bottle.dev/small";
    assert_eq!(
        world.verb(&["get", "btc", "-o", "name"]),
        format!("{name}\n")
    );
    let table = world.verb(&["get", "bottleclasses"]);
    assert!(table.starts_with("NAME    KIND    IMAGE   BOTTLES   UPDATED   AGE\nsmall   codex"));
    let wide = world.verb(&["get", "bottleclasses", "-o", "wide"]);
    assert!(wide.contains("WAITING"), "{wide}");
    let yaml = world.verb(&["get", name, "-o", "yaml"]);
    assert!(yaml.starts_with("apiVersion: bot-bottle.dev/v1alpha1\nkind: BottleClass"));
    assert_eq!(object(&world, &["btc"])["kind"], "List");
    let all = world.verb(&["describe", name]);
    assert!(
        all.contains("Generation:  1") && all.contains("kind: codex"),
        "{all}"
    );
    assert!(applied(&world, &[class("{agent: {kind: codex}}")]).contains("small unchanged"));

    // A file that a person broke, in another project, is in nobody's way.
    let broken = world.state().join("meadow/green");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("bottle.yaml"), "{").unwrap();
    assert!(applied(&world, &[class("{}")]).contains("small configured"));

    let mut other = std::process::Command::new(env!("CARGO_BIN_EXE_bottle"));
    let words = [
        "get", "btc", "-o", "name", "--local", "-n", "meadow", "--state",
    ];
    let output = other.args(words).arg(world.state()).output().unwrap();
    assert!(text(&output).contains(name), "{}", text(&output));
}

#[test]
fn completion_has_the_names_that_there_are_now() {
    let world = World::new();
    applied(&world, &[class("{}"), idle("b0")]);
    let offered = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bottle"));
        let output = command
            .args(["--", "bottle"])
            .args(words)
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "true")
            .env("_CLAP_IFS", "\n")
            .env("BOTTLE_STATE_DIR", world.state())
            .current_dir(world.place.path())
            .output()
            .unwrap();
        text(&output)
    };
    let all = offered(&["delete", ""]);
    for word in ["bottleclasses", "bottleclass/small"] {
        assert!(all.lines().any(|line| line == word), "{word}: {all}");
    }
}
