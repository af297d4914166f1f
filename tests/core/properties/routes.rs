//! Routes: what is accepted, what is said of the rest, and changes.

use super::text::odd;
use bot_bottle::config::routes::{Routes, change};
use bot_bottle::config::text::is_forbidden;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

fn auth() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!({"scheme": "Bearer", "secret": "A"}),
        json!({"scheme": "Basic", "secret": "A", "user": "me"}),
        json!({"header": "X-Key", "template": "k {secret}", "secret": "B"}),
        json!({"query": "key", "secret": "B"}),
    ])
}

/// A route that an agent may send, below one of a few paths.
fn route() -> impl Strategy<Value = Value> {
    let upstream = "https://[a-c]\\.example(:[1-9][0-9]{1,3})?(/[a-z]{0,3}){0,2}";
    ("/[a-d]/([x-z]/)?", upstream, auth()).prop_map(
        |(path, upstream, auth)| json!({"path": path, "upstream": upstream, "auth": auth}),
    )
}

/// A file with each path once.
pub fn file() -> impl Strategy<Value = String> {
    proptest::collection::vec(route(), 0..6).prop_map(|mut routes| {
        let mut seen = std::collections::BTreeSet::new();
        routes.retain(|route| seen.insert(route["path"].to_string()));
        json!({"routes": routes}).to_string()
    })
}

/// Something in the shape of a file, with strangers' words in any place.
fn misshapen() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        odd().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!([])),
        Just(json!(null))
    ];
    let key = prop_oneof![
        select(vec![
            "path", "upstream", "auth", "secret", "scheme", "header", "template", "query", "user",
            "plain"
        ])
        .prop_map(str::to_owned),
        odd(),
        odd().prop_map(|text| text.repeat(200)),
    ];
    let object = proptest::collection::vec((key.clone(), value), 0..5)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()));
    let route = (route(), key, object).prop_map(|(mut route, key, value)| {
        route[key] = value;
        route
    });
    proptest::collection::vec(route, 1..3).prop_map(|routes| json!({"routes": routes}).to_string())
}

fn none() -> Routes {
    Routes::default()
}

proptest! {
    #[test]
    fn what_is_refused_is_refused_in_few_words_that_hide_nothing(text in prop_oneof![odd(), misshapen()]) {
        for read in [Routes::parse_declared(&text), Routes::parse_proposed(&text, &none())] {
            match read {
                Ok(routes) => prop_assert_eq!(Routes::parse_declared(&routes.render()).unwrap(), routes),
                Err(error) => {
                    let words = error.to_string();
                    prop_assert!(words.chars().count() < 3_000, "{}", words.len());
                    prop_assert!(!words.contains(is_forbidden) && !words.contains('\t'), "{words:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_accepted_means_the_same_when_it_is_written_and_read_again(file in file()) {
        let routes = Routes::parse_proposed(&file, &none()).unwrap();
        let again = Routes::parse_proposed(&routes.render(), &none()).unwrap();
        prop_assert_eq!(&again, &routes);
        prop_assert!(again.same_meaning(&routes));
    }

    #[test]
    fn the_route_at_fault_is_named_by_its_number(
        before in proptest::collection::vec("[a-z]{4}", 0..5),
        bad in select(vec!["http://a.example", "https://a@b.example", "ftp://a", "https://a.example?q", ""]),
    ) {
        let good = before.iter().enumerate().map(|(at, name)| json!({"path": format!("/{name}{at}/"), "upstream": "https://a.example"}));
        let faults = [json!({"path": "/bad/", "upstream": bad}), json!({"path": "worse", "upstream": ""})];
        let routes: Vec<Value> = good.chain(faults).collect();
        let error = Routes::parse_proposed(&json!({"routes": routes}).to_string(), &none()).unwrap_err().to_string();
        prop_assert!(error.starts_with(&format!("route {}:", before.len() + 1)), "{error}");
    }

    #[test]
    fn a_change_leads_from_one_file_to_the_other_and_twice_is_once(from in file(), to in file()) {
        let read = |text: &str| Routes::parse_declared(text).unwrap();
        let (from, to) = (read(&from), read(&to));
        let change = change(&from, &to);
        let made = from.apply(&change).unwrap();
        prop_assert!(made.same_meaning(&to));
        prop_assert_eq!(made.apply(&change).unwrap(), made);
        prop_assert_eq!(change.is_empty(), from.same_meaning(&to));
    }

    #[test]
    fn a_change_that_does_not_fit_changes_nothing_and_one_that_fits_touches_its_paths_only(
        from in file(), to in file(), today in file()
    ) {
        let read = |text: &str| Routes::parse_declared(text).unwrap();
        let (from, to, today) = (read(&from), read(&to), read(&today));
        let change = change(&from, &to);
        let made = today.apply(&change);
        for path in from.routes.iter().chain(&to.routes).chain(&today.routes).map(|route| &route.path) {
            let (before, after, now) = (from.get(path), to.get(path), today.get(path));
            let touched = before != after;
            match &made {
                Ok(made) if touched => prop_assert_eq!(made.get(path), after),
                Ok(made) => prop_assert_eq!(made.get(path), now),
                Err(conflict) if *path == conflict.path => prop_assert!(touched && now != before && now != after),
                Err(_) => {}
            }
        }
    }
}
