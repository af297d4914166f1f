//! SHELL: pipelock as the engine that keeps the allowlist, in place of [`crate::egress`].
//!
//! Two sides share a memory volume. `supervise` writes pipelock's config there ([`deliver`]), sees by probing that it
//! is in force, and only then writes `egress.hash`. In pipelock's own container [`keep`] is the first process: it runs
//! the unmodified program, and starts it anew when the other side asks for it, because tunnels survive a host's
//! removal from pipelock's list.
//!
//! # Guarantees
//!
//! - `egress.hash` names a config only after pipelock has answered by it, and after every tunnel that an earlier one
//!   may have opened and this one forbids was cut.
//! - A config that pipelock can't keep is never written: the old one stays, and the hash stays behind.

pub mod deliver;
pub mod keep;
mod probe;

pub use deliver::{Setup, run};

/// Names in the shared volume.
mod file {
    /// pipelock's config.
    pub const CONFIG: &str = "pipelock.yaml";
    /// A number that rises with each start that is asked for.
    pub const WANTED: &str = "start-wanted";
    /// The last one that was made.
    pub const MADE: &str = "start-made";
}
