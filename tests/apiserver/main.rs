//! API server tests: every CEL rule and admission policy, accepted and refused, by identities with real tokens.

mod bottles;
mod deciders;
mod decisions;
mod forging;
mod operator;
mod people;
mod proposals;
mod questions;
mod schema;
mod sidecars;
#[path = "../support/mod.rs"]
mod support;
