//! One life of the program.

use super::PATIENCE;
use super::check::Directory;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Instant;

/// Every step at which it can be stopped.
pub const POINTS: [&str; 8] = [
    "queue-draft",
    "queue-written",
    "queue-synced",
    "queue-renamed",
    "queue-decided",
    "queue-answered",
    "queue-half-archived",
    "queue-archived",
];

pub struct Program {
    child: Child,
    lines: BufReader<ChildStderr>,
    /// What it said before it served: the point, when it did not get so far.
    died: Option<String>,
}

impl Program {
    /// Runs until it serves, or until it is stopped at the point, after so many times there.
    pub fn start(directory: &Directory, stop: Option<(&str, u64)>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_supervise"));
        command
            .args(["mcp", "--max-pending", "1000", "--max-hourly", "1000000"])
            .arg("--config")
            .arg(directory.absent())
            .arg("--queue-dir")
            .arg(directory.root())
            .env("SUPERVISE_BOTTLE_SLUG", "demo")
            .env("SUPERVISE_BIND", directory.address().ip().to_string())
            .env("SUPERVISE_PORT", directory.address().port().to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        if let Some((point, times)) = stop {
            command.env("FAILPOINTS", format!("{point}={times}*off->return"));
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut program = Self {
            child,
            lines,
            died: None,
        };
        let mut said = String::new();
        while let Some(line) = program.line() {
            if line.contains("\"Serving\"") {
                return program;
            }
            program.died = point_of(&line).or(program.died);
            said.push_str(&line);
        }
        let status = program.child.wait().unwrap();
        assert!(
            program.died.is_some(),
            "it ended before it served, {status}: {said}"
        );
        program
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        (read > 0).then_some(line)
    }

    /// Kills it after `while_it_runs`.
    pub fn runs<T>(mut self, while_it_runs: impl FnOnce() -> T) -> T {
        let mut lines = self.lines;
        // Read on, or it could not write and would hang.
        let reader = std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let done = while_it_runs();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        reader.join().unwrap().unwrap();
        done
    }

    /// Waits until it has stopped itself: agents and decider always go on. The point at which it did.
    pub fn dies_by_itself(mut self) -> String {
        let began = Instant::now();
        let mut died = self.died.take();
        // Its standard error ends with it.
        while let Some(line) = self.line() {
            died = point_of(&line).or(died);
            assert!(began.elapsed() < PATIENCE, "it is never stopped");
        }
        let status = self.child.wait().unwrap();
        died.unwrap_or_else(|| panic!("it ended by itself: {status}"))
    }
}

fn point_of(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let killed = line["message"] == "killed by a kill test";
    killed.then(|| line["point"].as_str().unwrap_or_default().to_owned())
}
