//! A person at an agent's terminal: types the task, looks away, comes back, and sees it go on.

use super::{Agent, START, WANTED, images, namespace};
use crate::support::{Namespace, eventually};
use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Ends a dialog that Enter says yes to.
const DIALOG: &str = "Esc to cancel";

/// `bottle attach` at a terminal that `script` (util-linux) makes.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn attach(namespace: &Namespace, bottle: &str) -> Self {
        let attach = format!(
            "stty rows 40 cols 120; exec {} -n {} attach {bottle}",
            env!("CARGO_BIN_EXE_bottle"),
            namespace.name
        );
        let mut script = Command::new("script")
            .args(["--quiet", "--return", "--command", &attach, "/dev/null"])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let mut out = script.stdout.take().unwrap();
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut some) {
                screen.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        Self {
            keys: script.stdin.take().unwrap(),
            script,
            shown,
        }
    }

    /// No person is faster, and programs drop what is typed into a dialog that they still draw.
    fn press(&mut self, keys: &str) {
        thread::sleep(Duration::from_millis(500));
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// What was shown since this was called last, as words: programs move the cursor where others write a space.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.shown.lock().unwrap());
        let mut words = String::new();
        let mut sequence = false;
        for letter in String::from_utf8_lossy(&bytes).chars() {
            match letter {
                '\u{1b}' => {
                    sequence = true;
                    words.push(' ');
                }
                '[' | '0'..='9' | ';' | '?' if sequence => {}
                _ if sequence => sequence = false,
                _ => words.push(letter),
            }
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Reads the screen until it shows this; says yes to what the program asks meanwhile.
    #[track_caller]
    fn shows(&mut self, wanted: &str) {
        let mut all = String::new();
        eventually(&format!("the terminal shows {wanted:?}"), START, || {
            let new = self.take();
            all.push_str(&new);
            all.push(' ');
            if all.contains(wanted) {
                return Ok(());
            }
            if new.contains(DIALOG) {
                self.press("\r");
            }
            Err(all.clone())
        });
    }

    /// The person closes the window.
    fn close(mut self) {
        self.script.kill().unwrap();
        self.script.wait().unwrap();
    }
}

#[test]
#[ignore = "installs its program from npm"]
fn a_person_types_a_task_looks_away_and_comes_back() {
    images(&["claude"]);
    let namespace = namespace();
    // Its own "auto mode" asks the model whether a command is safe, which the stand-in can't say.
    let more = "tty: true\n    args: [--permission-mode, default]";
    let agent = Agent::start(&namespace, "claude", more);
    eventually("claude runs", START, || {
        (agent.phase() == "Running")
            .then_some(())
            .ok_or_else(|| agent.log())
    });
    let mut terminal = Terminal::attach(&namespace, "claude");
    terminal.shows("? for shortcuts");
    terminal.press("fetch the file");
    terminal.shows("fetch the file");
    terminal.press("\r");
    terminal.shows(DIALOG);
    terminal.press("\r");
    let question = agent.question();
    terminal.close();
    let mut terminal = Terminal::attach(&namespace, "claude");
    agent.approve(&question);
    terminal.shows(&format!("DONE: {WANTED} answered"));
    terminal.close();
    assert_eq!(agent.phase(), "Running", "{}", agent.log());
}
