//! The rules of `routes.json`, each with a file that breaks it.

use super::*;

const GITHUB: &str = r#"{"path": "/github/", "upstream": "https://api.github.com", "auth": {"scheme": "Bearer", "secret": "GITHUB_TOKEN"}}"#;

fn file(routes: &[&str]) -> String {
    format!(r#"{{"routes": [{}]}}"#, routes.join(", "))
}

fn declared(routes: &[&str]) -> Routes {
    Routes::parse_declared(&file(routes)).unwrap()
}

fn proposed(text: &str) -> Result<Routes, RoutesError> {
    Routes::parse_proposed(text, &Routes::default())
}

#[test]
fn every_form_of_auth_is_read_and_written_back() {
    for auth in [
        r#"{"scheme":"Bearer","secret":"A"}"#,
        r#"{"scheme":"token","secret":"A"}"#,
        r#"{"scheme":"Basic","user":"me","secret":"A"}"#,
        r#"{"header":"X-Api-Key","template":"key {secret}","secret":"A.b-c"}"#,
        r#"{"query":"api_key","secret":"A"}"#,
    ] {
        let text = file(&[&format!(
            r#"{{"path": "/a/", "upstream": "https://a.example", "auth": {auth}}}"#
        )]);
        let routes = proposed(&text).unwrap_or_else(|error| panic!("{auth}: {error}"));
        assert_eq!(serde_json::to_string(&routes.routes[0].auth).unwrap(), auth);
        assert_eq!(proposed(&routes.render()).unwrap(), routes);
    }
    let none = proposed(&file(&[
        r#"{"path": "/a/", "upstream": "https://a.example/v1/", "auth": null}"#,
    ]))
    .unwrap();
    assert_eq!(none.routes[0].auth, None);
}

#[test]
fn a_route_that_breaks_a_rule_is_refused_with_its_number() {
    let route =
        |path: &str, upstream: &str| format!(r#"{{"path": "{path}", "upstream": "{upstream}"}}"#);
    let auth = |auth: &str| {
        format!(r#"{{"path": "/x/", "upstream": "https://x.example", "auth": {auth}}}"#)
    };
    let ok = "https://x.example";
    let table = [
        (route("x/", ok), Rule::Path),
        (route("/x", ok), Rule::Path),
        (route("", ok), Rule::Path),
        (route("/a//b/", ok), Rule::Path),
        (route("/a/../b/", ok), Rule::Path),
        (route("/a%2fb/", ok), Rule::Path),
        (route("/a b/", ok), Rule::Path),
        (route("/mcp/x/", ok), Rule::ReservedPath),
        (route("/model/", ok), Rule::ReservedPath),
        (
            route("/github/", ok),
            Rule::PathTwice("/github/".to_owned()),
        ),
        (route("/x/", "http://x.example"), Rule::Http),
        (route("/x/", "HTTP://x.example"), Rule::Http),
        (route("/x/", "ftp://x.example"), Rule::Upstream),
        (route("/x/", "x.example"), Rule::Upstream),
        (route("/x/", "/x"), Rule::Upstream),
        (route("/x/", "https://"), Rule::Upstream),
        (route("/x/", "https://me:pw@x.example"), Rule::Upstream),
        (route("/x/", "https://x.example/?a=b"), Rule::Upstream),
        (route("/x/", "https://x.example/#a"), Rule::Upstream),
        (route("/x/", "https://x.example/a/../b"), Rule::Upstream),
        (route("/x/", "https://x.example:"), Rule::Upstream),
        (
            r#"{"path": "/x/", "upstream": "https://x.example", "plain": true}"#.to_owned(),
            Rule::Plain,
        ),
        (
            auth(r#"{"scheme": "Bearer", "secret": "../A"}"#),
            Rule::SecretName,
        ),
        (
            auth(r#"{"scheme": "Bearer", "secret": ""}"#),
            Rule::SecretName,
        ),
        (
            auth(r#"{"scheme": "Basic", "user": "a:b", "secret": "A"}"#),
            Rule::User,
        ),
        (
            auth(r#"{"header": "Host", "template": "{secret}", "secret": "A"}"#),
            Rule::Header,
        ),
        (
            auth(r#"{"header": "a b", "template": "{secret}", "secret": "A"}"#),
            Rule::Header,
        ),
        (
            auth(r#"{"header": "X-A", "template": "secret", "secret": "A"}"#),
            Rule::Template,
        ),
        (
            auth(r#"{"header": "X-A", "template": "{secret}\r\nX: y", "secret": "A"}"#),
            Rule::Template,
        ),
        (auth(r#"{"query": "a=b&c", "secret": "A"}"#), Rule::Query),
    ];
    for (route, expected) in table {
        match proposed(&file(&[GITHUB, &route])) {
            Err(RoutesError::Route { number: 2, rule }) => assert_eq!(rule, expected, "{route}"),
            other => panic!("{route}: {other:?}"),
        }
    }
}

#[test]
fn a_file_of_another_shape_is_refused_with_the_json_error() {
    for text in [
        "",
        "[]",
        "{}",
        "nonsense",
        r#"{"routes": {}}"#,
        r#"{"routes": [], "more": 1}"#,
        r#"{"routes": [], "routes": []}"#,
        r#"{"routes": [{"path": "/a/"}]}"#,
        r#"{"routes": [{"path": "/a/", "upstream": "https://a.example", "to": 1}]}"#,
        r#"{"routes": [{"path": "/a/", "upstream": "https://a.example", "auth": {}}]}"#,
        r#"{"routes": [{"path": "/a/", "upstream": "https://a.example", "auth": {"scheme": "Bearer"}}]}"#,
        r#"{"routes": [{"path": "/a/", "upstream": "https://a.example", "auth": {"scheme": "Bearer", "user": "a", "secret": "A"}}]}"#,
        r#"{"routes": [{"path": "/a/", "upstream": "https://a.example", "auth": {"scheme": "Bearer", "query": "a", "secret": "A"}}]}"#,
        r#"{"routes": []} "#.trim_end().strip_suffix('}').unwrap(),
    ] {
        assert!(
            matches!(proposed(text), Err(RoutesError::Json(_))),
            "{text}"
        );
    }
}

#[test]
fn a_declared_route_may_do_what_a_proposed_one_may_not_and_stays_as_it_is() {
    let plain = r#"{"path": "/old/", "upstream": "http://old.example", "plain": true}"#;
    let model = r#"{"path": "/model/", "upstream": "https://model.example"}"#;
    let in_force = declared(&[plain, model]);
    assert!(Routes::parse_proposed(&file(&[plain, model, GITHUB]), &in_force).is_ok());
    let elsewhere = plain.replace("old.example", "new.example");
    assert!(Routes::parse_proposed(&file(&[&elsewhere, model]), &in_force).is_err());
}

#[test]
fn order_and_spelling_have_no_meaning() {
    let other = r#"{"path": "/x/", "upstream": "https://x.example", "auth": null}"#;
    assert!(declared(&[GITHUB, other]).same_meaning(&declared(&[
        &other.replace(r#", "auth": null"#, ""),
        GITHUB
    ])));
    assert!(!declared(&[GITHUB]).same_meaning(&declared(&[GITHUB, other])));
}

#[test]
fn a_change_leads_from_one_file_to_the_other_and_applies_once() {
    let x = |to: &str| format!(r#"{{"path": "/x/", "upstream": "https://{to}.example"}}"#);
    let y = r#"{"path": "/y/", "upstream": "https://y.example"}"#;
    let (from, to) = (declared(&[y, &x("one")]), declared(&[&x("two"), GITHUB]));
    let change = change(&from, &to);
    assert_eq!(
        (
            change.added.len(),
            change.changed.len(),
            change.removed.len()
        ),
        (1, 1, 1)
    );
    let applied = from.apply(&change).unwrap();
    assert!(applied.same_meaning(&to));
    assert_eq!(applied.apply(&change).unwrap(), applied);
}

#[test]
fn a_route_that_another_changed_since_is_a_conflict() {
    let x = |to: &str| {
        declared(&[&format!(
            r#"{{"path": "/x/", "upstream": "https://{to}.example"}}"#
        )])
    };
    let empty = Routes::default();
    for (from, to, today) in [
        (x("one"), x("two"), x("three")),
        (x("one"), x("two"), empty.clone()),
        (x("one"), empty.clone(), x("two")),
        (empty, x("one"), x("two")),
    ] {
        let conflict = today.apply(&change(&from, &to)).unwrap_err();
        assert_eq!(conflict.path, "/x/");
    }
}
