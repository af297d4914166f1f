//! A Bottle's own Dockerfile, built before its agent's first start and again when it is edited: by the same pods and the
//! same steps as an approved one.
//!
//! What differs: nobody waits for an answer, and there may be no image to go back to. Then no agent starts before the
//! build has come to an end, and one that can't be started shows that as it would with any image.

use super::{LOOK_AGAIN, Work, key, seen};
use crate::{
    api::{Build, BuildFailed, BuildStage, DeclaredBuild},
    names,
    plan::{owned, seen::agent_image},
    proposal::{
        build::{self, Agent, Probed, Seen},
        change::ImageChange,
        condition,
        progress::with_log,
    },
};
use jiff::Timestamp;

/// How far it has come.
#[derive(Clone, Debug)]
pub struct Declared {
    /// What is stored of it.
    pub status: DeclaredBuild,
    /// A sentence about what is being done.
    pub message: String,
    /// When to look again.
    pub recheck: Option<Timestamp>,
    /// Whether a build that was given up begins again, once its pod is gone.
    pub(super) again: bool,
    change: ImageChange,
}

impl Declared {
    /// The image that the agent shall have now; none: there is none yet.
    pub fn image(&self) -> Option<&String> {
        let before = self.status.before.as_ref();
        match (&self.status.failed, self.status.build.stage) {
            (Some(_), _) | (None, BuildStage::Building) => before,
            (None, BuildStage::Replacing | BuildStage::Running) => self.status.build.image.as_ref(),
        }
    }

    /// The build, unless it was given up.
    pub(super) fn going_on(&self) -> Option<(&Build, &ImageChange)> {
        let failed = self.status.failed.is_some();
        (!failed).then_some((&self.status.build, &self.change))
    }

    pub(super) fn pod(&self) -> String {
        self.status.build.pod.clone()
    }
}

/// What the agent has until something else is built.
fn last(stored: DeclaredBuild) -> Option<String> {
    let ran = stored.build.stage == BuildStage::Running && stored.failed.is_none();
    if ran {
        stored.build.image
    } else {
        stored.before
    }
}

impl Work<'_> {
    /// One look at it; none where the Bottle names its image, and while there shall be no agent.
    pub(in crate::plan) fn declared(&self, now: Timestamp) -> Option<Declared> {
        let change = self.spec.build.clone().filter(|_| !self.spec.suspended)?;
        let now = condition::whole_seconds(now);
        let name = names::build_name(&key(&change, None));
        let pod = owned(self.bottle, self.seen.pod);
        let stored = self.bottle.status.as_ref();
        let stored = stored.and_then(|status| status.dockerfile.clone());
        let begun = |before: Option<String>| DeclaredBuild {
            build: Build {
                stage: BuildStage::Building,
                pod: name.clone(),
                retries: 0,
                image: None,
                log: Vec::new(),
                replaced: None,
                since: now,
            },
            failed: None,
            before,
        };
        let mut status = match stored {
            Some(stored) if stored.build.pod == name => stored,
            // Another file: what runs now is what the agent has meanwhile.
            stored => {
                let runs = pod.and_then(agent_image).cloned();
                begun(runs.or_else(|| stored.and_then(last)))
            }
        };
        let under = self.under();
        if let Some(failed) = status.failed.clone() {
            let again = failed.under != under;
            if !again || self.pod(&name).is_some() {
                return Some(Declared {
                    message: failed.message,
                    status,
                    recheck: again.then(|| now.checked_add(LOOK_AGAIN).ok()).flatten(),
                    again,
                    change,
                });
            }
            status = begun(status.before);
        }
        let step = build::step(Some(&status.build), &self.of(&status), now);
        status.build = step.build;
        let mut message = step.message;
        if let Some((reason, sentence)) = step.failed {
            message = with_log(sentence, &status.build.log);
            status.failed = Some(BuildFailed {
                reason: reason.to_owned(),
                message: message.clone(),
                under,
            });
        }
        Some(Declared {
            status,
            message,
            recheck: step.recheck,
            again: false,
            change,
        })
    }

    fn of(&self, status: &DeclaredBuild) -> Seen {
        let build = &status.build;
        let image = build.image.as_deref();
        let pod = owned(self.bottle, self.seen.pod);
        let agent = seen::agent(pod, image, build.replaced.as_deref());
        let known = self
            .seen
            .builds
            .known
            .and_then(|known| known.get(&build.pod));
        Seen {
            pod: build.pod.clone(),
            known: known.cloned(),
            built: seen::built(self.pod(&build.pod), self.builds, &self.namespace()),
            probed: image.map_or(Probed::NotAsked, |image| self.probed(image)),
            agent: match agent {
                // There is none to go back to: it is told as of any image, and tried again as any is.
                Agent::Broken(_) if status.before.is_none() => Agent::Absent,
                other => other,
            },
        }
    }

    /// A build that failed is not worth another try before one of these changes.
    fn under(&self) -> String {
        let generation = self.bottle.metadata.generation.unwrap_or_default();
        let data = owned(self.bottle, self.seen.config_map).and_then(|one| one.data.as_ref());
        let hash = data.and_then(|data| data.get(names::file::HASH));
        format!("{generation} {}", hash.map_or("", String::as_str))
    }
}
