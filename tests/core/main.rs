//! Tests of the pure core.

mod agents;
mod golden;
mod lock;
mod plan;
