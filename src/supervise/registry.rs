//! What the calls of one program know of each other.
//!
//! The last answers: once a question is answered, its decision may leave the view before another caller that waits on
//! the same proposal has seen it. The questions that were closed. And the new proposals that the view's limits don't
//! count yet.

use super::view::View;
use crate::config::decisions::Decided;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// Too many wait for a person already.
pub const PENDING_LIMIT: &str = "too many proposals of this bottle wait for a decision. Wait for one of them (call again \
     with its arguments) before asking for something new";
/// Too many were made in a short time.
pub const HOUR_LIMIT: &str = "too many new proposals in the last hour. Put what is needed into fewer proposals, and call \
     again later";

/// Far more proposals than can be answered between two looks of a waiting call: 20 may be pending at once.
const MAX_KEPT: usize = 64;

/// Answers given, and questions closed.
#[derive(Debug, Default)]
pub struct Registry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    recent: VecDeque<Decided>,
    closed: HashMap<String, i64>,
    /// Which proposal has a name now.
    uids: HashMap<String, String>,
    /// The view that the limits were taken from, and how many places were taken since.
    taken: Option<(Arc<View>, u32)>,
}

impl State {
    /// An empty uid is not known, and says nothing.
    fn is_of(&self, decided: &Decided, asked: i64) -> bool {
        let uid = self.uids.get(&decided.proposal).map_or("", String::as_str);
        let same = decided.uid == uid || decided.uid.is_empty() || uid.is_empty();
        same && decided.asked >= asked
    }
}

/// A place among the new proposals; given back when it is dropped.
#[derive(Debug)]
pub struct Place<'a>(Option<&'a Registry>);

impl Place<'_> {
    /// A proposal was made: the place stays taken until the view's limits count it.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(registry) = self.0
            && let Some((_, taken)) = &mut registry.state().taken
        {
            *taken = taken.saturating_sub(1);
        }
    }
}

impl Registry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds the registry")
    }

    /// A place for one more proposal within the view's limits, or the words that refuse it. Many calls at once, faster
    /// than the limits are told, get no more places than there are.
    pub fn reserve(&self, view: &Arc<View>) -> Result<Place<'_>, &'static str> {
        let mut state = self.state();
        let taken = match &mut state.taken {
            Some((of, taken)) if Arc::ptr_eq(of, view) => taken,
            // Another view counts what was made before it.
            other => &mut other.insert((Arc::clone(view), 0)).1,
        };
        if let Some(limits) = &view.limits {
            if *taken >= limits.pending_left {
                return Err(PENDING_LIMIT);
            }
            if *taken >= limits.hour_left {
                return Err(HOUR_LIMIT);
            }
        }
        *taken += 1;
        Ok(Place(Some(self)))
    }

    /// Keeps an answer for callers that come a moment later.
    pub fn record(&self, decided: &Decided) {
        let mut state = self.state();
        if state.recent.contains(decided) {
            return;
        }
        state
            .recent
            .retain(|kept| kept.proposal != decided.proposal);
        state.recent.push_back(decided.clone());
        if state.recent.len() > MAX_KEPT {
            state.recent.pop_front();
        }
    }

    /// The answer to this question or a later one on the same proposal.
    pub fn find(&self, name: &str, asked: i64) -> Option<Decided> {
        let state = self.state();
        let mut kept = state.recent.iter();
        kept.find(|kept| kept.proposal == name && state.is_of(kept, asked))
            .cloned()
    }

    /// Whether `decided` decides question `asked` of the proposal that has its name now: one that was deleted and
    /// asked anew is another.
    pub fn is_of(&self, decided: &Decided, asked: i64) -> bool {
        self.state().is_of(decided, asked)
    }

    /// A new proposal, `uid`, took this name: nothing that was decided before belongs to it.
    pub fn renew(&self, name: &str, uid: String) {
        let mut state = self.state();
        state.recent.retain(|kept| kept.proposal != name);
        state.closed.remove(name);
        state.uids.insert(name.to_owned(), uid);
    }

    /// The proposal of this name is `uid`.
    pub fn know(&self, name: &str, uid: &str) {
        let mut state = self.state();
        if state.uids.get(name).is_none_or(|known| known != uid) {
            state.uids.insert(name.to_owned(), uid.to_owned());
        }
    }

    /// Whether the proposal of this name is one of `uids`.
    pub fn is_among(&self, name: &str, uids: &[String]) -> bool {
        let state = self.state();
        let known = state.uids.get(name).filter(|uid| !uid.is_empty());
        known.is_some_and(|uid| uids.contains(uid))
    }

    /// Whether this question was answered before.
    pub fn is_closed(&self, name: &str, asked: i64) -> bool {
        let closed = self.state().closed.get(name).copied();
        closed.is_some_and(|closed| closed >= asked)
    }

    /// Whether the caller is the first one to close this question; a thousand callers make one write.
    pub fn begin_close(&self, name: &str, asked: i64) -> bool {
        let mut state = self.state();
        if state
            .closed
            .get(name)
            .is_some_and(|closed| *closed >= asked)
        {
            return false;
        }
        state.closed.insert(name.to_owned(), asked);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decisions::{Answer, Decisions, Limits};

    fn limited(pending_left: u32, hour_left: u32) -> Arc<View> {
        let limits = Some(Limits {
            pending_left,
            hour_left,
        });
        Arc::new(View::default().with_decisions(Decisions {
            limits,
            ..Decisions::default()
        }))
    }

    fn decided(asked: i64) -> Decided {
        Decided {
            uid: String::new(),
            proposal: "p".to_owned(),
            asked,
            status: Answer::Approved,
            notes: String::new(),
            final_file: None,
        }
    }

    #[test]
    fn calls_at_once_get_no_more_places_than_the_view_has() {
        let (registry, view) = (Registry::default(), limited(2, 9));
        let first = registry.reserve(&view).unwrap();
        let second = registry.reserve(&view).unwrap();
        assert_eq!(registry.reserve(&view).unwrap_err(), PENDING_LIMIT);
        drop(first);
        registry.reserve(&view).unwrap().keep();
        second.keep();
        assert_eq!(registry.reserve(&view).unwrap_err(), PENDING_LIMIT);
        registry.reserve(&limited(1, 1)).unwrap();
        assert_eq!(registry.reserve(&limited(1, 0)).unwrap_err(), HOUR_LIMIT);
    }

    #[test]
    fn an_answer_is_found_by_its_question_and_earlier_ones_until_the_name_is_new_again() {
        let registry = Registry::default();
        registry.record(&decided(2));
        assert!(registry.find("p", 1).is_some() && registry.find("p", 2).is_some());
        assert!(registry.find("p", 3).is_none() && registry.find("q", 1).is_none());
        registry.renew("p", String::new());
        assert!(registry.find("p", 1).is_none());
    }

    #[test]
    fn a_decision_on_a_proposal_that_was_deleted_is_no_answer_to_its_successor() {
        let registry = Registry::default();
        let of = |uid: &str| Decided {
            uid: uid.to_owned(),
            ..decided(1)
        };
        assert!(registry.is_of(&of("old"), 1), "nothing is known yet");
        registry.renew("p", "new".to_owned());
        assert!(!registry.is_of(&of("old"), 1));
        assert!(registry.is_of(&of("new"), 1));
        registry.know("p", "newest");
        assert!(!registry.is_of(&of("new"), 1));
    }

    #[test]
    fn a_question_is_closed_once() {
        let registry = Registry::default();
        assert!(registry.begin_close("p", 1));
        assert!(!registry.begin_close("p", 1));
        assert!(registry.begin_close("p", 2));
        assert!(!registry.begin_close("p", 1));
        registry.renew("p", String::new());
        assert!(registry.begin_close("p", 1));
    }
}
