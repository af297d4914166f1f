//! Bottles of this machine, as a person has them: the whole program, real sandboxes, a real proxy.
#![allow(clippy::panic, reason = "a test fails by a panic")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod cli;
mod escape;
mod kill;
mod run;
mod scenarios;
mod web;
mod world;
