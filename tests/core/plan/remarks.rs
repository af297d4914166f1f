//! What the agent's container says about its settings, on its road to a condition and an Event.

use super::world::World;
use bot_bottle::{
    api::{Condition, Sidecar},
    plan::status::SETTINGS_INTACT,
    proposal::condition,
};

impl World {
    fn says(&mut self, lines: &[&str]) {
        let status = self.bottle.status.as_mut().unwrap();
        let sidecar = status.sidecar.get_or_insert_with(Sidecar::default);
        sidecar.settings = lines.iter().map(|line| (*line).to_owned()).collect();
    }

    fn settings_intact(&self) -> Condition {
        let status = self.bottle.status.as_ref().unwrap();
        condition::get(&status.conditions, SETTINGS_INTACT)
            .unwrap()
            .clone()
    }
}

const SHADOWED: &str = "Shadowed: /bottle/workspace/.gemini/settings.json: its MCP server supervise may stand in front";
const DRIFTED: &str = "Drifted: mcpServers.supervise in .claude.json was changed: rendered again";

#[test]
fn what_stands_against_the_settings_is_a_condition_and_one_event_that_name_it() {
    let mut world = World::running();
    assert_eq!(world.settings_intact().status, condition::TRUE);
    world.says(&[DRIFTED, SHADOWED]);
    let told = world.told();
    assert_eq!(told.len(), 1, "{told:?}");
    // The weightiest is the reason, and all of it is said.
    assert!(told[0].warning);
    assert_eq!(told[0].reason, "Shadowed");
    for part in [
        ".gemini/settings.json",
        "mcpServers.supervise in .claude.json",
    ] {
        assert!(told[0].note.contains(part), "{}", told[0].note);
    }
    let condition = world.settings_intact();
    assert_eq!(
        (condition.status.as_str(), condition.reason.as_str()),
        ("False", "Shadowed")
    );
    assert_eq!(condition.message, told[0].note);
    // The next start finds nothing any more: no Event for that.
    world.says(&[]);
    assert!(world.told().is_empty());
    assert_eq!(world.settings_intact().reason, "Intact");
}

#[test]
fn a_server_of_the_workspace_that_loses_is_named_and_no_fault() {
    let mut world = World::running();
    world.says(&["ServerIgnored: /bottle/workspace/.mcp.json: its MCP server supervise loses"]);
    let told = world.told();
    assert_eq!(told.len(), 1);
    assert!(!told[0].warning && told[0].note.contains(".mcp.json"));
    assert_eq!(world.settings_intact().status, condition::TRUE);
}

#[test]
fn an_agents_own_words_are_short_visible_and_marked_as_its_own() {
    let mut world = World::running();
    let long = "x".repeat(400);
    let lines: Vec<String> = (0..20)
        .map(|n| format!("Ready: {n} \u{202e}\n{long}"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    world.says(&lines);
    let told = world.told();
    assert_eq!(told[0].reason, "Other");
    assert!(told[0].note.starts_with("the agent's container reports: "));
    assert!(told[0].note.len() <= 1024, "{}", told[0].note.len());
    assert!(!told[0].note.contains(['\n', '\u{202e}']));
    assert!(told[0].note.contains(" more in status.sidecar.settings"));
}
