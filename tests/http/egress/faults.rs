//! The program itself, short of disk, of file descriptors, or of a part of its config; and what its log is kept to.

use crate::support::free_port;
use crate::support::proxy::{SOON, head, rest, status};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A proxy in a mount namespace of its own, whose state directory holds a few pages.
struct Egress {
    root: TempDir,
    port: u16,
    program: Child,
}

impl Egress {
    /// `limits`: words of shell before the program.
    async fn start(limits: &str) -> Self {
        crate::netns::require();
        let root = tempfile::tempdir().unwrap();
        for directory in ["config", "state"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let port = free_port();
        let script = format!(
            "mount -t tmpfs -o size=16k none \"$1/state\" && {limits} exec \"$0\" egress --config \"$1/config\" \
             --state \"$1/state\" --port {port} --resolve a.example=127.0.0.1:9 --resolve b.example=127.0.0.1:9"
        );
        let mut command = Command::new("/usr/bin/unshare");
        command
            .args(["--mount", "sh", "-c", &script])
            .arg(env!("CARGO_BIN_EXE_supervise"))
            .arg(root.path())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        write(&root, "a.example\n", "one");
        let egress = Self {
            program: command.spawn().unwrap(),
            root,
            port,
        };
        egress.enforced("one").await;
        egress
    }

    /// The state directory as the program sees it.
    fn state(&self, name: &str) -> PathBuf {
        let id = self.program.id().expect("it runs");
        let state = self.root.path().join("state").join(name);
        PathBuf::from(format!("/proc/{id}/root{}", state.display()))
    }

    fn hash(&self) -> String {
        fs::read_to_string(self.state("egress.hash")).unwrap_or_default()
    }

    async fn enforced(&self, hash: &str) {
        let told = async {
            while self.hash() != hash {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let told = tokio::time::timeout(SOON, told).await;
        told.unwrap_or_else(|_| panic!("{hash} is not told, but {}", self.hash()));
    }

    async fn open(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// A request for a host where nobody listens: 403 when it is refused, 502 when it isn't.
    async fn status(&self, host: &str) -> u16 {
        let mut stream = self.open().await;
        let request =
            format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        status(&rest(&mut stream).await)
    }

    /// Until it says so.
    async fn says(&self, host: &str, expected: u16) {
        let said = async { while self.status(host).await != expected {} };
        let said = tokio::time::timeout(SOON, said).await;
        said.unwrap_or_else(|_| panic!("{host} is never {expected}"));
    }
}

/// Plain files: the last one written is `hash`.
fn write(root: &TempDir, allowlist: &str, hash: &str) {
    for (name, text) in [
        ("routes.json", r#"{"routes": []}"#),
        ("Dockerfile", ""),
        ("egress.json", r#"{"allowInternal": ["127.0.0.0/8"]}"#),
        ("allowlist", allowlist),
        ("hash", hash),
    ] {
        let draft = root.path().join("config/.draft");
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, root.path().join("config").join(name)).unwrap();
    }
}

#[tokio::test]
async fn on_a_full_disk_a_new_config_is_enforced_at_once_and_told_when_there_is_room() {
    let egress = Egress::start("").await;
    let filler = egress.state("filler");
    // The kernel refuses the last part: the rest is there.
    assert!(fs::write(&filler, vec![0; 1 << 16]).is_err());
    write(&egress.root, "b.example\n", "two");
    egress.says("b.example", 502).await;
    assert_eq!(egress.status("a.example").await, 403);
    assert_eq!(egress.hash(), "one", "what can't be written is not told");
    fs::remove_file(filler).unwrap();
    egress.enforced("two").await;
    // What was refused on the full disk is told, too.
    let denials = egress.state("denials.json");
    let told = async {
        while !fs::read_to_string(&denials)
            .unwrap_or_default()
            .contains("a.example")
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, told).await.expect("not told");
}

#[tokio::test]
async fn an_agent_that_opens_all_connections_it_can_keeps_no_new_config_out() {
    let egress = Egress::start("ulimit -n 400 &&").await;
    let mut held = Vec::new();
    for _ in 0..450 {
        let mut stream = egress.open().await;
        // A request that goes on: the connection is held for as long as its head may take.
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\n").await;
        held.push(stream);
    }
    write(&egress.root, "b.example\n", "two");
    egress.enforced("two").await;
    // The first ones were held all the while.
    let rest_of_it = b"Host: egress\r\nConnection: close\r\n\r\n";
    held[0].write_all(rest_of_it).await.unwrap();
    assert_eq!(status(&rest(&mut held[0]).await), 200);
}

#[tokio::test]
async fn a_config_that_is_complete_only_later_is_taken_though_nothing_says_that_it_is() {
    let egress = Egress::start("").await;
    let elsewhere = egress.root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (name, text) in [
        ("routes.json", r#"{"routes": []}"#),
        ("Dockerfile", ""),
        ("egress.json", r#"{"allowInternal": ["127.0.0.0/8"]}"#),
        ("hash", "two"),
    ] {
        fs::write(elsewhere.join(name), text).unwrap();
    }
    let config = egress.root.path().join("config");
    std::os::unix::fs::symlink(&elsewhere, config.join("..data")).unwrap();
    assert_eq!(egress.status("a.example").await, 502, "the old one stays");
    assert_eq!(egress.hash(), "one");
    // Not in the directory that is watched.
    fs::write(elsewhere.join("allowlist"), "b.example\n").unwrap();
    egress.enforced("two").await;
    assert_eq!(egress.status("b.example").await, 502);
    assert_eq!(egress.status("a.example").await, 403);
}

#[tokio::test]
async fn a_flood_of_refused_names_fills_no_log() {
    let mut egress = Egress::start("").await;
    let mut stream = egress.open().await;
    for number in 0..2000 {
        let host = format!("h{number}.example");
        let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = head(&mut stream).await;
        assert_eq!(status(&answer), 403);
        let length = answer
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.lines().next()?.parse().ok())
            .unwrap();
        let mut body: Vec<u8> = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
    }
    let id = egress.program.id().unwrap().to_string();
    let kill = Command::new("kill").arg(id).status().await.unwrap();
    assert!(kill.success());
    let mut log = String::new();
    let mut errors = egress.program.stderr.take().unwrap();
    errors.read_to_string(&mut log).await.unwrap();
    let lines = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    // A minute may end in between.
    assert!((60..=200).contains(&lines("\"Refused\"")), "{log}");
    assert!(lines("Too many lines") > 0, "{log}");
    assert!(lines("Ending") == 1, "other lines are written: {log}");
}
