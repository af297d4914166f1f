//! A change of a class on its way through its bottles: at most a part of them is without its agent at a time.
//!
//! # Guarantees
//!
//! - Of a class' bottles no more than [`limit`] lose their running agent for a change that is not their own. One whose
//!   new pod doesn't come up keeps its place: a change that breaks agents stops at that many.
//! - A bottle's own change, and one without a running agent, waits for nobody.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Part of a class' bottles, in per cent, when nobody says another.
pub const PERCENT: u8 = 10;
/// How soon a bottle that waits for its turn asks again: about as long as a pod takes to start.
pub const AGAIN: SignedDuration = SignedDuration::from_secs(3);
/// How long the name of a running image is waited for: a runtime may call it otherwise than the pod does.
const NAMING: SignedDuration = SignedDuration::from_secs(60);

/// Namespace and name of a Bottle.
pub type Key = (String, String);

/// Where a bottle's pod is, seen from what it shall be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is what it shall be, or there shall be none.
    #[default]
    Settled,
    /// The agent runs, in an image of another name than the pod's.
    Renaming,
    /// It is on its way.
    Moving,
    /// It must restart, and waits for its turn.
    Waiting,
    /// It must restart, and would lose what nobody has given up: no turn helps.
    Held,
}

/// The class of a bottle, and its generation as the bottle's plan saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    /// Its name.
    pub class: String,
    /// `metadata.generation`.
    pub generation: i64,
}

/// How far a class' change has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The class' generation.
    pub generation: i64,
    /// Bottles of the class.
    pub bottles: u32,
    /// Those that are as this generation wants them.
    pub updated: u32,
    /// Those without their agent for the change's sake.
    pub rolling: u32,
    /// The others.
    pub waiting: u32,
}

/// All bottles, and whose turn it is.
#[derive(Clone, Debug, Default)]
pub struct Rolls {
    bottles: BTreeMap<Key, Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    of: Option<Of>,
    standing: Standing,
    turn: Option<Timestamp>,
}

impl Entry {
    fn class(&self) -> Option<&str> {
        self.of.as_ref().map(|of| of.class.as_str())
    }
}

/// How many of `bottles` may be without their agent at a time.
pub fn limit(bottles: usize, percent: u8) -> usize {
    (bottles * usize::from(percent) / 100).max(1)
}

impl Rolls {
    /// Whether the bottle's pod may go now. Bottles without a class share one turn as if it were a class.
    pub fn take(&mut self, key: &Key, of: Option<&Of>, percent: u8, now: Timestamp) -> bool {
        let class = of.map(|of| of.class.as_str());
        let known = self.bottles.get(key);
        if known.is_some_and(|entry| entry.turn.is_some()) {
            return true;
        }
        let like = self.bottles.values().filter(|entry| entry.class() == class);
        // One that was never noted counts, too.
        let all = like.clone().count().max(1);
        let rolling = like.filter(|entry| entry.turn.is_some()).count();
        if rolling >= limit(all, percent) {
            return false;
        }
        let entry = self.bottles.entry(key.clone()).or_default();
        entry.of = of.cloned();
        entry.turn = Some(now);
        true
    }

    /// Takes note of what a plan said; whether that changes anything.
    pub fn note(&mut self, key: &Key, of: Option<Of>, standing: Standing, now: Timestamp) -> bool {
        let entry = self.bottles.entry(key.clone()).or_default();
        let old = (entry.of.clone(), entry.standing, entry.turn);
        let named = entry
            .turn
            .is_none_or(|since| now.duration_since(since) >= NAMING);
        let standing = match standing {
            Standing::Renaming if named => Standing::Settled,
            other => other,
        };
        if matches!(standing, Standing::Settled | Standing::Held) {
            entry.turn = None;
        }
        entry.of = of;
        entry.standing = standing;
        old != (entry.of.clone(), entry.standing, entry.turn)
    }

    /// The bottle is gone; whether it was known.
    pub fn forget(&mut self, key: &Key) -> bool {
        self.bottles.remove(key).is_some()
    }

    /// The classes that have bottles.
    pub fn classes(&self) -> BTreeSet<String> {
        let classes = self.bottles.values().filter_map(Entry::class);
        classes.map(str::to_owned).collect()
    }

    /// How far the newest known generation of `class` has come.
    pub fn progress(&self, class: &str) -> Progress {
        let of_class: Vec<(&Entry, i64)> = self
            .bottles
            .values()
            .filter_map(|entry| {
                let of = entry.of.as_ref().filter(|of| of.class == class)?;
                Some((entry, of.generation))
            })
            .collect();
        let newest = of_class.iter().map(|(_, generation)| *generation).max();
        let mut progress = Progress {
            generation: newest.unwrap_or_default(),
            ..Progress::default()
        };
        for (entry, generation) in of_class {
            progress.bottles += 1;
            if entry.turn.is_some() {
                progress.rolling += 1;
            } else if generation == progress.generation
                && !matches!(entry.standing, Standing::Waiting | Standing::Held)
            {
                progress.updated += 1;
            } else {
                progress.waiting += 1;
            }
        }
        progress
    }
}
