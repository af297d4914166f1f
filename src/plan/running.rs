//! What to do about the pod that is there.

use super::{
    Action,
    interrupt::{Replace, agent_runs, by_decision, own_change, replace, resize_refused, standing},
    pod::render,
    roll::{AGAIN, Standing},
    scope::Spec,
    seen::{agent_image, ended},
    settings::Settings,
    workspace,
};
use crate::{
    api::Bottle,
    config::hex,
    names::{self, ANNOTATION_CONFIG_TOUCH, ANNOTATION_RESOURCES_HASH},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use sha2::{Digest as _, Sha256};

/// The pod's part of a plan.
#[derive(Clone, Debug, Default)]
pub struct PodPlan {
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// When to look again.
    pub recheck: Option<Timestamp>,
    /// Where the pod is.
    pub standing: Standing,
    /// Why it should go, while it stays because what its agent has done would be lost.
    pub held: Option<&'static str>,
}

/// A touch can overtake the kubelet's own ConfigMap watch: it is repeated after 0.5, 1, 2 … 32 seconds. That watch pauses
/// for up to half a minute when the API server was away.
const TOUCHES: u32 = 7;

/// How far the ConfigMap's content has come.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// It is what the cache shows.
    pub stored: bool,
    /// Every sidecar reports its hash.
    pub enforced: bool,
    /// Who waits for it.
    pub callers: Callers,
}

/// The calls that a config has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// None: what is left of the limits may arrive with the kubelet's own refresh.
    None,
    /// Those whose question was deleted; nobody reports that they have heard of it.
    OfDeleted,
    /// Those whose question is decided, until they are answered.
    OfDecided,
}

impl Delivery {
    /// The config, grants included, is in force.
    pub fn in_force(self) -> bool {
        self.stored && self.enforced
    }
}

/// One delivery of the ConfigMap's content to the kubelet, kept as an annotation on the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touch {
    content: String,
    /// 0 for the content that the pod was made with; that needs no touch.
    attempt: u32,
    /// Milliseconds since 1970.
    at: i64,
}

/// Decides about the pod. A running agent is ended for a change that is not the Bottle's own only when it is its `turn`.
#[expect(clippy::too_many_arguments, reason = "each is a part of what is seen")]
pub fn decide(
    bottle: &Bottle,
    spec: &Spec,
    settings: &Settings,
    seen: Option<&Pod>,
    config_map: &ConfigMap,
    delivery: Delivery,
    turn: bool,
    now: Timestamp,
) -> PodPlan {
    let content = content_hash(config_map);
    let Some(seen) = seen else {
        if spec.suspended {
            return PodPlan::default();
        }
        let mut pod = render(bottle, spec, settings);
        let touch = Touch {
            content,
            attempt: 0,
            at: now.as_millisecond(),
        };
        pod.metadata
            .annotations
            .get_or_insert_default()
            .insert(ANNOTATION_CONFIG_TOUCH.into(), touch.to_string());
        return PodPlan::only(Action::CreatePod(Box::new(pod)));
    };
    if seen.metadata.deletion_timestamp.is_some() {
        return PodPlan {
            standing: Standing::Moving,
            ..PodPlan::default()
        };
    }
    let wanted = render(bottle, spec, settings);
    // Nobody is interrupted, or the Bottle's own author asked for it.
    let now_or_never = turn || !agent_runs(seen) || own_change(bottle);
    let mut plan = PodPlan {
        standing: standing(seen),
        ..PodPlan::default()
    };
    let mut replace = replace(spec, seen, &wanted);
    if replace.is_some() && workspace::would_lose(spec, settings, seen) {
        plan.held = replace.take().map(|replace| replace.why);
    }
    match replace {
        Some(Replace { why, waits }) if now_or_never || !waits => {
            return PodPlan::only(Action::DeletePod {
                name: names::object_name(bottle.metadata.name.as_deref().unwrap_or_default()),
                uid: seen.metadata.uid.clone().unwrap_or_default(),
                why,
            });
        }
        None if agent_image(seen) == Some(&spec.image) => {}
        // Another image would start nobody: it stays as it is until the pod may go.
        None if plan.held.is_some() && (spec.suspended || ended(seen).is_some()) => {}
        None if now_or_never || by_decision(spec, seen, settings) => {
            plan.standing = Standing::Moving;
            plan.actions.push(Action::PatchPodImage {
                image: spec.image.clone(),
            });
        }
        Some(_) | None => plan.wait(now),
    }
    if plan.held.is_some() && matches!(plan.standing, Standing::Settled | Standing::Renaming) {
        plan.standing = Standing::Held;
    }
    if annotation(seen, ANNOTATION_RESOURCES_HASH) != annotation(&wanted, ANNOTATION_RESOURCES_HASH)
        && !resize_refused(seen, &wanted)
    {
        plan.actions.push(Action::ResizePod {
            resources: spec.resources.clone().unwrap_or_default(),
            hash: annotation(&wanted, ANNOTATION_RESOURCES_HASH)
                .unwrap_or_default()
                .to_owned(),
        });
    }
    touch(&mut plan, seen, content, delivery, now);
    plan
}

/// Hands a config to the pod that is there, and leaves it as it is otherwise.
pub fn deliver(
    seen: Option<&Pod>,
    config_map: &ConfigMap,
    delivery: Delivery,
    now: Timestamp,
) -> PodPlan {
    let mut plan = PodPlan::default();
    if let Some(seen) = seen.filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        touch(&mut plan, seen, content_hash(config_map), delivery, now);
    }
    plan
}

fn touch(plan: &mut PodPlan, seen: &Pod, content: String, delivery: Delivery, now: Timestamp) {
    // Only when our own watch has brought the ConfigMap back is the kubelet's likely to have it: a touch that
    // overtakes it is lost. The watch event makes the next plan.
    if !delivery.stored {
        return;
    }
    let last = annotation(seen, ANNOTATION_CONFIG_TOUCH).and_then(Touch::parse);
    let touched = last.as_ref().is_some_and(|last| last.content == content);
    match delivery.callers {
        Callers::None if delivery.enforced => return,
        Callers::OfDeleted if delivery.enforced && touched => return,
        _ => {}
    }
    let attempt = match last {
        Some(last) if last.content == content => {
            if last.attempt == 0 || last.attempt > TOUCHES {
                return;
            }
            let due = last.at + wait(last.attempt);
            if due > now.as_millisecond() {
                plan.look_again(due);
                return;
            }
            last.attempt + 1
        }
        _ => 1,
    };
    let at = now.as_millisecond();
    if attempt <= TOUCHES {
        plan.look_again(at + wait(attempt));
    }
    let touch = Touch {
        content,
        attempt,
        at,
    };
    plan.actions.push(Action::TouchPod {
        value: touch.to_string(),
    });
}

/// Milliseconds from one touch to the next: half a second, then twice as long each time.
fn wait(attempt: u32) -> i64 {
    500 << (attempt.max(1) - 1)
}

impl PodPlan {
    /// An action that begins or ends a pod.
    fn only(action: Action) -> Self {
        Self {
            actions: vec![action],
            recheck: None,
            standing: Standing::Moving,
            held: None,
        }
    }

    /// No pod before it is known what it is made of.
    pub(super) fn begins_at(recheck: Option<Timestamp>) -> Self {
        Self {
            recheck,
            standing: Standing::Moving,
            ..Self::default()
        }
    }

    fn look_again(&mut self, millisecond: i64) {
        let at = Timestamp::from_millisecond(millisecond).ok();
        self.recheck = self.recheck.into_iter().chain(at).min();
    }

    /// The agent would be interrupted, and it is not its turn.
    fn wait(&mut self, now: Timestamp) {
        self.standing = Standing::Waiting;
        self.recheck = now.checked_add(AGAIN).ok();
    }
}

impl Touch {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let touch = Self {
            content: parts.next()?.to_owned(),
            attempt: parts.next()?.parse().ok()?,
            at: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(touch)
    }
}

impl std::fmt::Display for Touch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {} {}", self.content, self.attempt, self.at)
    }
}

fn content_hash(config_map: &ConfigMap) -> String {
    let mut hasher = Sha256::new();
    for (key, value) in config_map.data.iter().flatten() {
        hasher.update((key.len() as u64).to_be_bytes());
        hasher.update(key.as_bytes());
        hasher.update((value.len() as u64).to_be_bytes());
        hasher.update(value.as_bytes());
    }
    let mut text = hex(&hasher.finalize());
    text.truncate(16);
    text
}

/// An annotation of the pod.
pub(super) fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata
        .annotations
        .as_ref()?
        .get(name)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_reads_back_as_it_was_written() {
        let touch = Touch {
            content: "abc".into(),
            attempt: 3,
            at: 17,
        };
        assert_eq!(Touch::parse(&touch.to_string()), Some(touch));
        for broken in ["", "a", "a b c", "a 1 2 3", "a -1 2"] {
            assert_eq!(Touch::parse(broken), None, "{broken}");
        }
    }
}
