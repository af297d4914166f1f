//! Tests of the pure core.

mod golden;
mod lock;
