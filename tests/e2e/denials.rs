//! What the agent was refused, as people see it.

use crate::support::{Namespace, PATIENCE, eventually};

#[test]
fn what_the_agent_really_tried_is_in_the_status_and_in_an_event() {
    let namespace = Namespace::new();
    let bottle = namespace.bottle("demo", &["api.example.com"]);
    bottle.reaches("api.example.com");
    bottle.does_not_reach("files.example.com");
    bottle.does_not_reach("second.example.com");
    let denials = eventually("the status names both", PATIENCE, || {
        let said = namespace.field("bottle/demo", ".status.sidecar.denials");
        if said.contains("files.example.com") && said.contains("second.example.com") {
            Ok(said)
        } else {
            Err(said)
        }
    });
    assert!(denials.contains("HostNotListed"), "{denials}");
    assert!(!denials.contains("api.example.com"), "{denials}");
    let described = eventually("kubectl describe names them", PATIENCE, || {
        let said = namespace.kubectl(["describe", "bottle", "demo"]).all();
        let event = said.lines().find(|line| line.contains("EgressDenied"));
        event.map(str::to_owned).ok_or(said)
    });
    assert!(
        described.contains("files.example.com:443 (HostNotListed)"),
        "{described}"
    );
    // What is allowed is no news: neither the report nor the Event moves, once both have settled.
    let version = || namespace.field("bottle/demo", ".metadata.resourceVersion");
    eventually("the Bottle is at rest", PATIENCE, || {
        let before = version();
        bottle.reaches("api.example.com");
        let after = version();
        if before == after {
            Ok(())
        } else {
            Err(format!("{before} became {after}"))
        }
    });
    // A list that is in force is answered with what is refused all the same.
    let answer = bottle
        .call("pipelock-block", &bottle.allowlist(), "it does not work")
        .answer();
    let answer = format!("{answer:?}");
    assert!(answer.contains("already in force"), "{answer}");
    assert!(
        answer.contains("files.example.com:443 (HostNotListed)"),
        "{answer}"
    );
}
