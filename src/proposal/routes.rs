//! A change of the routes as a reviewer reads it.

use super::{
    look_alike,
    today::{Today, shown_authority},
};
use crate::config::routes::{Changed, Route, Routes, RoutesChange};
use std::collections::BTreeSet;

/// Characters of a path, and of an upstream's, that a line shows: what follows must stay in sight.
const SHOWN: usize = 60;

/// `+ /github/ → https://api.github.com (Bearer GITHUB_TOKEN)`.
pub(super) fn lines(change: &RoutesChange) -> Vec<String> {
    let changed = change.changed.iter().flat_map(|Changed { from, to }| {
        [format!("- {}", shown(from)), format!("+ {}", shown(to))]
    });
    let added = change
        .added
        .iter()
        .map(|route| format!("+ {}", shown(route)));
    let removed = change
        .removed
        .iter()
        .map(|route| format!("- {}", shown(route)));
    changed.chain(added).chain(removed).collect()
}

fn shown(route: &Route) -> String {
    let scheme = if route.is_http() { "http" } else { "https" };
    // The end of a host says whose it is.
    let host = keep_end(&shown_authority(route));
    let after_scheme = route
        .upstream
        .split_once("://")
        .map_or("", |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
    let auth = match &route.auth {
        Some(auth) => cut(&auth.to_string()),
        None => "no secret".to_owned(),
    };
    format!(
        "{} → {scheme}://{host}{} ({auth})",
        cut(&route.path),
        cut(path)
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

fn keep_end(text: &str) -> String {
    match text.char_indices().rev().nth(SHOWN) {
        None => text.to_owned(),
        Some((at, letter)) => format!("…{}", &text[at + letter.len_utf8()..]),
    }
}

/// What must not be missed, the worst first.
pub(super) fn warnings(change: &RoutesChange, today: Option<&Today>) -> Vec<String> {
    let Some(today) = today else {
        return vec![
            "the Bottle is not valid now, so nothing was compared with what it declares".to_owned(),
        ];
    };
    let unfit = today
        .with_routes(change)
        .err()
        .map(|unfit| unfit.to_string());
    let new: Vec<&Route> = change
        .changed
        .iter()
        .map(|changed| &changed.to)
        .chain(&change.added)
        .collect();
    let known = today.hosts();
    let hosts: BTreeSet<String> = new.iter().filter_map(|route| route.host()).collect();
    let sent = new
        .iter()
        .filter_map(|route| sent_elsewhere(route, &today.routes));
    let alike = hosts
        .iter()
        .filter_map(|host| look_alike::warning(host, &known));
    let http = new.iter().filter(|route| route.is_http()).map(|route| {
        format!(
            "{} goes to {} without TLS: everybody on the way can read and change it",
            cut(&route.path),
            keep_end(&shown_authority(route))
        )
    });
    let inside = new
        .iter()
        .filter_map(|route| inside_another(route, &today.routes));
    let addresses = hosts
        .iter()
        .filter(|host| is_address(host))
        .map(|host| format!("{host} is an address: nobody can tell whose"));
    let long = new.iter().filter(|route| is_cut(route)).map(|route| {
        format!(
            "{} is shortened here; read it whole in the diff",
            cut(&route.path)
        )
    });
    unfit
        .into_iter()
        .chain(sent)
        .chain(alike)
        .chain(http)
        .chain(inside)
        .chain(addresses)
        .chain(long)
        .chain(removals(change))
        .collect()
}

/// A secret that goes where it did not go before: the one way in which an approval can give a credential away.
fn sent_elsewhere(route: &Route, today: &Routes) -> Option<String> {
    let name = route.auth.as_ref()?.secret();
    let to = shown_authority(route);
    let so_far: BTreeSet<String> = today
        .routes
        .iter()
        .filter(|other| {
            other
                .auth
                .as_ref()
                .is_some_and(|auth| auth.secret() == name)
        })
        .map(shown_authority)
        .collect();
    if so_far.contains(&to) {
        return None;
    }
    let to = keep_end(&to);
    let name = cut(name);
    if so_far.is_empty() {
        return Some(format!(
            "{name} is not in use so far; this sends it to {to}"
        ));
    }
    let so_far: Vec<String> = so_far.iter().take(3).map(|host| keep_end(host)).collect();
    Some(format!(
        "{name} would be sent to another host: {to}. So far it goes to {} only",
        so_far.join(", ")
    ))
}

/// Requests below a route's path that would now go somewhere else, since the longest path wins.
fn inside_another(route: &Route, today: &Routes) -> Option<String> {
    let outer = today
        .routes
        .iter()
        .filter(|other| other.path.len() < route.path.len() && route.path.starts_with(&other.path))
        .max_by_key(|other| other.path.len())?;
    if today.get(&route.path).is_some() {
        return None;
    }
    Some(format!(
        "{} lies inside {}: what went there to {} goes to {}",
        cut(&route.path),
        cut(&outer.path),
        keep_end(&shown_authority(outer)),
        keep_end(&shown_authority(route))
    ))
}

fn removals(change: &RoutesChange) -> Option<String> {
    let paths: Vec<String> = change
        .removed
        .iter()
        .map(|route| cut(&route.path))
        .collect();
    (!paths.is_empty()).then(|| {
        format!(
            "this takes {} route(s) away: {}",
            paths.len(),
            paths.join(", ")
        )
    })
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || crate::config::allowlist::ends_in_number(host)
}

fn is_cut(route: &Route) -> bool {
    shown(route).contains('…')
}
