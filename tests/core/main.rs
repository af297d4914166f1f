//! Tests of the pure core.
#![allow(
    clippy::unwrap_used,
    reason = "a test that can't set itself up has failed"
)]

mod agents;
mod golden;
mod lock;
mod plan;
