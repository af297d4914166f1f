//! API server tests: every CEL rule and admission policy, accepted and refused, by identities with real tokens and
//! certificates; who may do what is one table, `rights/table.txt`.
#![allow(
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by a panic, and a table is as long as it is"
)]

mod audit;
mod bottles;
mod by_hand;
mod controllers;
mod deciders;
mod decisions;
mod forging;
mod mounts;
mod operator;
mod process;
mod proposals;
mod questions;
mod reports;
mod rights;
mod room;
mod routes;
mod schema;
mod sidecars;
mod split_brain;
#[path = "../support/mod.rs"]
mod support;
mod visible;
mod webhook;
