//! The life of an approved Dockerfile: built, then run, and only then in force.
//!
//! What is stored and what is seen decide, so an operator that was killed in between goes on where things stand.

use crate::api::{Build, BuildStage};
use jiff::{SignedDuration, Timestamp};

/// An agent that lives for so long in its new image has started: a program that can't be loaded ends at once.
pub const SETTLED: SignedDuration = SignedDuration::from_secs(3);
/// A build that fails for want of a registry or a node is begun again this often.
const RETRIES: u32 = 5;
/// Between two tries: this, then twice, three times as long. Together more than five minutes.
const PAUSE: SignedDuration = SignedDuration::from_secs(20);

/// What is seen of one proposal's build, and of its bottle.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Name of the pod that builds it, or would.
    pub pod: String,
    /// The image, when the same file on the same base has been built in this namespace before.
    pub known: Option<String>,
    /// The pod that builds.
    pub built: Built,
    /// The trial of the image on the bottle's node.
    pub probed: Probed,
    /// The agent's container.
    pub agent: Agent,
}

/// What the pod that builds shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Built {
    /// There is none.
    NotThere,
    /// It works; on what, in words.
    Working(&'static str),
    /// It has pushed the image.
    Done(String),
    /// It has failed.
    Failed(Failure),
}

/// Why a build failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// One CamelCase word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
    /// The log's last lines.
    pub log: Vec<String>,
    /// Whether it may go better when it is tried again as it is.
    pub again: bool,
}

/// What the trial shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// Nobody tries this image.
    NotAsked,
    /// It is being pulled and tried.
    Working,
    /// The agent's command is in it.
    Good,
    /// It can't be run.
    Bad(String),
}

/// What the agent's container shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// There is no pod.
    Absent,
    /// It runs, or is about to end, in another image than the new one.
    Old(Option<String>),
    /// It runs in the new one since then.
    New(Timestamp),
    /// It can't run in the new one.
    Broken(String),
    /// It has done its work in the new one.
    Finished,
}

/// The next state of a build.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is stored of it.
    pub build: Build,
    /// Why it is given up: reason and sentence.
    pub failed: Option<(&'static str, String)>,
    /// A sentence about what is being done.
    pub message: String,
    /// When time alone changes something.
    pub recheck: Option<Timestamp>,
}

/// Whether a pod that builds should exist now.
pub fn wants_pod(build: &Build, now: Timestamp) -> bool {
    build.stage == BuildStage::Building && begins(build) <= now
}

fn begins(build: &Build) -> Timestamp {
    let pause = PAUSE.saturating_mul(i32::try_from(build.retries).unwrap_or(i32::MAX));
    build.since.saturating_add(pause).unwrap_or(build.since)
}

/// One look at a build.
pub fn step(stored: Option<&Build>, seen: &Seen, now: Timestamp) -> Step {
    let build = stored.cloned().unwrap_or_else(|| Build {
        stage: BuildStage::Building,
        pod: seen.pod.clone(),
        retries: 0,
        image: None,
        log: Vec::new(),
        replaced: None,
        since: now,
    });
    match build.stage {
        BuildStage::Building => building(build, seen, now),
        BuildStage::Replacing => replacing(build, seen, now),
        BuildStage::Running => stay(build, "the agent runs in the new image"),
    }
}

fn building(mut build: Build, seen: &Seen, now: Timestamp) -> Step {
    let ready = match &seen.built {
        Built::Done(image) => Some(image),
        Built::NotThere | Built::Working(_) | Built::Failed(_) => seen.known.as_ref(),
    };
    if let Some(image) = ready {
        build.stage = BuildStage::Replacing;
        build.image = Some(image.clone());
        build.log = Vec::new();
        build.replaced = match &seen.agent {
            Agent::Old(id) => id.clone(),
            Agent::Absent | Agent::New(_) | Agent::Broken(_) | Agent::Finished => None,
        };
        build.since = now;
        return stay(build, REPLACING);
    }
    let said = |failure: &Failure| {
        let old = match seen.agent {
            Agent::Absent => "",
            _ => "; the agent works on in its old one",
        };
        format!("{}{old}", failure.message)
    };
    match &seen.built {
        Built::Failed(failure) if failure.again && build.retries < RETRIES => {
            build.retries += 1;
            build.since = now;
            build.log.clone_from(&failure.log);
            let at = begins(&build);
            Step {
                message: format!("{}; it is tried again at {at}", said(failure)),
                recheck: Some(at),
                ..stay(build, "")
            }
        }
        Built::Failed(failure) => {
            build.log.clone_from(&failure.log);
            Step {
                failed: Some((failure.reason, said(failure))),
                ..stay(build, "")
            }
        }
        Built::Working(words) => stay(build, words),
        Built::NotThere => {
            let at = begins(&build);
            Step {
                recheck: (at > now).then_some(at),
                ..stay(build, "the image's build is about to begin")
            }
        }
        // Taken above.
        Built::Done(_) => stay(build, REPLACING),
    }
}

const REPLACING: &str =
    "the image is built; it is tried on the bottle's node, then the agent's container is replaced";

fn replacing(mut build: Build, seen: &Seen, now: Timestamp) -> Step {
    if let Probed::Bad(why) = &seen.probed {
        return Step {
            failed: Some((
                "ImageUnusable",
                format!("the image was built and can't be used: {why}"),
            )),
            ..stay(build, "")
        };
    }
    let settled = match &seen.agent {
        Agent::Absent => return stay(build, "the image is built; the bottle's next pod runs it"),
        Agent::Old(_) => return stay(build, REPLACING),
        Agent::Broken(why) => {
            let message =
                format!("the agent did not start in the new image and has its old one back: {why}");
            return Step {
                failed: Some(("AgentNotStarted", message)),
                ..stay(build, "")
            };
        }
        Agent::New(since) => since.saturating_add(SETTLED).unwrap_or(*since),
        Agent::Finished => now,
    };
    if settled > now {
        return Step {
            recheck: Some(settled),
            ..stay(build, "the agent has started in the new image")
        };
    }
    build.stage = BuildStage::Running;
    build.since = now;
    stay(
        build,
        "the agent runs in the new image; on its way to the sidecars",
    )
}

fn stay(build: Build, message: &str) -> Step {
    Step {
        build,
        failed: None,
        message: message.into(),
        recheck: None,
    }
}
