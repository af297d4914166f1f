//! Bottles of this machine, as a person has them: the whole program, real sandboxes, a real proxy. Those in `docker`
//! are a tier of their own: they take a Docker daemon, which tests/run starts.
#![allow(clippy::panic, reason = "a test fails by a panic")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod agents;
mod class;
mod cli;
mod docker;
mod escape;
mod kill;
mod person;
mod run;
mod sandbox;
#[path = "../scenarios/mod.rs"]
mod scenarios;
mod shared;
mod web;
mod world;
