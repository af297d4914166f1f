//! Tests of the pure core.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    clippy::format_collect,
    clippy::manual_assert,
    clippy::match_same_arms,
    clippy::needless_for_each,
    clippy::semicolon_if_nothing_returned,
    clippy::type_complexity,
    clippy::unnecessary_wraps,
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
