//! Which connections there are, so that those that do nothing lock nobody out.
//!
//! A connection is *free to go* unless a call waits on it: it is idle, or its client is still sending. Of those there
//! may be only so many, and their bodies may hold only so much; the one that has been so for longest has to go. A call
//! that waits for a person is never among them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How much one program holds for its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections without a waiting call.
    pub free: usize,
    /// Connections with one; each holds up to a head's 64 KiB, most 20 KiB.
    pub waiting: usize,
    /// Bytes of bodies that are not complete yet.
    pub bodies: usize,
    /// How long a client may take to send a request's head.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            free: 1024,
            waiting: 4096,
            bodies: 16 << 20,
            head: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// With this many file descriptors; some are needed for files and the API server.
    #[must_use]
    pub fn within(self, files: usize) -> Self {
        Self {
            free: self.free.min(files / 4),
            waiting: self.waiting.min(files / 2),
            ..self
        }
    }
}

/// All connections of one server.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Those that are free to go, the first one first.
    free: BTreeMap<u64, Free>,
    waiting: usize,
    held: usize,
}

#[derive(Debug)]
struct Free {
    go: Arc<Notify>,
    held: usize,
}

/// One connection's place; given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    go: Arc<Notify>,
    /// Its key among those that are free to go.
    key: Mutex<Option<u64>>,
}

/// While it lives its connection stays, whoever else comes.
#[derive(Debug)]
pub struct Stays(Arc<Place>);

impl State {
    /// Has the connection go that is free for longest, of those that `may`.
    fn send_away(&mut self, may: impl Fn(u64, &Free) -> bool) -> bool {
        let first = self
            .free
            .iter()
            .find(|(key, free)| may(**key, free))
            .map(|(key, _)| *key);
        let Some(free) = first.and_then(|key| self.free.remove(&key)) else {
            return false;
        };
        self.held -= free.held;
        free.go.notify_one();
        true
    }
}

impl Connections {
    /// None yet.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds the connections")
    }

    /// A place for a new connection; if need be, another one has to go.
    pub fn enter(self: &Arc<Self>) -> Arc<Place> {
        let place = Place {
            connections: Arc::clone(self),
            go: Arc::default(),
            key: Mutex::new(None),
        };
        place.free();
        Arc::new(place)
    }

    /// Has one connection go, when no file descriptor is left; whether there was one.
    pub fn send_one_away(&self) -> bool {
        self.state().send_away(|_, _| true)
    }
}

impl Place {
    fn key(&self) -> MutexGuard<'_, Option<u64>> {
        self.key
            .lock()
            .expect("nothing panics while it holds a connection's key")
    }

    /// Resolves when this connection has to go.
    pub async fn has_to_go(&self) {
        self.go.notified().await;
    }

    /// Free to go from now on, and the last one of those.
    fn free(&self) {
        let mut key = self.key();
        let mut state = self.connections.state();
        let state = &mut *state;
        if let Some(free) = key.take().and_then(|key| state.free.remove(&key)) {
            state.held -= free.held;
        }
        if state.free.len() >= self.connections.limits.free {
            state.send_away(|_, _| true);
        }
        let new = state.next;
        state.next += 1;
        let go = Arc::clone(&self.go);
        state.free.insert(new, Free { go, held: 0 });
        *key = Some(new);
    }

    /// Its client has sent so many more bytes of a body.
    pub fn hold(&self, bytes: usize) {
        let key = *self.key();
        let mut state = self.connections.state();
        let state = &mut *state;
        let Some(free) = key.and_then(|key| state.free.get_mut(&key)) else {
            return;
        };
        free.held += bytes;
        state.held += bytes;
        while state.held > self.connections.limits.bodies
            && state.send_away(|other, free| Some(other) != key && free.held > 0)
        {}
    }

    /// Its request was complete, and is answered or about to be.
    pub fn answered(&self) {
        if self.key().is_some() {
            self.free();
        }
    }

    /// A call begins to wait on it; none when too many do.
    pub fn stay(self: &Arc<Self>) -> Option<Stays> {
        let mut key = self.key();
        let mut state = self.connections.state();
        if state.waiting >= self.connections.limits.waiting {
            return None;
        }
        state.waiting += 1;
        if let Some(free) = key.take().and_then(|key| state.free.remove(&key)) {
            state.held -= free.held;
        }
        Some(Stays(Arc::clone(self)))
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        self.0.connections.state().waiting -= 1;
        self.0.free();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let key = *self.key();
        let mut state = self.connections.state();
        if let Some(free) = key.and_then(|key| state.free.remove(&key)) {
            state.held -= free.held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn connections(free: usize, waiting: usize, bodies: usize) -> Arc<Connections> {
        Connections::new(Limits {
            free,
            waiting,
            bodies,
            ..Limits::default()
        })
    }

    fn gone(place: &Place) -> bool {
        place.has_to_go().now_or_never().is_some()
    }

    #[test]
    fn the_one_that_is_free_for_longest_goes_when_another_comes() {
        let connections = connections(2, 9, 9);
        let (first, second) = (connections.enter(), connections.enter());
        first.answered();
        let third = connections.enter();
        assert_eq!(
            [&first, &second, &third].map(|place| gone(place)),
            [false, true, false]
        );
        drop(third);
        let fourth = connections.enter();
        assert!(!gone(&first) && !gone(&fourth));
    }

    #[test]
    fn a_waiting_call_keeps_its_connection_and_is_bounded_too() {
        let connections = connections(1, 1, 9);
        let caller = connections.enter();
        let stays = caller.stay().unwrap();
        let (second, third) = (connections.enter(), connections.enter());
        assert_eq!(
            [&caller, &second, &third].map(|place| gone(place)),
            [false, true, false]
        );
        assert!(third.stay().is_none());
        drop(stays);
        assert!(gone(&third) && !gone(&caller));
        assert!(caller.stay().is_some());
    }

    #[test]
    fn unfinished_bodies_are_bounded_and_the_oldest_goes() {
        let connections = connections(9, 9, 100);
        let (idle, first, second) = (
            connections.enter(),
            connections.enter(),
            connections.enter(),
        );
        first.hold(60);
        second.hold(40);
        assert!(!gone(&first));
        second.hold(1);
        assert_eq!(
            [&idle, &first, &second].map(|place| gone(place)),
            [false, true, false]
        );
        second.hold(500);
        assert!(!gone(&second), "its own size is bounded elsewhere");
        second.answered();
        first.hold(1);
        assert_eq!(connections.state().held, 0);
    }

    #[test]
    fn without_file_descriptors_one_goes() {
        let connections = connections(9, 9, 9);
        assert!(!connections.send_one_away());
        let place = connections.enter();
        assert!(connections.send_one_away() && gone(&place));
    }
}
