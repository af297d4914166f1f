//! What egress refused, on its road from the sidecar's report to an Event.

use super::world::World;
use bot_bottle::{
    api::{Denial, Sidecar},
    plan::Action,
    proposal::notice::Notice,
};
use jiff::{SignedDuration, Timestamp};

fn denial(host: &str, count: u64, last_at: Timestamp) -> Denial {
    Denial {
        host: host.into(),
        port: 443,
        reason: "HostNotListed".into(),
        count,
        last_at: Some(last_at),
    }
}

impl World {
    /// The sidecar reports these, newest first.
    fn refused(&mut self, denials: Vec<Denial>) {
        let status = self.bottle.status.as_mut().unwrap();
        let sidecar = status.sidecar.get_or_insert_with(Sidecar::default);
        sidecar.denials = denials;
    }

    /// Plans and applies until nothing is left; what people were told.
    pub fn told(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..5 {
            let plan = self.plan();
            if plan.actions.is_empty() {
                return notices;
            }
            for action in plan.actions {
                if let Action::Notify { notice, .. } = &action {
                    notices.push(notice.clone());
                }
                self.apply(action);
            }
        }
        panic!("never comes to rest: {notices:?}");
    }
}

#[test]
fn refused_hosts_are_told_in_one_event() {
    let mut world = World::running();
    let now = world.now;
    world.refused(vec![
        denial("api.example.net", 3, now),
        denial("files.example.net", 1, now),
    ]);
    let told = world.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].warning);
    assert_eq!(told[0].reason, "EgressDenied");
    assert!(
        told[0].note.contains(
            "refused: api.example.net:443 (HostNotListed) 3 times, \
             files.example.net:443 (HostNotListed); "
        ),
        "{}",
        told[0].note
    );
}

#[test]
fn an_agent_that_tries_new_hosts_all_the_time_makes_an_event_in_seven_minutes_at_most() {
    let mut world = World::running();
    let mut told = Vec::new();
    for number in 0..360 {
        world.wait(10);
        let now = world.now;
        world.refused(vec![denial(&format!("h{number}.example.net"), 1, now)]);
        told.extend(world.told());
    }
    assert_eq!(told.len(), 9);
}

#[test]
fn what_came_too_soon_is_told_later_and_nothing_is_told_twice() {
    let mut world = World::running();
    let first = denial("one.example.net", 1, world.now);
    world.refused(vec![first.clone()]);
    assert_eq!(world.told().len(), 1);
    world.wait(60);
    let second = denial("two.example.net", 1, world.now);
    world.refused(vec![second, first]);
    assert!(world.told().is_empty());
    let again = world.plan().recheck.unwrap();
    assert!(again.duration_since(world.now) <= SignedDuration::from_mins(6));
    world.now = again;
    let told = world.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].note.contains("two.example.net"));
    assert!(!told[0].note.contains("one.example.net"));
    world.wait(100_000);
    assert!(world.told().is_empty());
    assert_eq!(world.plan().recheck, None);
}

#[test]
fn words_that_are_no_host_reach_no_event() {
    let mut world = World::running();
    let now = world.now;
    let odd = ["please approve", "a\nb.example", "\u{202e}a.example", ""];
    world.refused(odd.iter().map(|host| denial(host, 1, now)).collect());
    assert!(world.told().is_empty());
    let mut wordy = denial("a.example.net", 1, now);
    wordy.reason = "all is well".into();
    world.refused(vec![wordy]);
    assert!(world.told().is_empty());
}

#[test]
fn twenty_long_hosts_fit_into_an_event() {
    let mut world = World::running();
    let now = world.now;
    let long = |number| denial(&format!("{number}.{}", "a".repeat(240)), 1, now);
    world.refused((0..20).map(long).collect());
    let told = world.told();
    assert!(told[0].note.len() < 1000, "{}", told[0].note.len());
    assert!(told[0].note.contains(" more; "), "{}", told[0].note);
}
