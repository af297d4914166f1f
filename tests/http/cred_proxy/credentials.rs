//! Which credential an upstream gets, and which one nobody gets.

use super::support::{Authority, Proxy, SECRET, reply, route, with_auth};
use crate::support::proxy::status;
use http::Response;
use http_body_util::{BodyExt, Full};
use std::fs;

#[tokio::test]
async fn the_upstream_gets_our_credential_its_own_host_and_nothing_of_the_clients() {
    let authority = Authority::new();
    for (alpn, line) in [
        ("http/1.1", "GET /a?b=c HTTP/1.1\n"),
        ("h2", "GET https://up.example/a?b=c HTTP/2.0\n"),
    ] {
        let upstream = authority
            .http(&[alpn], |_| Box::pin(async { reply("ok\n") }))
            .await;
        let proxy = Proxy::to(&authority, upstream.address).await;
        let lines = "Authorization: Bearer theirs\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n\
                     Forwarded: for=1.2.3.4\r\nProxy-Authorization: Basic x\r\nX-Api-Key: theirs\r\n\
                     TE: trailers\r\nKeep-Alive: 5\r\nMcp-Session-Id: kept\r\nAccept: text/plain\r\n";
        let answer = proxy.get_with("/x/a?b=c", lines).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.ends_with("ok\n"));
        let host = if alpn == "h2" {
            ""
        } else {
            "host: up.example\n"
        };
        let expected = format!(
            "{line}accept: text/plain\nauthorization: Bearer {SECRET}\n{host}mcp-session-id: kept\n"
        );
        assert_eq!(upstream.last(), expected);
    }
}

#[tokio::test]
async fn every_form_of_auth_reaches_the_upstream() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let forms = [
        (
            r#"{"scheme": "Bearer", "secret": "TOKEN"}"#,
            "authorization: Bearer me:pw",
        ),
        (
            r#"{"scheme": "token", "secret": "TOKEN"}"#,
            "authorization: token me:pw",
        ),
        (
            r#"{"scheme": "Basic", "secret": "TOKEN"}"#,
            "authorization: Basic bWU6cHc=",
        ),
        (
            r#"{"scheme": "Basic", "secret": "BARE"}"#,
            "authorization: Basic eC1hY2Nlc3MtdG9rZW46cHc=",
        ),
        (
            r#"{"header": "X-Api-Key", "template": "k={secret}", "secret": "TOKEN"}"#,
            "x-api-key: k=me:pw",
        ),
        (
            r#"{"query": "key", "secret": "TOKEN"}"#,
            "GET /a?b=c&key=me%3Apw HTTP",
        ),
        ("null", "GET /a?b=c&key=theirs HTTP"),
    ];
    for (auth, expected) in forms {
        let proxy = Proxy::start(&authority, &[with_auth("/x/", "https://up.example", auth)]).await;
        proxy.dns.answer("up.example", &[upstream.address]);
        proxy.rotate("TOKEN", "me:pw\n");
        proxy.rotate("BARE", "pw");
        let answer = proxy
            .get_with(
                "/x/a?b=c&key=theirs",
                "Authorization: Bearer theirs\r\nX-Api-Key: theirs\r\n",
            )
            .await;
        assert_eq!(status(&answer), 200, "{answer}");
        let seen = upstream.last();
        assert!(seen.contains(expected), "{auth}: {seen}");
        assert!(
            !seen.contains(": theirs") && !seen.contains("Bearer theirs"),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn a_bad_secret_is_named_and_nothing_is_sent() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    for content in ["", " \n", "two\nlines", "a\tb", "a\r\nX-Injected: 1"] {
        fs::write(proxy.secrets.path().join("TOKEN"), content).unwrap();
        let answer = proxy.get("/x/").await;
        assert_eq!(status(&answer), 503, "{answer}");
        assert!(answer.contains("the secret TOKEN "), "{answer}");
        assert!(
            !answer.contains("Injected") && !answer.contains("lines"),
            "{answer}"
        );
    }
    fs::remove_file(proxy.secrets.path().join("TOKEN")).unwrap();
    assert!(
        proxy
            .get("/x/")
            .await
            .contains("the secret TOKEN is missing")
    );
    assert_eq!(upstream.seen().len(), 0);
    // The wall and not the road: with a good secret the same request arrives.
    proxy.rotate("TOKEN", "good");
    assert_eq!(status(&proxy.get("/x/").await), 200);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn the_next_request_uses_the_new_secret_on_the_same_connection() {
    let authority = Authority::new();
    for alpn in ["http/1.1", "h2"] {
        let upstream = authority
            .http(&[alpn], |_| Box::pin(async { reply("ok\n") }))
            .await;
        let proxy = Proxy::to(&authority, upstream.address).await;
        for round in 0..20 {
            let value = format!("rotated-{round}");
            proxy.rotate("TOKEN", &value);
            assert_eq!(status(&proxy.get("/x/").await), 200);
            let expected = format!("authorization: Bearer {value}\n");
            assert!(upstream.last().contains(&expected), "{}", upstream.last());
        }
        assert_eq!(upstream.connections(), 1, "{alpn}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_lead_back_through_the_route() {
    let authority = Authority::new();
    let upstream = authority
        .http(&["http/1.1"], |request| {
            let to = request.uri().query().unwrap_or_default().to_owned();
            let body = Full::new("moved\n".into()).boxed_unsync();
            let response = Response::builder()
                .status(302)
                .header("location", to)
                .header("set-cookie", "session=1")
                .header("alt-svc", "h3=\":443\"")
                .header("x-echo", format!("Bearer {SECRET}"))
                .body(body);
            Box::pin(async { response.unwrap() })
        })
        .await;
    let proxy = Proxy::start(&authority, &[route("/x/", "https://up.example/v1")]).await;
    proxy.dns.answer("up.example", &[upstream.address]);
    for (to, expected) in [
        ("https://up.example/v1/b", "/x/b"),
        ("/v1/b", "/x/b"),
        ("/other", "https://up.example/other"),
        ("https://evil.example/v1/b", "https://evil.example/v1/b"),
    ] {
        let before = upstream.seen().len();
        let answer = proxy.get(&format!("/x/a?{to}")).await;
        assert_eq!(status(&answer), 302);
        assert!(
            answer.contains(&format!("location: {expected}\r\n")),
            "{answer}"
        );
        assert!(
            !answer.contains("set-cookie") && !answer.contains("alt-svc"),
            "{answer}"
        );
        assert!(!answer.contains(SECRET), "{answer}");
        assert_eq!(upstream.seen().len(), before + 1);
    }
    assert_eq!(proxy.dns.asked(), ["up.example"]);
}

#[tokio::test]
async fn a_page_of_another_site_is_not_lent_the_credentials() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let proxy = Proxy::to(&authority, upstream.address).await;
    let foreign = proxy
        .get_with("/x/", "Origin: https://evil.example\r\n")
        .await;
    assert_eq!(status(&foreign), 403, "{foreign}");
    assert_eq!(upstream.seen().len(), 0);
    let own = proxy
        .get_with("/x/", "Origin: http://localhost:3000\r\n")
        .await;
    assert_eq!(status(&own), 200);
}
