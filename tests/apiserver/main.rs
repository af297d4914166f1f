//! API server tests: every CEL rule and admission policy, accepted and refused, by identities with real tokens.
#![allow(
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by a panic, and a table is as long as it is"
)]

mod accounts;
mod audit;
mod bottles;
mod by_hand;
mod deciders;
mod decisions;
mod forging;
mod mounts;
mod operator;
mod people;
mod process;
mod proposals;
mod questions;
mod reports;
mod roles;
mod routes;
mod schema;
mod sidecars;
mod split_brain;
#[path = "../support/mod.rs"]
mod support;
mod visible;
mod webhook;
