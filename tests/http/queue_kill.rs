//! `supervise mcp` over a queue directory, killed again and again: at random moments, and at each step of writing,
//! deciding and archiving. Nothing is lost, doubled or half-written, and every question ends with its decision.
//!
//! `BOT_BOTTLE_SEED` gives the same moments and decisions again, `BOT_BOTTLE_KILLS` another number of kills.
#![expect(
    clippy::disallowed_methods,
    reason = "the test takes its seed from the environment or the clock"
)]

mod agents;
mod check;
mod decider;
mod program;

use check::Directory;
use program::Program;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A bound against hanging, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
const KILLS: u64 = 500;
/// One in so many is killed at a named point.
const AT_A_POINT: u64 = 4;

/// A small generator whose numbers follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_kill_loses_doubles_or_halves_a_proposal_and_every_question_has_its_decision() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number("BOT_BOTTLE_SEED").unwrap_or(now.unwrap().as_secs());
    let kills = number("BOT_BOTTLE_KILLS").unwrap_or(KILLS);
    println!("BOT_BOTTLE_SEED={seed}");
    let mut random = Random(seed);
    let directory = Arc::new(Directory::new());
    let stop = Arc::new(AtomicBool::new(false));
    let decider = decider::start(Arc::clone(&directory), Arc::clone(&stop), random.next());
    let agents: Vec<_> = (0..4)
        .map(|number| agents::start(number, Arc::clone(&directory), Arc::clone(&stop)))
        .collect();

    let mut points = BTreeMap::<String, u32>::new();
    for kill in 0..kills {
        let at_a_point = cfg!(feature = "failpoints") && kill % AT_A_POINT == 0;
        if at_a_point {
            let turn = usize::try_from(kill / AT_A_POINT).unwrap();
            let point = program::POINTS[turn % program::POINTS.len()];
            let stop = Some((point, random.below(3)));
            let died = Program::start(&directory, stop).dies_by_itself();
            *points.entry(died).or_default() += 1;
        } else {
            let moment = Duration::from_micros(random.below(60_000));
            Program::start(&directory, None).runs(|| thread::sleep(moment));
        }
        directory.check();
    }
    if cfg!(feature = "failpoints") && kills >= KILLS {
        for point in program::POINTS {
            assert!(
                points.contains_key(point),
                "never killed at {point}: {points:?}"
            );
        }
    }

    stop.store(true, Ordering::Relaxed);
    let answered = Program::start(&directory, None).runs(|| {
        let answered: usize = agents.into_iter().map(|agent| agent.join().unwrap()).sum();
        directory.everything_is_answered_and_archived();
        decider.join().unwrap();
        answered
    });
    directory.check();
    println!("{answered} questions answered over {kills} kills; at points: {points:?}");
    assert!(
        answered as u64 > kills / 10,
        "hardly anything was asked: {answered}"
    );
}
