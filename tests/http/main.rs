//! Tests of programs over sockets, files and network namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in test functions; helpers are tests too"
)]

mod attempt;
mod bypass;
mod cred_proxy;
mod demo;
mod egress;
mod filter;
mod lock;
mod mcp;
mod netns;
mod pipelock;
mod prepare;
mod queue_kill;
mod seal_agent;
mod seal_home;
mod seal_settings;
mod sealed;
mod support;
