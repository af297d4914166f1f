//! `seal build-kit`: a build step's first process where BuildKit builds. Behind the same wall and filter as the other
//! builder it runs the daemon in a user namespace, then its client, whose end is the build's.

use super::build::{FAILED, guard};
use super::namespace;
use super::report::{one_line, say};
use crate::names::{path, port};
use crate::telemetry::chain;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use std::error::Error;
use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For the daemon to answer, on a busy node.
const PATIENCE: Duration = Duration::from_secs(60);
const ROUND: Duration = Duration::from_millis(20);
/// What of the daemon's own log is shown when it does not come up.
const LOG_MAX: usize = 1500;

/// Builds on the images of these names, which lie beside in that order; returns the build's exit code.
pub fn run(bases: &[&str]) -> u8 {
    build(bases).unwrap_or_else(|error| {
        say(one_line(&chain(&*error)));
        FAILED
    })
}

/// The place in which a builder takes its turn; returns only when that fails.
pub fn enter(words: &[&str]) -> u8 {
    match namespace::enter(words) {
        Ok(()) => 0,
        Err(error) => {
            say(one_line(&chain(&*error)));
            FAILED
        }
    }
}

fn build(bases: &[&str]) -> Result<u8, Box<dyn Error>> {
    guard()?;
    let mut client = client(bases)?;
    let log = format!("{}/run/buildkitd.log", path::BUILD);
    let mut daemon = namespace::spawn(&daemon(), fs::File::create(&log)?)?;
    let ended = wait(&mut daemon).and_then(|()| Ok(client.status()?));
    let _ = kill(Pid::from_raw(daemon.id().cast_signed()), Signal::SIGKILL);
    let _ = daemon.wait();
    let status = ended.map_err(|error| {
        let text = fs::read(&log).unwrap_or_default();
        let end = &text[text.len().saturating_sub(LOG_MAX)..];
        format!("{error} {}", String::from_utf8_lossy(end))
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(FAILED))
}

fn socket() -> String {
    format!("{}/run/buildkitd.sock", path::BUILD)
}

/// Its steps run as the pod's own processes do, in the pod's network: what holds them is around all of it.
fn daemon() -> Vec<String> {
    let mut words = vec!["buildkitd".to_owned()];
    words.extend(
        [
            "--rootless",
            "--oci-worker-no-process-sandbox",
            "--oci-worker-net=host",
            "--oci-worker-snapshotter=native",
            "--oci-worker-gc=false",
            "--containerd-worker=false",
        ]
        .map(str::to_owned),
    );
    words.push(format!("--root={}/storage", path::BUILD));
    words.push(format!("--addr=unix://{}", socket()));
    words
}

fn client(bases: &[&str]) -> Result<Command, Box<dyn Error>> {
    let mut client = Command::new("buildctl");
    client.arg(format!("--addr=unix://{}", socket()));
    client.args(["build", "--progress=plain", "--frontend=dockerfile.v0"]);
    let (directory, file) = path::DOCKERFILE
        .rsplit_once('/')
        .ok_or("the Dockerfile has no place")?;
    client.arg(format!("--local=dockerfile={directory}"));
    client.arg(format!("--local=context={}/context", path::BUILD));
    client.arg(format!("--opt=filename={file}"));
    // A first line "# syntax=…" would have another program read the file, from an image that nobody has reviewed.
    client.arg("--opt=cmdline=none");
    client.arg("--opt=build-arg:SOURCE_DATE_EPOCH=0");
    let proxy = format!("http://127.0.0.1:{}", port::EGRESS);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        client.arg(format!("--opt=build-arg:{name}={proxy}"));
    }
    for (at, base) in bases.iter().enumerate() {
        let layout = format!("{}/bases/{at}", path::BUILD);
        let digest = digest(&fs::read(format!("{layout}/index.json"))?)?;
        client.arg(format!("--oci-layout=base-{at}={layout}"));
        let name = familiar(base);
        client.arg(format!(
            "--opt=context:{name}=oci-layout://base-{at}@{digest}"
        ));
    }
    client.arg(format!(
        "--output=type=oci,tar=false,dest={}/out",
        path::BUILD
    ));
    Ok(client)
}

/// The one image that `pull` has left.
fn digest(index: &[u8]) -> Result<String, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Index {
        manifests: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        digest: String,
    }
    let index: Index = serde_json::from_slice(index)?;
    let first = index.manifests.into_iter().next();
    Ok(first.ok_or("a base was not pulled")?.digest)
}

/// An image's name as BuildKit looks it up: without what goes without saying.
fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    name.strip_suffix(":latest").unwrap_or(name)
}

fn wait(daemon: &mut Child) -> Result<(), Box<dyn Error>> {
    let until = Instant::now() + PATIENCE;
    while UnixStream::connect(socket()).is_err() {
        if let Some(status) = daemon.try_wait()? {
            return Err(format!("buildkitd ended with {status}:").into());
        }
        if Instant::now() >= until {
            return Err(
                format!("buildkitd did not answer within {} s:", PATIENCE.as_secs()).into(),
            );
        }
        sleep(ROUND);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_named_as_the_builder_looks_it_up() {
        for (name, known) in [
            ("debian", "debian"),
            ("debian:latest", "debian"),
            ("docker.io/library/debian:12", "debian:12"),
            ("docker.io/a/b", "a/b"),
            ("one.example:5000/a:1", "one.example:5000/a:1"),
            ("one.example/library/a:latest", "one.example/library/a"),
        ] {
            assert_eq!(familiar(name), known);
        }
    }

    #[test]
    fn the_digest_is_the_pulled_one() {
        let index = br#"{"manifests": [{"digest": "sha256:ab", "size": 1}]}"#;
        assert_eq!(digest(index).unwrap(), "sha256:ab");
        assert!(digest(br#"{"manifests": []}"#).is_err());
    }
}
