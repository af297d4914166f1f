//! The steps of one start, in order.

use super::agent::{self, AgentError, Unstarted};
use super::attempts::{Ended, Next, next};
use super::home::{Found, Home, read};
use super::report::{one_line, say};
use super::tell::tell;
use super::{
    answers, authorities, clone, conversation, exec, filter, passwd, project, seed, settings,
    sidecars, skills, wall,
};
use crate::config::remarks::{Remark, Word};
use crate::config::seal::Instructions;
use crate::names::path;
use crate::telemetry::chain;
use nix::unistd::geteuid;
use std::error::Error;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Our own failures, told apart from the agent's.
const FAILED: u8 = 125;
/// Count of failures in a row, in our directory below HOME.
const FAILURES: &str = "failures";
/// Most lines about one thing.
const LINES: usize = 10;

/// Flags of `seal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The instructions.
    pub instructions: PathBuf,
    /// How long the sidecars may take to come up.
    pub patience: Duration,
    /// Where the last word goes.
    pub termination_log: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            instructions: path::SEAL_INSTRUCTIONS.into(),
            patience: Duration::from_secs(120),
            termination_log: "/dev/termination-log".into(),
        }
    }
}

/// One start of the agent, to its end; the exit code.
pub fn run(options: &Options) -> u8 {
    match start(options) {
        Ok(code) => code,
        Err(error) => {
            let sentence = one_line(&chain(&*error));
            say(&sentence);
            last_word(options, &sentence);
            FAILED
        }
    }
}

fn start(options: &Options) -> Result<u8, Box<dyn Error>> {
    let unstarted = Unstarted::new()?;
    // Before any program of the image runs, not only the agent: an agent may have put its own in such a place.
    filter::apply(filter::Tenant::Agent)?;
    let instructions = instructions(&options.instructions)?;
    wall::check(&instructions.wall)?;
    sidecars::wait(&instructions.sidecars, options.patience)?;
    let home = Home::open(Path::new(&instructions.home))
        .map_err(|error| format!("HOME {}: {error}", instructions.home))?;
    let mut said = Vec::new();
    said.extend(fill(&instructions, &home)?);
    if let Some(wanted) = &instructions.git {
        clone::clone(wanted, &home)?;
    }
    if let Some(ours) = &instructions.authorities {
        said.extend(authorities::place(ours, &home));
    }
    said.extend(settings::apply(&home, &instructions.fragments)?);
    // Before the program runs at all: some leave traces that look like a conversation.
    let command = command(&instructions);
    said.extend(exec::run(&instructions.exec, home.root()));
    said.extend(skills::place(&instructions.skills, &home));
    said.extend(instructions.project.iter().flat_map(project::look));
    let texts: Vec<&str> = said.iter().map(|remark| remark.text.as_str()).collect();
    lines("", &texts);
    tell(&said, &instructions.sidecars);
    let ended = match agent::run(&command, home.root(), &unstarted) {
        Ok(ended) => ended,
        Err(error) => unstartable(options, error)?,
    };
    let before = home
        .own(FAILURES)
        .and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok())
        .unwrap_or(0);
    let (code, failures) = match next(ended, before, instructions.max_restarts) {
        Next::Exit { code, failures } => (code, failures),
        Next::GiveUp { code, failures } => {
            say(format_args!(
                "the agent has failed {failures} times in a row, last with {code}: giving up"
            ));
            let word = serde_json::json!({"exitCode": code, "failures": failures});
            last_word(options, &word.to_string());
            (0, 0)
        }
    };
    if let Err(error) = home.set_own(FAILURES, failures.to_string().as_bytes()) {
        say(format_args!(
            "could not count the agent's failures: {error}"
        ));
    }
    Ok(code)
}

fn instructions(path: &Path) -> Result<Instructions, Box<dyn Error>> {
    let text = std::fs::read(path).map_err(|error| {
        format!(
            "could not read the instructions {}: {error}",
            path.display()
        )
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        // The values are secrets: of the error, only the place.
        let (line, column) = (error.line(), error.column());
        let path = path.display();
        format!("{path} is not what this version of seal expects (line {line}, column {column})")
            .into()
    })
}

/// HOME from the image's own home.
fn fill(instructions: &Instructions, home: &Home) -> Result<Option<Remark>, seed::SeedError> {
    let uid = geteuid().as_raw();
    let passwd = match read(Path::new("/etc/passwd")) {
        Ok(Found::File(text, _)) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    };
    let of_user = passwd::home_of(uid, &passwd);
    let remark = of_user.is_none().then(|| {
        let text = format!(
            "the image's /etc/passwd has no line for uid {uid}: node, ssh and git may fail"
        );
        Remark::new(Word::NoPasswdLine, text)
    });
    let Some(image_home) = instructions.image_home.as_deref().or(of_user) else {
        return Ok(remark);
    };
    let image_home = Path::new(image_home);
    if let Some(why) = seed::unusable(image_home, home) {
        say(why);
        return Ok(remark);
    }
    let done = seed::seed(image_home, home)?;
    if done.copied + done.updated > 0 {
        say(format_args!(
            "HOME filled from {}: {} new, {} updated",
            image_home.display(),
            done.copied,
            done.updated
        ));
    }
    lines("the image has a new version, yours is kept: ", &done.kept);
    lines("not copied from the image: ", &done.skipped);
    Ok(remark)
}

fn command(instructions: &Instructions) -> Vec<String> {
    let home = Path::new(&instructions.home);
    if !instructions.resume.is_empty() && conversation::exists(home, &instructions.conversation) {
        answers::into_prompt(instructions)
    } else {
        instructions.start.clone()
    }
}

/// A program that can't be started counts as one that failed at once.
fn unstartable(options: &Options, error: AgentError) -> Result<Ended, AgentError> {
    let AgentError::Start { code, .. } = error else {
        return Err(error);
    };
    let sentence = one_line(&chain(&error));
    say(&sentence);
    last_word(options, &sentence);
    Ok(Ended {
        code,
        terminated: false,
        lasted: Duration::ZERO,
    })
}

fn lines(before: &str, items: &[impl Display]) {
    for item in items.iter().take(LINES) {
        say(format_args!("{before}{item}"));
    }
    if items.len() > LINES {
        say(format_args!("{before}and {} more", items.len() - LINES));
    }
}

/// Best effort: outside a pod there is no such file.
fn last_word(options: &Options, word: &str) {
    let _ = std::fs::write(&options.termination_log, word);
}
