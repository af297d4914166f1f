//! What can happen to a bottle and its proposals.

use proptest::prelude::*;

/// Places for proposals: the same place twice is the same question, or the same name after a deletion.
pub const PLACES: usize = 3;
/// Hosts that everything is about.
pub const HOSTS: u8 = 3;
/// Routes that everything is about.
pub const PATHS: u8 = 1;
/// Upstreams of a route.
pub const UPSTREAMS: u8 = 3;

/// What an agent asks for, seen from what it has mounted.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Hosts, by bits: those that the new file has.
    Hosts(u8),
    /// One route, led elsewhere, or taken away.
    Route(u8, Option<u8>),
    /// A program in the image, which nothing applies yet.
    Image,
    /// A file that no sidecar would let through.
    Nonsense,
}

/// How a person decides.
#[derive(Clone, Debug)]
pub enum Verdict {
    Approve,
    /// With other hosts, by bits.
    ApproveAs(u8),
    /// With a final file that can't be read.
    ApproveBadly,
    Reject,
}

#[derive(Clone, Debug)]
pub enum Event {
    /// A new question, or the same again when the place is taken.
    Ask(usize, Wish),
    Decide(usize, Verdict),
    /// Corrects a final file that can't be read.
    Correct(usize, u8),
    Revoke(usize),
    /// The grant ends after so many seconds.
    Limit(usize, Option<i64>),
    Delete(usize),
    /// The operator plans and applies; after so many writes it is killed.
    Plan(Option<usize>),
    /// The operator comes to rest.
    Rest,
    /// The kubelet brings the newest ConfigMap to the sidecars.
    Mount,
    /// The proxies enforce what is mounted.
    Enforce,
    /// The sidecar reports to the Bottle what is enforced.
    Report,
    /// A report that was on its way for long.
    ReportOld(usize),
    /// All of the road, without a hitch.
    Deliver,
    /// The sidecar answers whom it can; whether it lives to say so.
    Answer(bool),
    /// Another list of hosts, by bits, and other routes in the Bottle.
    Edit(u8, Option<u8>),
    /// The Bottle becomes one that can't be.
    Break,
    /// Deleted, and made again under its name.
    Replace,
    Wait(i64),
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        6 => (0..1_u8 << HOSTS).prop_map(Wish::Hosts),
        4 => (0..PATHS, proptest::option::weighted(0.8, 0..UPSTREAMS)).prop_map(|(path, to)| Wish::Route(path, to)),
        1 => Just(Wish::Image),
        1 => Just(Wish::Nonsense),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        6 => Just(Verdict::Approve),
        2 => (0..1_u8 << HOSTS).prop_map(Verdict::ApproveAs),
        1 => Just(Verdict::ApproveBadly),
        2 => Just(Verdict::Reject),
    ]
}

/// Seconds around those at which something ends: an hour, the two hours of a question, the day of the trail.
fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![
        1..30_i64,
        Just(1_800),
        Just(3_600),
        Just(7_200),
        Just(86_400)
    ]
}

pub fn any() -> impl Strategy<Value = Event> {
    let place = 0..PLACES;
    prop_oneof![
        16 => (place.clone(), wish()).prop_map(|(place, wish)| Event::Ask(place, wish)),
        20 => (place.clone(), verdict()).prop_map(|(place, verdict)| Event::Decide(place, verdict)),
        2 => (place.clone(), 0..1_u8 << HOSTS).prop_map(|(place, hosts)| Event::Correct(place, hosts)),
        5 => place.clone().prop_map(Event::Revoke),
        3 => (place.clone(), proptest::option::of(seconds())).prop_map(|(place, after)| Event::Limit(place, after)),
        6 => place.prop_map(Event::Delete),
        10 => proptest::option::weighted(0.7, 0..5_usize).prop_map(Event::Plan),
        8 => Just(Event::Rest),
        8 => Just(Event::Mount),
        8 => Just(Event::Enforce),
        8 => Just(Event::Report),
        1 => (0..4_usize).prop_map(Event::ReportOld),
        8 => any_bool().prop_map(Event::Answer),
        10 => Just(Event::Deliver),
        4 => (0..1_u8 << HOSTS, proptest::option::of(0..UPSTREAMS)).prop_map(|(hosts, route)| Event::Edit(hosts, route)),
        1 => Just(Event::Break),
        1 => Just(Event::Replace),
        5 => seconds().prop_map(Event::Wait),
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.8)
}
