//! A tool call of an agent.

use super::{PATIENCE, Said};
use std::{
    process::Child,
    thread,
    time::{Duration, Instant},
};

/// A tool call that waits in the agent's container.
pub struct Call {
    child: Option<Child>,
}

impl Call {
    pub fn of(child: Child) -> Self {
        Self { child: Some(child) }
    }

    /// Whether it has not been answered yet.
    pub fn waits(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// The answer's text.
    #[track_caller]
    pub fn answer(mut self) -> String {
        let began = Instant::now();
        while self.waits() {
            assert!(began.elapsed() < PATIENCE, "the call is not answered");
            thread::sleep(Duration::from_millis(20));
        }
        let said = Said::of(&self.child.take().unwrap().wait_with_output().unwrap());
        said.good()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
