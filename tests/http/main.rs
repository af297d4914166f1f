//! Real sockets on the loopback, in one process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in test functions; helpers are tests too"
)]

mod demo;
mod egress;
mod mcp;
mod support;
