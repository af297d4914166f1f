//! Grants that come and go: what is in force depends on which there are, not on how it came to that.

use bot_bottle::config::allowlist::{Allowlist, AllowlistChange};
use bot_bottle::config::routes::{Changed, Route, Routes, RoutesChange};
use bot_bottle::plan::fold::{Effective, fold};
use bot_bottle::proposal::change::Change;
use bot_bottle::proposal::progress::Grant;
use bot_bottle::proposal::today::Today;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Grants commute when no two are about the same host or path: the grant of number N is about `hN` or `/rN/` only.
const NUMBERS: usize = 8;

/// What a grant does with what it is about.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Add,
    Remove,
    /// Of a route: it leads elsewhere. Of a host: its subdomains instead of itself.
    Alter,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![Just(Deed::Add), Just(Deed::Remove), Just(Deed::Alter)]
}

fn host(number: usize) -> String {
    format!("h{number}.example")
}

fn route(number: usize, version: &str) -> Route {
    let text = format!(r#"{{"path": "/r{number}/", "upstream": "https://{version}.example"}}"#);
    serde_json::from_str(&text).unwrap()
}

/// Half of the numbers are declared, so that each deed meets both.
fn declared() -> Today {
    let numbers = || (0..NUMBERS).filter(|number| number % 2 == 0);
    let hosts: Vec<String> = numbers().map(host).collect();
    Today {
        allowlist: Allowlist::parse_declared(&hosts.join("\n")).unwrap(),
        routes: Routes {
            routes: numbers().map(|number| route(number, "old")).collect(),
        },
        ..Today::default()
    }
}

fn change(number: usize, deed: Deed, of_routes: bool) -> Change {
    let host = host(number);
    if of_routes {
        let mut change = RoutesChange::default();
        match deed {
            Deed::Add => change.added.push(route(number, "old")),
            Deed::Remove => change.removed.push(route(number, "old")),
            Deed::Alter => change.changed.push(Changed {
                from: route(number, "old"),
                to: route(number, "new"),
            }),
        }
        return Change::Routes(change);
    }
    let (added, removed) = match deed {
        Deed::Add => (vec![host], vec![]),
        Deed::Remove => (vec![], vec![host]),
        Deed::Alter => (vec![format!(".{host}")], vec![host]),
    };
    Change::Hosts(AllowlistChange { added, removed })
}

/// The same in words of its own: what is there of each number.
fn expected(live: &BTreeMap<usize, (Deed, bool)>) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let mut hosts = BTreeSet::new();
    let mut routes = BTreeMap::new();
    for number in 0..NUMBERS {
        let is_declared = number % 2 == 0;
        let (path, grant) = (format!("/r{number}/"), live.get(&number));
        let of = |routes: bool| {
            grant
                .filter(|(_, of_routes)| *of_routes == routes)
                .map(|(deed, _)| *deed)
        };
        match (of(false), is_declared) {
            (Some(Deed::Alter), _) => drop(hosts.insert(format!(".{}", host(number)))),
            (Some(Deed::Add), _) | (None, true) => drop(hosts.insert(host(number))),
            (Some(Deed::Remove), _) | (None, false) => {}
        }
        match (of(true), is_declared) {
            // What was not there can't lead elsewhere: that grant does not fit, and does nothing.
            (Some(Deed::Alter), true) => {
                drop(routes.insert(path, "https://new.example".to_owned()))
            }
            (Some(Deed::Add), _) | (None, true) => {
                drop(routes.insert(path, "https://old.example".to_owned()))
            }
            (Some(Deed::Remove), _) | (None | Some(Deed::Alter), false) => {}
        }
    }
    (hosts, routes)
}

fn seen(effective: &Effective) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let routes = effective.routes.routes.iter();
    (
        effective.allowlist.hosts().collect(),
        routes
            .map(|route| (route.path.clone(), route.upstream.clone()))
            .collect(),
    )
}

/// Approvals and revocations in some order: each approval gets the next number of the fold.
fn history() -> impl Strategy<Value = Vec<(usize, Deed, bool, bool)>> {
    proptest::collection::vec(
        (
            0..NUMBERS,
            deed(),
            any::<bool>(),
            proptest::bool::weighted(0.7),
        ),
        0..30,
    )
}

proptest! {
    #[test]
    fn any_order_of_approvals_and_revocations_gives_what_the_live_grants_say(history in history(), twist in any::<u64>()) {
        let mut live = BTreeMap::new();
        let mut grants: Vec<(usize, Grant)> = Vec::new();
        for (at, (number, deed, of_routes, approved)) in history.into_iter().enumerate() {
            grants.retain(|(of, _)| *of != number);
            live.remove(&number);
            if approved {
                let change = change(number, deed, of_routes);
                grants.push((number, Grant { sequence: i64::try_from(at).unwrap(), change, build: None }));
                live.insert(number, (deed, of_routes));
            }
        }
        let grants: Vec<Grant> = grants.into_iter().map(|(_, grant)| grant).collect();
        let effective = fold(&declared(), &grants);
        prop_assert_eq!(seen(&effective), expected(&live));
        // Other numbers of the fold: the approvals came in another order.
        let mut other = grants.clone();
        for (at, grant) in other.iter_mut().enumerate() {
            grant.sequence = grant.sequence * 31 % 97 * 8 + i64::try_from((twist as usize + at) % 8).unwrap();
        }
        prop_assert_eq!(seen(&fold(&declared(), &other)), expected(&live));
        // Each twice: approved, and by a proposal with other words again.
        let again = grants.iter().map(|grant| Grant { sequence: grant.sequence + 1_000, ..grant.clone() });
        let twice: Vec<Grant> = grants.iter().cloned().chain(again).collect();
        prop_assert_eq!(seen(&fold(&declared(), &twice)), expected(&live));
        // What grants hide is listed, and nothing else.
        let (hosts, routes) = expected(&live);
        let was = seen(&fold(&declared(), &[]));
        let hidden: BTreeSet<String> = was.0.difference(&hosts).cloned()
            .chain(was.1.into_iter().filter(|(path, to)| routes.get(path) != Some(to)).map(|(path, _)| path))
            .collect();
        prop_assert_eq!(effective.hidden.into_iter().collect::<BTreeSet<_>>(), hidden);
    }
}

#[test]
fn without_grants_what_is_declared_is_in_force_to_the_letter() {
    let declared = declared();
    let effective = fold(&declared, &[]);
    assert_eq!(effective.allowlist.render(), declared.allowlist.render());
    assert_eq!(effective.routes.render(), declared.routes.render());
    assert_eq!(effective.hidden, Vec::<String>::new());
}
