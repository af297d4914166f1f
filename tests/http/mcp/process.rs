//! The program itself: start, kill, end.

use super::bench::{Client, Directories, PATIENCE, hosts};
use serde_json::json;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

pub struct Program {
    pub child: Child,
    pub client: Client,
    log: Arc<Mutex<String>>,
}

impl Program {
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    /// Ends it by SIGTERM; its exit code and all that it logged.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let id = nix::unistd::Pid::from_raw(self.id());
        nix::sys::signal::kill(id, nix::sys::signal::SIGTERM).unwrap();
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it doesn't end")
            .unwrap();
        // The pipe's end comes after the program's.
        while Arc::strong_count(&self.log) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let log = self.log.lock().unwrap().clone();
        (status.code(), log)
    }
}

fn command(directories: &Directories) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supervise"));
    command
        .arg("mcp")
        .env("SUPERVISE_CONFIG_DIR", directories.path("config"))
        .env("SUPERVISE_STATE_DIR", directories.path("state"))
        .env("SUPERVISE_QUEUE_DIR", directories.path("queue"))
        .env("SUPERVISE_BIND", "127.0.0.1")
        .env_remove("SUPERVISE_BOTTLE_SLUG")
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub async fn start(directories: &Directories, flags: &[&str]) -> Program {
    let port = free_port();
    let mut child = command(directories)
        .args(flags)
        .env("SUPERVISE_BOTTLE_SLUG", "demo")
        .env("SUPERVISE_PORT", port.to_string())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let serving = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("Serving") {
                return;
            }
        }
        panic!("it ended before it served");
    };
    tokio::time::timeout(PATIENCE, serving)
        .await
        .expect("it doesn't serve");
    // Read on, or the program could not write.
    let log = Arc::<Mutex<String>>::default();
    let kept = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            kept.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    Program {
        child,
        client: Client { address },
        log,
    }
}

#[tokio::test]
async fn without_the_bottles_name_it_says_what_is_missing() {
    let directories = Directories::new("");
    for slug in [None, Some(""), Some("../x")] {
        let mut command = command(&directories);
        if let Some(slug) = slug {
            command.env("SUPERVISE_BOTTLE_SLUG", slug);
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{slug:?}");
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains("SUPERVISE_BOTTLE_SLUG"), "{words}");
    }
}

#[tokio::test]
async fn a_broken_config_directory_is_named_at_start() {
    let directories = Directories::new("");
    std::fs::remove_file(directories.path("config/allowlist")).unwrap();
    let output = command(&directories)
        .env("SUPERVISE_BOTTLE_SLUG", "demo")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("allowlist")
    );
}

#[tokio::test]
async fn a_proposal_survives_a_killed_server_and_is_answered_by_the_next_one() {
    let directories = Directories::new("a.example\n");
    let mut first = start(&directories, &[]).await;
    let mut waiting = tokio::net::TcpStream::connect(first.client.address)
        .await
        .unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": hosts("b.example", "docs")}).to_string();
    tokio::io::AsyncWriteExt::write_all(&mut waiting, super::bench::request("", &body).as_bytes())
        .await
        .unwrap();
    let name = directories.proposals(1).await.remove(0);
    first.child.kill().await.unwrap();
    let mut rest = Vec::new();
    let _ = waiting.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    directories.decide(
        &name,
        &json!({"status": "approved", "notes": "while you were away"}),
    );
    let second = start(&directories, &[]).await;
    let (text, _) = second.client.ask(hosts("b.example", "docs")).await;
    assert_eq!(text, "status: approved\nnotes: while you were away");
    directories.proposals(0).await;
}

#[tokio::test]
async fn sigterm_answers_waiting_calls_and_exits_with_143() {
    let directories = Directories::new("a.example\n");
    let program = start(&directories, &[]).await;
    let call = tokio::spawn(program.client.ask(hosts("b.example", "docs")));
    directories.proposals(1).await;
    let (code, _) = program.end().await;
    assert!(call.await.unwrap().0.starts_with("status: pending"));
    assert_eq!(code, Some(143));
}

#[tokio::test]
async fn it_reports_its_own_hash_and_needs_no_config_directory() {
    let directories = Directories::new("a.example\n");
    directories.write("hash", "abc\n");
    let program = start(&directories, &[]).await;
    let hash = directories.path("state/supervise.hash");
    let written = async {
        while std::fs::read_to_string(&hash).ok().as_deref() != Some("abc") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written)
        .await
        .expect("no hash");
    drop(program);
    let absent = directories.path("absent");
    let program = start(
        &directories,
        &["--config", absent.to_str().unwrap(), "--max-wait", "0"],
    )
    .await;
    assert!(
        program
            .client
            .ask(hosts("# nothing", "docs"))
            .await
            .0
            .starts_with("status: pending")
    );
}
