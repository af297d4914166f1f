//! The engine Pipelock: our side of it, against a fake that keeps the rules which were measured on the real one.

use crate::support::proxy::{SOON, head};
use bot_bottle::config::Files;
use bot_bottle::config_directory::{Snapshot, watch_state};
use bot_bottle::pipelock::{Setup, run};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Both sides, a directory for each volume, and an upstream that echoes.
struct World {
    proxy: SocketAddr,
    upstream: SocketAddr,
    state: TempDir,
    shared: TempDir,
    config: watch::Sender<Snapshot>,
    hashes: watch::Receiver<BTreeMap<String, String>>,
    delivering: JoinHandle<()>,
    keeper: Child,
}

fn snapshot(allowlist: &str, hash: &str) -> Snapshot {
    Snapshot {
        files: Files {
            allowlist: allowlist.into(),
            egress: "{}".into(),
            ..Files::default()
        },
        decisions: String::new(),
        hash: hash.into(),
    }
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn keeper(shared: &Path, upstream: SocketAddr) -> Child {
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/pipelock/fake_pipelock.py");
    Command::new(env!("CARGO_BIN_EXE_supervise"))
        .args([
            "keep",
            "--directory",
            shared.to_str().unwrap(),
            "--",
            "python3",
        ])
        .args([fake.to_str().unwrap(), "run"])
        .env("FAKE_UPSTREAM", upstream.port().to_string())
        .env("FAKE_DEAF", shared.join("deaf"))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

impl World {
    async fn start(allowlist: &str) -> Self {
        let (state, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (config, snapshots) = watch::channel(snapshot(allowlist, "00a1"));
        let (proxy, upstream) = (free_address(), echo().await);
        let keeper = keeper(shared.path(), upstream);
        let hashes = watch_state(state.path()).unwrap();
        let setup = Setup {
            snapshots,
            state: state.path().to_owned(),
            directory: shared.path().to_owned(),
            proxy,
        };
        let mut world = Self {
            proxy,
            upstream,
            delivering: tokio::spawn(run(setup)),
            state,
            shared,
            config,
            hashes,
            keeper,
        };
        world.enforced("00a1").await;
        world
    }

    fn configure(&self, allowlist: &str, hash: &str) {
        self.config.send(snapshot(allowlist, hash)).unwrap();
    }

    async fn enforced(&mut self, hash: &str) {
        let said = self
            .hashes
            .wait_for(|hashes| hashes.get("egress").is_some_and(|one| one == hash));
        timeout(SOON, said).await.expect("not enforced").unwrap();
    }

    fn hash(&self) -> String {
        std::fs::read_to_string(self.state.path().join("egress.hash")).unwrap()
    }

    fn starts(&self) -> String {
        std::fs::read_to_string(self.shared.path().join("start-made")).unwrap()
    }

    fn shared(&self, name: &str) -> PathBuf {
        self.shared.path().join(name)
    }

    async fn connect(&self, host: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.proxy).await.unwrap();
        let request = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await;
        (head, stream)
    }

    async fn status(&self, host: &str) -> String {
        let (head, _) = self.connect(host).await;
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// `supervise` ends and starts again.
    async fn restart_supervise(&mut self) {
        self.delivering.abort();
        let setup = Setup {
            snapshots: self.config.subscribe(),
            state: self.state.path().to_owned(),
            directory: self.shared.path().to_owned(),
            proxy: self.proxy,
        };
        self.delivering = tokio::spawn(run(setup));
        // It looks at what is there before the test goes on.
        tokio::task::yield_now().await;
    }
}

/// Whether a tunnel still carries bytes.
async fn carries(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let round = async {
        stream.write_all(b"x").await?;
        stream.read_exact(&mut byte).await
    };
    timeout(SOON, round)
        .await
        .expect("no answer and no end")
        .is_ok()
}

#[tokio::test]
async fn a_host_that_is_added_opens_before_the_hash_says_so_and_cuts_no_tunnel() {
    let mut world = World::start("a.example.com\n").await;
    assert_eq!(world.status("b.example.com").await, "403");
    let (head, mut tunnel) = world.connect("a.example.com").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    world.configure("a.example.com\nb.example.com\n", "00a2");
    world.enforced("00a2").await;
    assert_eq!(world.status("b.example.com").await, "200");
    assert!(carries(&mut tunnel).await);
    assert_eq!(world.starts(), "0");
}

#[tokio::test]
async fn a_host_that_is_removed_is_shut_and_its_tunnels_are_cut_before_the_hash_says_so() {
    let mut world = World::start("a.example.com\nb.example.com\n").await;
    let (_, mut tunnel) = world.connect("b.example.com").await;
    assert!(carries(&mut tunnel).await);
    world.configure("a.example.com\n", "00a2");
    world.enforced("00a2").await;
    assert!(!carries(&mut tunnel).await);
    assert_eq!(world.status("b.example.com").await, "403");
    assert_eq!(world.status("a.example.com").await, "200");
    assert_eq!(world.starts(), "1");
}

#[tokio::test]
async fn a_config_that_pipelock_does_not_take_is_never_reported() {
    let mut world = World::start("a.example.com\n").await;
    std::fs::write(world.shared("deaf"), "").unwrap();
    world.configure("a.example.com\nb.example.com\n", "00a2");
    let written = async {
        while !std::fs::read_to_string(world.shared("pipelock.yaml"))
            .unwrap()
            .contains("b.example.com")
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, written).await.expect("nothing was written");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(world.hash(), "00a1");
    std::fs::remove_file(world.shared("deaf")).unwrap();
    world.enforced("00a2").await;
}

#[tokio::test]
async fn what_pipelock_cannot_keep_is_not_written_and_the_next_config_is() {
    let mut world = World::start("a.example.com\n").await;
    let before = std::fs::read_to_string(world.shared("pipelock.yaml")).unwrap();
    world.configure("a.example.com:8443\n", "00a2");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(
        std::fs::read_to_string(world.shared("pipelock.yaml")).unwrap(),
        before
    );
    assert_eq!(world.hash(), "00a1");
    // Nothing at all: all that was open is shut.
    world.configure("# none\n", "00a3");
    world.enforced("00a3").await;
    assert_eq!(world.status("a.example.com").await, "403");
}

#[tokio::test]
async fn a_removal_that_a_restart_of_supervise_interrupts_still_cuts_the_tunnels() {
    let mut world = World::start("a.example.com\nb.example.com\n").await;
    let (_, mut tunnel) = world.connect("b.example.com").await;
    // Written by a supervise that ended before it could ask for a start.
    world.delivering.abort();
    let text = std::fs::read_to_string(world.shared("pipelock.yaml")).unwrap();
    let text = text
        .replace("\"b.example.com\",", "")
        .replace("config-00a1a", "config-00a2a");
    std::fs::write(world.shared("new"), text).unwrap();
    std::fs::rename(world.shared("new"), world.shared("pipelock.yaml")).unwrap();
    world
        .config
        .send_replace(snapshot("a.example.com\n", "00a2"));
    world.restart_supervise().await;
    world.enforced("00a2").await;
    assert!(!carries(&mut tunnel).await);
    // A restart with nothing open that shouldn't be cuts nothing.
    let (_, mut tunnel) = world.connect("a.example.com").await;
    let starts = world.starts();
    world.restart_supervise().await;
    world
        .config
        .send_replace(snapshot("a.example.com\nc.example.com\n", "00a3"));
    world.enforced("00a3").await;
    assert!(carries(&mut tunnel).await);
    assert_eq!(world.starts(), starts);
}

#[tokio::test]
async fn a_pipelock_that_ends_by_itself_ends_its_container_and_the_next_one_takes_over() {
    let mut world = World::start("a.example.com\n").await;
    let id = world.keeper.id().unwrap();
    let child = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let child = nix::unistd::Pid::from_raw(child.trim().parse().unwrap());
    nix::sys::signal::kill(child, nix::sys::signal::SIGKILL).unwrap();
    let status = timeout(SOON, world.keeper.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    world.keeper = keeper(world.shared.path(), world.upstream);
    world.configure("a.example.com\nb.example.com\n", "00a2");
    world.enforced("00a2").await;
    assert_eq!(world.status("b.example.com").await, "200");
}
