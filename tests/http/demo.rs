//! `bottle demo` as a person or a CI job runs it: the whole program, its output, and what it leaves behind.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A bound against hanging, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// A demo whose temporary files all go into one directory, which also marks its processes.
struct Demo {
    place: TempDir,
    /// Where it looks for programs, if not where this test does.
    path: Option<&'static str>,
}

impl Demo {
    fn new() -> Self {
        Self {
            place: tempfile::tempdir().unwrap(),
            path: None,
        }
    }

    fn start(&self, flags: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bottle"));
        command
            .arg("demo")
            .args(flags)
            .env("TMPDIR", self.place.path());
        if let Some(path) = self.path {
            command.env("PATH", path);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Runs to the end with these answers, and checks that nothing is left.
    async fn run(&self, flags: &[&str], answers: &str) -> (String, Output) {
        let mut child = self.start(flags);
        let mut input = child.stdin.take().unwrap();
        input.write_all(answers.as_bytes()).await.unwrap();
        drop(input);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .expect("it hangs")
            .unwrap();
        self.assert_clean();
        (String::from_utf8(output.stdout.clone()).unwrap(), output)
    }

    fn assert_clean(&self) {
        assert_eq!(processes(self.place.path()), Vec::<String>::new());
        let left: Vec<_> = fs::read_dir(self.place.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Command lines of the processes that name `place`.
fn processes(place: &Path) -> Vec<String> {
    let lines = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(place.to_str().unwrap()))
        .collect()
}

/// What is said where this machine isolates nothing.
const NOT_ISOLATED: &str = "!!! NOTHING IS ISOLATED";

#[tokio::test]
async fn unattended_it_goes_the_whole_road_and_leaves_nothing() {
    let (text, output) = Demo::new().run(&["--yes"], "").await;
    goes_the_whole_road(&text, &output);
}

#[tokio::test]
async fn where_nothing_can_isolate_it_goes_the_same_road_and_says_so_loudly() {
    let demo = Demo {
        path: Some("/nonexistent"),
        ..Demo::new()
    };
    let (text, output) = demo.run(&["--yes"], "").await;
    assert!(text.contains(NOT_ISOLATED), "{text}");
    assert!(text.contains("bubblewrap"), "{text}");
    goes_the_whole_road(&text, &output);
}

fn goes_the_whole_road(text: &str, output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{text}");
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    match lines[..] {
        [] => assert!(!text.contains(NOT_ISOLATED), "{text}"),
        [line] => {
            assert!(text.contains(NOT_ISOLATED), "{text}");
            assert!(line.starts_with(NOT_ISOLATED), "{said}");
        }
        _ => panic!("{said}"),
    }
    let mut rest = text;
    for part in [
        "agent ---> egress",
        "GET http://docs.example.com/guide -> 403",
        "pipelock-block",
        "A proposal waits for a person: demo-",
        "because:",
        "+docs.example.com",
        "[a]pprove, [e]dit, [r]eject?",
        "enforced after",
        "status: approved",
        "GET http://docs.example.com/guide -> 200",
        "GET http://paste.example.net/upload -> 403",
        "7. So it tries to go around the proxy.",
        "Nothing is left running.",
        "bottle run -- bash",
        "bottle proposals --local --watch",
        "kubectl apply -f examples/bottle.yaml",
    ] {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing or misplaced:\n{text}"));
        rest = &rest[at + part.len()..];
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_rejection_keeps_the_host_closed() {
    let (text, output) = Demo::new().run(&[], "what?\nr\n").await;
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("One letter, please") && text.contains("status: rejected"),
        "{text}"
    );
    assert_eq!(text.matches("-> 403").count(), 3, "{text}");
}

#[tokio::test]
async fn an_edited_file_is_what_is_applied() {
    let demo = Demo::new();
    // First a file that is no allowlist, then another host than the one that was asked for.
    let count = tempfile::NamedTempFile::new().unwrap();
    let script = r#"f() { if [ -s COUNT ]; then echo paste.example.net > "$1"; else echo x > COUNT; echo https://x > "$1"; fi; }; f"#;
    let editor = script.replace("COUNT", count.path().to_str().unwrap());
    let (text, output) = demo.run(&["--editor", &editor], "e\ne\n").await;
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("That can't be an allowlist"), "{text}");
    assert!(text.contains("status: modified"), "{text}");
    assert!(
        text.contains("GET http://paste.example.net/upload -> 200"),
        "{text}"
    );
    assert_eq!(
        text.matches("GET http://docs.example.com/guide -> 403")
            .count(),
        2,
        "{text}"
    );
}

#[tokio::test]
async fn without_an_answer_it_ends_and_says_how_to_go_on() {
    let (text, output) = Demo::new().run(&[], "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("--yes"), "{text}");
}

#[tokio::test]
async fn interrupted_while_it_waits_it_leaves_nothing() {
    for (signal, code) in [
        (nix::sys::signal::SIGINT, 130),
        (nix::sys::signal::SIGTERM, 143),
    ] {
        let demo = Demo::new();
        let mut child = demo.start(&[]);
        // Held open: it waits for an answer.
        let _input = child.stdin.take();
        wait_for_question(&mut child).await;
        assert!(!processes(demo.place.path()).is_empty(), "the bottle runs");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
        let status = tokio::time::timeout(PATIENCE, child.wait())
            .await
            .expect("it hangs")
            .unwrap();
        assert_eq!(status.code(), Some(code));
        demo.assert_clean();
    }
}

#[tokio::test]
async fn killed_outright_it_still_takes_its_processes_along() {
    let demo = Demo::new();
    let mut child = demo.start(&[]);
    let _input = child.stdin.take();
    wait_for_question(&mut child).await;
    child.kill().await.unwrap();
    let gone = async {
        while !processes(demo.place.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("a role is left");
}

async fn wait_for_question(child: &mut Child) {
    let mut out = child.stdout.take().unwrap();
    let mut text = String::new();
    let asked = async {
        let mut buffer = [0; 1024];
        while !text.contains("[r]eject?") {
            let read = out.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("it never asks");
    // Read on, or its last words would find no reader.
    tokio::spawn(async move { tokio::io::copy(&mut out, &mut tokio::io::sink()).await });
}
