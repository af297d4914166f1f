//! Tests of the pure core.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "helpers are tests too, and a table is long"
)]

mod agents;
mod corpus;
mod golden;
mod lock;
mod model;
mod plan;
mod properties;
mod refusals;
mod threats;
