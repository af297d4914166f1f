//! A class that changes under the bottles that run.

use crate::support::{Namespace, PATIENCE, bottle_yaml, eventually, run};
use std::time::{Duration, Instant};

/// A class of this test; classes belong to no namespace.
struct Class(String);

impl Class {
    fn new(namespace: &Namespace) -> Self {
        Self(namespace.name.clone())
    }

    fn apply(&self, spec: &str) {
        let name = &self.0;
        let yaml = format!(
            "apiVersion: bot-bottle.dev/v1alpha1
kind: BottleClass
metadata: {{name: {name}}}
spec: {{{spec}}}
"
        );
        run("kubectl", ["apply", "-f", "-"], &yaml).good();
    }

    fn status(&self) -> String {
        let get = ["get", "bottleclass", &self.0, "-o", "jsonpath={.status}"];
        run("kubectl", get, "").all()
    }

    #[track_caller]
    fn is_done(&self, generation: i64, bottles: usize) {
        eventually("the class' status says so", PATIENCE * 2, || {
            let said = self.status();
            let parts = [
                format!("\"observedGeneration\":{generation}"),
                format!("\"bottles\":{bottles}"),
                format!("\"updated\":{bottles}"),
                "\"waiting\":0".to_owned(),
            ];
            if parts.iter().all(|part| said.contains(part)) {
                Ok(())
            } else {
                Err(said)
            }
        });
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        run("kubectl", ["delete", "bottleclass", &self.0], "");
    }
}

/// Agents that run now, each by its pod's uid.
fn running(namespace: &Namespace) -> Vec<String> {
    let template = "jsonpath={range .items[*]}{.metadata.uid} {.metadata.deletionTimestamp} {.status.containerStatuses[?(@.name==\"agent\")].state.running.startedAt}{\"\\n\"}{end}";
    let said = namespace.kubectl(["get", "pods", "-o", template]).all();
    let agent = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        // One that is being deleted has been told to end.
        [uid, "", since] if !since.is_empty() => Some(uid.to_owned()),
        _ => None,
    };
    said.lines().filter_map(agent).collect()
}

#[test]
fn a_class_change_reaches_every_bottle_and_interrupts_one_agent_at_a_time() {
    const BOTTLES: usize = 3;
    let namespace = Namespace::new();
    let class = Class::new(&namespace);
    class.apply("allowlist: [second.example.com]");
    for number in 0..BOTTLES {
        let name = format!("b{number}");
        let yaml = bottle_yaml(&name, &["api.example.com"]) + &format!("  class: {}\n", class.0);
        namespace.apply(&yaml).good();
    }
    class.is_done(1, BOTTLES);
    let before = eventually("the agents run", PATIENCE, || {
        let now = running(&namespace);
        if now.len() == BOTTLES {
            Ok(now)
        } else {
            Err(format!("{now:?}"))
        }
    });

    // What needs no restart: all at once, in the same pods.
    class.apply("allowlist: [second.example.com, files.example.com]");
    class.is_done(2, BOTTLES);
    eventually("every allowlist has it", PATIENCE, || {
        let get = [
            "get",
            "configmaps",
            "-l",
            "bot-bottle.dev/bottle",
            "-o",
            "yaml",
        ];
        let all = namespace.kubectl(get).all();
        let count = all.matches("files.example.com").count();
        if count >= BOTTLES { Ok(()) } else { Err(all) }
    });
    assert_eq!(running(&namespace), before);

    // What does: of three bottles one at a time.
    class.apply("allowlist: [second.example.com, files.example.com], mcpServers: {tracker: {url: \"https://second.example.com/mcp\"}}");
    let began = Instant::now();
    let mut fewest = BOTTLES;
    loop {
        let now = running(&namespace);
        fewest = fewest.min(now.len());
        assert!(now.len() >= BOTTLES - 1, "two are down at a time: {now:?}");
        if now.len() == BOTTLES && now.iter().all(|uid| !before.contains(uid)) {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(180),
            "{now:?} {}",
            class.status()
        );
    }
    assert_eq!(fewest, BOTTLES - 1, "none was seen to be down");
    class.is_done(3, BOTTLES);
    let file = namespace.kubectl([
        "exec",
        "b0-bottle",
        "-c",
        "agent",
        "--",
        "sh",
        "-c",
        "cat ~/.claude.json",
    ]);
    assert!(file.good().contains("second.example.com/mcp"));
}
