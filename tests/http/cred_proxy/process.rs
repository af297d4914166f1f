//! The program itself, with files as they are mounted.

use super::support::{Authority, SECRET, route};
use crate::support::proxy::{SOON, head, rest, status};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The three directories.
struct Mounts {
    root: TempDir,
}

impl Mounts {
    fn new(routes: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["config", "secrets", "state"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let mounts = Self { root };
        mounts.mount("config", 1, &config(routes, "one"));
        mounts.mount("secrets", 1, &[("TOKEN", SECRET.to_owned())]);
        mounts
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    /// As the kubelet does it: a new directory, then one swap of `..data`.
    fn mount(&self, name: &str, number: u32, files: &[(&str, String)]) {
        let mount = self.path(name);
        let real = format!("..version-{number}");
        fs::create_dir(mount.join(&real)).unwrap();
        for (file, content) in files {
            fs::write(mount.join(&real).join(file), content).unwrap();
            let link = mount.join(file);
            if !link.is_symlink() {
                std::os::unix::fs::symlink(Path::new("..data").join(file), link).unwrap();
            }
        }
        std::os::unix::fs::symlink(&real, mount.join("..new")).unwrap();
        fs::rename(mount.join("..new"), mount.join("..data")).unwrap();
        if number > 1 {
            fs::remove_dir_all(mount.join(format!("..version-{}", number - 1))).unwrap();
        }
    }

    async fn enforced(&self, hash: &str) {
        let file = self.path("state/cred-proxy.hash");
        let written = async {
            while fs::read_to_string(&file).unwrap_or_default() != hash {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, written)
            .await
            .expect("not enforced");
    }
}

fn config(routes: &str, hash: &str) -> Vec<(&'static str, String)> {
    vec![
        ("routes.json", routes.to_owned()),
        ("allowlist", String::new()),
        ("Dockerfile", String::new()),
        ("egress.json", super::support::LOOPBACK.to_owned()),
        ("hash", hash.to_owned()),
    ]
}

fn start(mounts: &Mounts, authority: &Authority, upstream: SocketAddr, port: u16) -> Child {
    Command::new(env!("CARGO_BIN_EXE_supervise"))
        .arg("cred-proxy")
        .arg("--config")
        .arg(mounts.path("config"))
        .arg("--secrets")
        .arg(mounts.path("secrets"))
        .arg("--state")
        .arg(mounts.path("state"))
        .arg("--ca-bundle")
        .arg(&authority.bundle)
        .args(["--port", &port.to_string()])
        .args(["--resolve", &format!("up.example={upstream}")])
        .env("RUST_LOG", "trace")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: cred-proxy\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn mounted_files_are_followed_nothing_is_logged_and_the_end_is_clean() {
    let authority = Authority::new();
    let upstream = authority.ok().await;
    let port = crate::support::free_port();
    let routes = |path: &str| format!(r#"{{"routes": [{}]}}"#, route(path, "https://up.example"));
    let mounts = Mounts::new(&routes("/x/"));
    let mut child = start(&mounts, &authority, upstream.address, port);
    let mut log = child.stderr.take().unwrap();
    let logged = tokio::spawn(async move {
        let mut text = String::new();
        log.read_to_string(&mut text).await.unwrap();
        text
    });
    mounts.enforced("one").await;
    let served = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, served).await.unwrap();
    assert_eq!(status(&get(port, "/x/").await), 200);
    assert!(upstream.last().contains(&format!("Bearer {SECRET}\n")));
    mounts.mount(
        "secrets",
        2,
        &[("TOKEN", "s3cret-token-rotated".to_owned())],
    );
    assert_eq!(status(&get(port, "/x/").await), 200);
    assert!(upstream.last().contains("Bearer s3cret-token-rotated\n"));
    mounts.mount("config", 2, &config(&routes("/y/"), "two"));
    mounts.enforced("two").await;
    assert_eq!(status(&get(port, "/y/").await), 200);
    assert_eq!(status(&get(port, "/x/").await), 404);
    // Its memory is nobody's: no core, and no reader of the same uid.
    let pid = child.id().unwrap();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // A connection that waits for its next request is let go at once.
    let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: cred-proxy\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&head(&mut idle).await), 200);
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = tokio::time::timeout(SOON, child.wait())
        .await
        .expect("it does not end");
    assert_eq!(ended.unwrap().code(), Some(143));
    let logged = logged.await.unwrap();
    assert!(logged.contains("Enforcing a new config"), "{logged}");
    assert!(
        !logged.contains("s3cret-token"),
        "a credential is in the log"
    );
}

#[tokio::test]
async fn a_broken_config_at_the_start_is_named_and_ends_it() {
    let authority = Authority::new();
    let mounts = Mounts::new("{");
    let port = crate::support::free_port();
    let child = start(&mounts, &authority, ([127, 0, 0, 1], 1).into(), port);
    let output = child.wait_with_output();
    let output = tokio::time::timeout(SOON, output)
        .await
        .expect("it runs on")
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("routes.json"), "{log}");
}
