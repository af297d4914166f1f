//! What goes into a step, and what people are told of it.

use super::{build, lifetimes::Lifetimes, limits::Full, today::Today};
use jiff::Timestamp;

/// What the proposal's Bottle says about it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The clock.
    pub now: Timestamp,
    /// `appliedSequence` for an approval that has none.
    pub next_sequence: i64,
    /// What is in force without this proposal; none while the Bottle itself is not valid.
    pub today: Option<&'a Today>,
    /// How long a question waits.
    pub lifetimes: Lifetimes,
    /// Why the question can't be shown to a reviewer yet.
    pub held: Option<Full>,
    /// What is seen of its build, when it asks for an image.
    pub build: Option<&'a build::Seen>,
}

/// An Event for `kubectl describe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it needs attention.
    pub warning: bool,
    /// One CamelCase word.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
}

/// Why a step was taken: reason and sentence.
pub(super) struct Why {
    pub reason: &'static str,
    pub message: String,
}
