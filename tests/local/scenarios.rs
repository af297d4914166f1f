//! What an agent asks and a person decides, from one table.

use crate::world::{PATIENCE, World, within};

/// One question and its decision.
struct Scenario {
    name: &'static str,
    /// Hosts that are asked for, each by a question of its own, at the same time.
    asks: &'static [&'static str],
    /// The verb and its flags, for each question.
    verb: &'static [&'static str],
    /// What the answer begins with.
    answer: &'static str,
    /// Words of the answer.
    says: &'static [&'static str],
    /// What is open in the end.
    open: &'static [&'static str],
    /// What is closed in the end.
    closed: &'static [&'static str],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "approve",
        asks: &["a.example.com"],
        verb: &["approve", "-m", "docs only, please"],
        answer: "status: approved",
        says: &["notes: docs only, please"],
        open: &["open.example.com", "a.example.com"],
        closed: &["b.example.com", "never.example.com"],
    },
    Scenario {
        name: "reject",
        asks: &["a.example.com"],
        verb: &["reject", "-m", "use the mirror"],
        answer: "status: rejected",
        says: &["notes: use the mirror"],
        open: &["open.example.com"],
        closed: &["a.example.com"],
    },
    Scenario {
        name: "modify",
        asks: &["a.example.com"],
        verb: &["approve", "--edit", "--editor", "sed -i s/^a[.]/b./"],
        answer: "status: modified",
        says: &["b.example.com"],
        open: &["open.example.com", "b.example.com"],
        closed: &["a.example.com"],
    },
    Scenario {
        name: "two at once",
        asks: &["a.example.com", "b.example.com"],
        verb: &["approve"],
        answer: "status: approved",
        says: &[],
        open: &["open.example.com", "a.example.com", "b.example.com"],
        closed: &["never.example.com"],
    },
];

#[test]
fn what_a_person_decides_is_in_force_when_the_agent_has_its_answer() {
    for scenario in SCENARIOS {
        let world = World::running();
        let closed = |host: &str| assert_eq!(world.fetch(host), "403", "{}: {host}", scenario.name);
        scenario.asks.iter().for_each(|host| closed(host));
        let calls: Vec<_> = scenario
            .asks
            .iter()
            .map(|host| world.ask(&format!("open.example.com\n{host}\n"), host))
            .collect();
        for host in scenario.asks {
            let proposal = world.proposal(host, "Pending");
            let words: Vec<&str> = scenario.verb[..1]
                .iter()
                .chain([&proposal.as_str()])
                .chain(&scenario.verb[1..])
                .copied()
                .collect();
            world.verb(&words);
        }
        for call in calls {
            let answer = world.await_job(call, PATIENCE);
            assert!(
                answer.starts_with(scenario.answer),
                "{}: {answer}",
                scenario.name
            );
            for word in scenario.says {
                assert!(answer.contains(word), "{}: {answer}", scenario.name);
            }
        }
        scenario
            .open
            .iter()
            .for_each(|host| assert_eq!(world.fetch(host), "200", "{}: {host}", scenario.name));
        scenario.closed.iter().for_each(|host| closed(host));
    }
}

#[test]
fn a_revoked_grant_and_one_whose_time_is_over_are_closed() {
    let world = World::running();
    for (host, flags) in [
        ("a.example.com", &[][..]),
        ("b.example.com", &["--for", "2s"][..]),
    ] {
        let call = world.ask(&format!("{}{host}\n", allowlist(&world)), host);
        let proposal = world.proposal(host, "Pending");
        world.verb(&[&["approve", &proposal], flags].concat());
        assert!(
            world
                .await_job(call, PATIENCE)
                .starts_with("status: approved")
        );
        assert_eq!(world.fetch(host), "200");
    }
    world.verb(&[
        "revoke",
        &world.proposal("a.example.com", "Enforced"),
        "-m",
        "done",
    ]);
    for host in ["a.example.com", "b.example.com"] {
        let shut = within(PATIENCE, || (world.fetch(host) == "403").then_some(()));
        assert!(shut.is_some(), "{host} stays open");
    }
    world.proposal("a.example.com", "Revoked");
    world.proposal("b.example.com", "Expired");
    assert_eq!(world.fetch("open.example.com"), "200");
}

#[test]
fn the_same_question_asked_again_has_the_same_answer_at_once() {
    let world = World::running();
    let list = "open.example.com\na.example.com\n";
    let call = world.ask(list, "again");
    world.verb(&["reject", &world.proposal("again", "Pending"), "-m", "no"]);
    assert!(
        world
            .await_job(call, PATIENCE)
            .starts_with("status: rejected")
    );
    let answer = world.await_job(world.ask(list, "again"), PATIENCE);
    assert!(
        answer.starts_with("status: rejected") && answer.contains("no"),
        "{answer}"
    );
    assert_eq!(world.verb(&["proposals", "-o", "name"]).lines().count(), 1);
}

fn allowlist(world: &World) -> String {
    let text = world.inside("cat /etc/claude-bottle/current-config/allowlist");
    text.replace("exit 0\n", "")
}
