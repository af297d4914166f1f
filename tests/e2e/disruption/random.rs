//! Half an hour in which something is killed every few seconds, while agents ask and a person decides.
//!
//! `BOT_BOTTLE_DISRUPTION_SECONDS` says how long; `BOT_BOTTLE_SEED` repeats a run's choices.

use super::{
    Question, Trail, Work,
    check::{at_rest, wrong_now},
    machine, take_away,
    work::try_to_decide,
};
use crate::{
    kill::SYSTEM,
    support::{Bottle, Namespace, eventually, run},
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

const DECLARED: &[&str] = &["api.example.com"];
/// A container that ends often is started again after five minutes only.
const LONG: Duration = Duration::from_secs(420);
/// Questions of one bottle: an hour has room for thirty.
const QUESTIONS: u32 = 28;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Marsaglia's xorshift: the choices need no better.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.below(to - from + 1))
    }
}

/// Kills one thing, and brings back what does not come by itself; what it was.
fn disrupt(dice: &mut Dice) -> String {
    let away = |program, time: Duration| {
        let part = take_away(program);
        thread::sleep(time);
        drop(part);
        format!("{program} for {} s", time.as_secs())
    };
    match dice.below(12) {
        0 | 1 => away("kube-apiserver", dice.seconds(1, 25)),
        2 | 3 => away("etcd", dice.seconds(1, 10)),
        4 => away("kubelet", dice.seconds(1, 20)),
        5 | 6 => {
            // Without a moment for good-byes; in its container, so that the lease stays behind.
            machine("kill -KILL $(pidof operator | tr ' ' '\\n' | shuf -n 1)");
            "an operator".to_owned()
        }
        7 => {
            let all = [
                "-n",
                SYSTEM,
                "delete",
                "pods",
                "--all",
                "--grace-period=0",
                "--force",
            ];
            run("kubectl", all, "");
            "both operators".to_owned()
        }
        8 => {
            machine("kill -STOP $(pidof operator); sleep 14; kill -CONT $(pidof operator)");
            "both operators, stopped for 14 s".to_owned()
        }
        _ => {
            let user = 61_001 + dice.below(3);
            machine(&format!("kill -KILL $(pgrep -u {user} | shuf -n 1)"));
            format!("a sidecar with the uid {user}")
        }
    }
}

/// One agent and its person: ask, decide, be answered, `QUESTIONS` times at most.
fn live(bottle: &Bottle<'_>, mut dice: Dice, until: Instant, pause: Duration) -> u32 {
    let mut asked = 0;
    while Instant::now() < until && asked < QUESTIONS {
        let host = format!("n{asked}.example.com");
        asked += 1;
        let call = Question::begin(bottle, &host);
        let name = eventually(&format!("{host} is shown"), LONG, || {
            // Asking twice is asking once.
            call.again();
            let all = Trail::read(bottle)?;
            let shown = all
                .iter()
                .find(|one| one.host == host && !one.phase.is_empty());
            shown
                .map(|one| one.name.clone())
                .ok_or_else(|| format!("{all:?}"))
        });
        let name = format!("proposal/{name}");
        thread::sleep(dice.seconds(0, 5));
        let (decision, revoked) = match dice.below(10) {
            0..6 => ("Approved", false),
            6..8 => ("Approved", true),
            _ => ("Rejected", false),
        };
        eventually("a person decides", LONG, || {
            try_to_decide(bottle, &name, decision)
        });
        if revoked {
            thread::sleep(dice.seconds(0, 3));
            eventually("a person revokes", LONG, || {
                try_to_decide(bottle, &name, "Revoked")
            });
        }
        let answer = eventually(&format!("{host} is answered"), LONG, || {
            call.again();
            if call.waits() {
                Err(format!("{:?}", Trail::read(bottle)))
            } else {
                Ok(call.answer())
            }
        });
        let fits = match (decision, revoked) {
            ("Approved", false) => answer.contains("status: approved"),
            ("Approved", true) => !answer.contains("status: pending"),
            _ => answer.contains("status: rejected"),
        };
        assert!(fits, "{host} {decision} {revoked}: {answer}");
        thread::sleep(pause);
    }
    asked
}

#[test]
#[ignore = "half an hour of random kills"]
fn whatever_is_killed_every_approval_is_applied_once_and_every_question_answered() {
    let seconds = number_from("BOT_BOTTLE_DISRUPTION_SECONDS").unwrap_or(1800);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let seed = number_from("BOT_BOTTLE_SEED").unwrap_or(now.as_secs()) | 1;
    eprintln!("BOT_BOTTLE_SEED={seed}");
    let namespace = Namespace::new();
    let bottles: Vec<Bottle<'_>> = (0..4)
        .map(|number| namespace.bottle(&format!("b{number}"), DECLARED))
        .collect();
    let works: Vec<Work<'_>> = bottles.iter().map(Work::start).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    let pause = Duration::from_secs(seconds / u64::from(QUESTIONS) / 2);
    let over = AtomicBool::new(false);
    let (wrong, kills) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let asked = thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(seed);
            while Instant::now() < until && !over.load(Ordering::Relaxed) {
                thread::sleep(dice.seconds(5, 20));
                let what = disrupt(&mut dice);
                eprintln!(
                    "{:>5} s: {what}",
                    seconds
                        .saturating_sub(until.saturating_duration_since(Instant::now()).as_secs())
                );
                kills.lock().unwrap().push(what);
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for bottle in &bottles {
                    wrong.lock().unwrap().extend(wrong_now(bottle, DECLARED));
                }
                thread::sleep(Duration::from_secs(2));
            }
        });
        let agents: Vec<_> = bottles
            .iter()
            .zip(1_u64..)
            .map(|(bottle, number)| {
                scope.spawn(move || {
                    live(
                        bottle,
                        Dice(seed.wrapping_mul(number * 2 + 1) | 1),
                        until,
                        pause,
                    )
                })
            })
            .collect();
        let ends: Vec<_> = agents
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        over.store(true, Ordering::Relaxed);
        ends
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let kills = kills.into_inner().unwrap().len();
    let asked: Vec<u32> = asked
        .into_iter()
        .map(|one| one.expect("an agent's life"))
        .collect();
    let mut decided = 0;
    for bottle in &bottles {
        bottle.ready();
        let trails = at_rest(bottle, DECLARED, false);
        decided += trails.len();
        for one in &trails {
            // Names without a server behind: an open one fails later than a closed one.
            let said = bottle.get(&format!("https://{}/", one.host));
            let closed = said.ends_with("/403");
            assert_eq!(closed, one.decision != "Approved", "{one:?}: {said}");
        }
    }
    for work in &works {
        work.never_reached_what_is_closed();
    }
    eprintln!("{kills} kills in {seconds} s; {asked:?} questions, {decided} decided and in order");
    assert!(decided >= 4 && kills >= 1, "nothing happened");
    run(
        "kubectl",
        [
            "-n",
            SYSTEM,
            "rollout",
            "status",
            "deployment/bottle-operator",
            "--timeout=120s",
        ],
        "",
    )
    .good();
}
