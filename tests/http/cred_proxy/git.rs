//! A real git over a real `git http-backend`, with the credential only in the proxy.

use super::support::{Authority, Proxy, reply, with_auth};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What is pushed; the long run takes the size of the issue.
const SHORT: usize = 20 << 20;
const LONG: usize = 200 << 20;

async fn git(directory: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.example",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(words)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", directory)
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {words:?}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One CGI request of git's own server program; only who brings `authorization` is served.
async fn backend(
    projects: PathBuf,
    authorization: String,
    request: Request<Incoming>,
) -> super::support::Reply {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    if header("authorization") != authorization {
        let mut refused = reply("no\n");
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        return refused;
    }
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &projects)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "agent")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut body = body;
    let feeding = tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data()
                && input.write_all(&data).await.is_err()
            {
                break;
            }
        }
    });
    let output = child.wait_with_output().await.unwrap().stdout;
    let _ = feeding.await;
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let mut response = Response::builder();
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(&value[..3]),
            _ => response.header(name, value),
        };
    }
    let body = Bytes::from(output).slice(end + 4..);
    response.body(Full::new(body).boxed_unsync()).unwrap()
}

async fn clone_fetch_push(auth: &str, authorization: &str, size: usize) {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    git(directory.path(), &["init", "--bare", "projects/repo.git"]).await;
    git(
        &at("projects/repo.git"),
        &["config", "http.receivepack", "true"],
    )
    .await;
    let (projects, expected) = (at("projects"), authorization.to_owned());
    let upstream = authority
        .http(&["http/1.1"], move |request| {
            Box::pin(backend(projects.clone(), expected.clone(), request))
        })
        .await;
    let route = with_auth("/git/", "https://up.example", auth);
    let proxy = Proxy::start(&authority, &[route]).await;
    proxy.dns.answer("up.example", &[upstream.address]);
    proxy.rotate("TOKEN", "pw");
    let url = format!("http://{}/git/repo.git", proxy.address);

    git(directory.path(), &["clone", "-q", &url, "first"]).await;
    // Nothing that packs well.
    let mut state = 0x9e37_79b9_u32;
    let noise: Vec<u8> = (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        })
        .collect();
    fs::write(at("first").join("noise"), &noise).unwrap();
    git(&at("first"), &["add", "noise"]).await;
    git(&at("first"), &["commit", "-qm", "noise"]).await;
    git(&at("first"), &["push", "-q", "origin", "HEAD:main"]).await;

    git(
        directory.path(),
        &["clone", "-q", "-b", "main", &url, "second"],
    )
    .await;
    assert!(
        fs::read(at("second").join("noise")).unwrap() == noise,
        "the clone differs"
    );
    fs::write(at("first").join("more"), "more").unwrap();
    git(&at("first"), &["add", "more"]).await;
    git(&at("first"), &["commit", "-qm", "more"]).await;
    git(&at("first"), &["push", "-q", "origin", "HEAD:main"]).await;
    git(&at("second"), &["fetch", "-q"]).await;
    let heads = git(&at("second"), &["rev-parse", "origin/main"]).await;
    assert_eq!(heads, git(&at("first"), &["rev-parse", "HEAD"]).await);
    assert!(
        upstream
            .seen()
            .iter()
            .all(|head| head.contains("authorization: "))
    );
}

const BASIC: &str = r#"{"scheme": "Basic", "secret": "TOKEN"}"#;
const BEARER: &str = r#"{"scheme": "Bearer", "secret": "TOKEN"}"#;

fn basic() -> String {
    format!("Basic {}", BASE64.encode("x-access-token:pw"))
}

#[tokio::test]
async fn git_clones_pushes_and_fetches_with_basic() {
    clone_fetch_push(BASIC, &basic(), SHORT).await;
}

#[tokio::test]
async fn git_clones_pushes_and_fetches_with_bearer() {
    clone_fetch_push(BEARER, "Bearer pw", 1 << 20).await;
}

#[tokio::test]
#[ignore = "long: a pack of 200 MB"]
async fn git_moves_a_large_pack() {
    clone_fetch_push(BASIC, &basic(), LONG).await;
    clone_fetch_push(BEARER, "Bearer pw", LONG).await;
}
