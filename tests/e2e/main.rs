//! Bottles on a real cluster: real API server, kubelet, containerd, name server; the agent's side is the official
//! MCP SDK's client and curl in the agent's container.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "helpers are tests too, and a table is long"
)]

mod agents;
mod bad_input;
mod builds;
mod changes;
mod class;
mod credentials;
mod denials;
mod disruption;
mod escape;
mod kill;
mod rest;
mod road;
#[path = "../scenarios/mod.rs"]
mod scenarios;
mod settings;
mod support;
mod token;
mod verbs;
mod waits;
mod workspace;
