//! Tests of the pure core.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers are tests too"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that can't set itself up has failed"
)]

mod agents;
mod golden;
mod lock;
mod plan;
