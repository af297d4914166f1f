//! A model test of the proposal's life: any order of what agents, people, clocks, sidecars and a crashing operator do,
//! driven through the real `plan`, and held against an oracle that knows nothing of its code.
//!
//! Events that mean nothing where they come (revoking what was never approved) do nothing, so every list of events is
//! a test and proptest can leave any of them out when it looks for the shortest one that fails.

mod answers;
mod events;
mod life;
mod oracle;

use life::Life;
use proptest::test_runner::{Config, TestError, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

#[test]
fn no_life_answers_early_applies_twice_loses_a_decision_or_keeps_what_was_revoked() {
    let reached = RefCell::new(BTreeMap::<String, u32>::new());
    let mut runner = TestRunner::new(Config {
        max_shrink_iters: 20_000,
        source_file: Some(file!()),
        ..Config::with_cases(cases())
    });
    let lives = proptest::collection::vec(events::any(), 1..70);
    let result = runner.run(&lives, |events| {
        let mut life = Life::new();
        for event in &events {
            life.happens(event);
        }
        for state in life.comes_to_its_end() {
            *reached.borrow_mut().entry(state).or_default() += 1;
        }
        Ok(())
    });
    match result {
        Err(TestError::Fail(why, events)) => panic!("{why}\nafter {events:#?}"),
        Err(error) => panic!("{error}"),
        Ok(()) => {}
    }
    // A model that never gets anywhere finds nothing.
    let reached = reached.into_inner();
    for state in life::STATES {
        assert!(reached.contains_key(state), "never {state}: {reached:?}");
    }
}

/// What `PROPTEST_CASES` says, or as many as take some seconds.
fn cases() -> u32 {
    let said = std::env::var("PROPTEST_CASES").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(128)
}
