//! Tests of programs over sockets, files and network namespaces.
#![allow(
    clippy::unwrap_used,
    reason = "a test that can't set itself up has failed"
)]

mod attempt;
mod lock;
mod netns;
mod prepare;
mod seal_agent;
mod seal_home;
mod sealed;
